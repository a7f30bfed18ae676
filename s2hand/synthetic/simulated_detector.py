"""A stand-in for a 2D keypoint detector: true keypoints in, noisy ones with honest confidences out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.skeleton import FINGERS, NUM_JOINTS, WRIST

REFERENCE_SIZE = 224
"""Side in pixels to which the noise settings refer; other image sizes scale them."""

FINGER_FLESH_DEPTH, KNUCKLE_FLESH_DEPTH, WRIST_FLESH_DEPTH = 0.014, 0.026, 0.032
"""Metres from a joint's centre to its own skin, at most. A surface farther in front of it hides it."""

BEST_CONFIDENCE, CONFIDENCE_LOSS = 0.92, 0.07
"""Confidence of a perfect detection, and how much each pixel of standard deviation takes from it."""

CONFIDENCE_NOISE, LEAST_CONFIDENCE = 0.06, 0.05

DEFINITIONS = ("joints", "mediapipe")

BOX_PADDING = 0.08
"""Free part of a box on each side, in sides of the keypoints' box: joints lie inside of the skin."""


@dataclass(frozen=True)
class DetectorNoise:
    """The errors of the simulated detector.

    Attributes:
        sigma_px: typical standard deviation of a visible joint, per axis, for a 224 px image.
        sigma_spread: images differ in difficulty: sigma is multiplied by exp(N(0, sigma_spread)).
        occluded_factor: sigma of a hidden joint, times that of a visible one.
        outlier_rate: share of joints found on another finger or anywhere in the hand's box.
        miss_rate: share of joints not found.
        occluded_rate_factor: how many times more often hidden joints are outliers or missed.
        failure_rate: share of images in which no joint is found.
        shared_by_finger: share of a joint's variance that the joints of its finger have in common.
        definition: what the detector calls a joint: the ``joints`` themselves, or the points of the hand that
            ``mediapipe`` means (:mod:`s2hand.models.landmark_definition`).
    """

    sigma_px: float = 2.0
    sigma_spread: float = 0.4
    occluded_factor: float = 2.0
    outlier_rate: float = 0.015
    miss_rate: float = 0.01
    occluded_rate_factor: float = 4.0
    failure_rate: float = 0.005
    shared_by_finger: float = 0.0
    definition: str = "joints"

    def __post_init__(self):
        if self.definition not in DEFINITIONS:
            known = ", ".join(DEFINITIONS)
            raise ValueError(f"DetectorNoise.definition must be one of {known}, got {self.definition!r}")
        for name in ("outlier_rate", "miss_rate", "failure_rate", "shared_by_finger"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"DetectorNoise.{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("sigma_px", "sigma_spread", "occluded_factor", "occluded_rate_factor"):
            if getattr(self, name) < 0:
                raise ValueError(f"DetectorNoise.{name} must be 0 or more, got {getattr(self, name)}")


def hidden_joints(joint_depths: np.ndarray, keypoints: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Finds joints that are hidden by something other than their own flesh.

    Args:
        joint_depths: (21,) camera z in metres.
        keypoints: (21, 2) px, projected joints.
        depth: (S, S) camera z of the nearest surface, large where nothing is.

    Returns:
        (21,) bool.
    """
    column, row = np.clip(np.floor(keypoints).astype(int), 0, len(depth) - 1).T
    flesh = np.full(NUM_JOINTS, FINGER_FLESH_DEPTH)
    flesh[[chain[0] for chain in FINGERS.values()]] = KNUCKLE_FLESH_DEPTH
    flesh[WRIST] = WRIST_FLESH_DEPTH
    return joint_depths - depth[row, column] > flesh


def simulate_detector(
    keypoints: np.ndarray,
    hidden: np.ndarray,
    image_size: int,
    noise: DetectorNoise,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one image's detections.

    Args:
        keypoints: (21, 2) px, the truth.
        hidden: (21,) bool, from :func:`hidden_joints`.
        image_size: side of the image in pixels.
        noise: the detector's errors.
        random: source of randomness.

    Returns:
        (21, 2) px and (21,) confidences; (0, 0) and 0 where missed.
    """
    difficulty = np.exp(random.normal(0, noise.sigma_spread))
    joint_spread = np.exp(random.normal(0, noise.sigma_spread / 2, NUM_JOINTS))
    sigma = noise.sigma_px * difficulty * joint_spread * np.where(hidden, noise.occluded_factor, 1)
    scale = image_size / REFERENCE_SIZE
    found = keypoints + sigma[:, None] * scale * _unit_noise(random, noise.shared_by_finger)
    confidence = BEST_CONFIDENCE - CONFIDENCE_LOSS * sigma + random.normal(0, CONFIDENCE_NOISE, NUM_JOINTS)
    rate_factor = np.where(hidden, noise.occluded_rate_factor, 1)

    outliers = random.random(NUM_JOINTS) < noise.outlier_rate * rate_factor
    found = np.where(outliers[:, None], _wrong_places(keypoints, random), found)
    confidence = np.where(outliers, confidence * random.uniform(0.2, 0.9, NUM_JOINTS), confidence)
    confidence = np.clip(confidence, LEAST_CONFIDENCE, 1)

    missed = random.random(NUM_JOINTS) < noise.miss_rate * rate_factor
    missed |= random.random() < noise.failure_rate
    # A detector finds nothing outside of the image.
    missed |= ((found < 0) | (found >= image_size)).any(-1)
    return np.where(missed[:, None], 0, found), np.where(missed, 0, confidence)


def simulate_boxes(keypoints: np.ndarray) -> np.ndarray:
    """Boxes about hands as a detector would find them.

    Args:
        keypoints: (N, 21, 2) px, the truth.

    Returns:
        (N, 4) px: left, top, width, height.
    """
    low, high = keypoints.min(1), keypoints.max(1)
    padding = BOX_PADDING * (high - low)
    return np.concatenate([low - padding, high - low + 2 * padding], -1)


def _unit_noise(random: np.random.Generator, shared_by_finger: float) -> np.ndarray:
    """(21, 2) normal numbers of deviation 1, correlated within each finger; the wrist is on its own."""
    own = random.standard_normal((NUM_JOINTS, 2))
    if not shared_by_finger:
        return own
    for chain in FINGERS.values():
        shared = random.standard_normal(2)
        own[list(chain)] *= np.sqrt(1 - shared_by_finger)
        own[list(chain)] += np.sqrt(shared_by_finger) * shared
    return own


def _wrong_places(keypoints: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """For each joint the same joint of another finger, or a place in the hand's box, (21, 2)."""
    chains = np.array(list(FINGERS.values()))
    other = np.roll(chains, random.choice([-1, 1]), 0)
    confused = np.arange(NUM_JOINTS)
    confused[chains.ravel()] = other.ravel()
    anywhere = random.uniform(keypoints.min(0), keypoints.max(0), (NUM_JOINTS, 2))
    swapped = (random.random(NUM_JOINTS) < 0.6) & (confused != WRIST)
    return np.where(swapped[:, None], keypoints[confused], anywhere)


BUNDLED_DETECTOR = DetectorNoise(
    sigma_px=2.2, sigma_spread=0.45, occluded_factor=2.0, shared_by_finger=0.5, definition="mediapipe"
)
"""Errors like those of the bundled detector, as :mod:`s2hand.models.random_hands` draws them: 1.5 % of the
hand's length, about 150 px in a crop of 224, half of the variance shared by a finger."""

NOISES = {"independent": DetectorNoise(), "bundled": BUNDLED_DETECTOR}
"""The detectors that configs may name."""
