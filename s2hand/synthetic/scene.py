"""Where a synthetic hand is and how it is seen: hand frame, views, cameras, placement, light.

Camera frame: x right, y down, z forward, metres. A hand's own frame has three axes: towards the thumb's
side, towards the fingers, out of the palm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

REFERENCE_SIZE = 224
FOCAL_RANGE_PX = (460.0, 640.0)
"""Focal lengths like FreiHAND's, for a 224 px crop."""

FOCAL_RATIO_DEVIATION = 0.0005
PRINCIPAL_POINT_DEVIATION_PX = 2.0
DISTANCE_RANGE_M = (0.5, 0.9)
FILL_RANGE = (0.5, 0.85)
"""The larger side of the hand's box, in sides of the crop."""

OFF_CENTRE_DEVIATION = 0.03
BORDER = 0.02
"""Deviation of the hand's place and what stays free around it, in sides of the crop."""


@dataclass(frozen=True)
class Framing:
    """The lens, and how much of the image hands take up; the default is like FreiHAND's crops.

    Attributes:
        focal_range_px: for an image of ``REFERENCE_SIZE``.
        fill_range: the larger side of the hand's box, in sides of the image.
        off_centre: deviation of the hand's place, in sides of the image.
        region: side of the middle part of the image in which hands stay, in sides of the image.
    """

    focal_range_px: tuple[float, float] = FOCAL_RANGE_PX
    fill_range: tuple[float, float] = FILL_RANGE
    off_centre: float = OFF_CENTRE_DEVIATION
    region: float = 1.0

    @property
    def hand_size(self) -> float:
        """Size of hands in the image, relative to their size in FreiHAND's crops."""
        return sum(self.fill_range) / sum(FILL_RANGE)


FREIHAND_FRAMING = Framing()

VIEW_SHARES = (0.45, 0.4, 0.15)
"""Palm to the camera (third person), back to the camera (mostly one's own hand), any view at all."""

TILT_DEVIATION_RAD = np.deg2rad(38)
IN_PLANE_DEVIATION_RAD = np.deg2rad(70)

PALM_VIEW = np.diag([1.0, -1, -1])
BACK_VIEW = np.diag([-1.0, -1, 1])
"""Camera-frame columns of (thumb's side, fingers, palm) for fingers pointing up."""


@dataclass(frozen=True)
class SceneLight:
    """One soft lamp and what comes from everywhere else.

    Attributes:
        towards: (3,) unit vector from the hand to the lamp, camera frame.
        ambient: (3,) RGB.
        directional: (3,) RGB.
        gloss: strength of the highlight.
    """

    towards: np.ndarray
    ambient: np.ndarray
    directional: np.ndarray
    gloss: float


def hand_frame(joints: np.ndarray) -> np.ndarray:
    """The axes of an unbent right hand.

    Args:
        joints: (21, 3) metres.

    Returns:
        (3, 3) columns: towards the thumb's side, towards the middle finger, out of the palm.
    """
    fingers = joints[9] - joints[0]
    fingers = fingers / np.linalg.norm(fingers)
    side = joints[5] - joints[17]
    side = side - fingers * (side @ fingers)
    side = side / np.linalg.norm(side)
    return np.stack([side, fingers, np.cross(side, fingers)], -1)


def sample_rotation(random: np.random.Generator, frame: np.ndarray, variety: float = 1.0) -> np.ndarray:
    """Draws how the hand is turned: its palm or back more or less to the camera, or any way.

    Args:
        random: source of randomness.
        frame: (3, 3) from :func:`hand_frame`.
        variety: in [0, 1], multiplies the share of arbitrary views and the deviations of all others.

    Returns:
        (3,) axis-angle, radians, that takes the hand from its own pose to the camera frame.
    """
    *upright_shares, any_share = VIEW_SHARES
    shares = np.array([*upright_shares, any_share * variety])
    view = random.choice(len(shares), p=shares / shares.sum())
    if view == 2:
        return Rotation.random(rng=random).as_rotvec()
    direction = random.uniform(0, 2 * np.pi)
    tilt = random.normal(0, TILT_DEVIATION_RAD * variety) * np.array(
        [np.cos(direction), np.sin(direction), 0]
    )
    in_plane = np.array([0, 0, random.normal(0, IN_PLANE_DEVIATION_RAD * variety)])
    upright = Rotation.from_matrix((PALM_VIEW, BACK_VIEW)[view] @ frame.T)
    return (Rotation.from_rotvec(in_plane) * Rotation.from_rotvec(tilt) * upright).as_rotvec()


def sample_camera(
    random: np.random.Generator, image_size: int, framing: Framing = FREIHAND_FRAMING
) -> np.ndarray:
    """Draws a camera with square pixels, nearly, that looks straight ahead, nearly.

    Returns:
        (3, 3) px.
    """
    scale = image_size / REFERENCE_SIZE
    focal = random.uniform(*framing.focal_range_px) * scale
    ratio = 1 + random.normal(0, FOCAL_RATIO_DEVIATION)
    centre = image_size / 2 + random.normal(0, PRINCIPAL_POINT_DEVIATION_PX * scale, 2)
    return np.array([[focal, 0, centre[0]], [0, focal * ratio, centre[1]], [0, 0, 1]])


def place_hand(
    random: np.random.Generator,
    vertices: np.ndarray,
    K: np.ndarray,
    image_size: int,
    framing: Framing = FREIHAND_FRAMING,
) -> np.ndarray:
    """Draws where the hand is, so that it fills a natural part of the crop and stays inside.

    Args:
        random: source of randomness.
        vertices: (V, 3) metres, turned to the camera, anywhere.
        K: (3, 3) px.
        image_size: side of the crop in pixels.
        framing: which part of it is natural.

    Returns:
        (3,) metres to add to the vertices.
    """
    middle = (vertices.min(0) + vertices.max(0)) / 2
    translation = np.array([0, 0, random.uniform(*DISTANCE_RANGE_M)]) - middle
    for _ in range(3):  # perspective changes with the distance: the second correction is already tiny
        low, high = _box(vertices + translation, K)
        fill = (high - low).max() / image_size
        distance = middle[2] + translation[2]
        translation[2] = distance * fill / np.clip(fill, *framing.fill_range) - middle[2]
    low, high = _box(vertices + translation, K)
    half = (high - low) / 2
    wanted = image_size * (0.5 + random.normal(0, framing.off_centre, 2))
    margin = half + (BORDER + (1 - framing.region) / 2) * image_size
    wanted = np.clip(wanted, margin, np.maximum(image_size - margin, margin))
    for _ in range(3):
        low, high = _box(vertices + translation, K)
        shift_px = wanted - (low + high) / 2
        translation[:2] += shift_px * (middle[2] + translation[2]) / K[[0, 1], [0, 1]]
    return translation


def _box(points: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (2,) px of projected points."""
    projected = points @ K.T
    pixels = projected[:, :2] / projected[:, 2:]
    return pixels.min(0), pixels.max(0)


def sample_light(random: np.random.Generator) -> SceneLight:
    """Draws a lamp, mostly above and before the hand, and ambient light of another tint."""
    towards = random.normal((0, -0.6, -0.9), (0.7, 0.5, 0.4))
    warmth, ambient_warmth = random.normal(0, 0.04, 2)
    tint = np.array([1.0, 0.3, -1.0])
    return SceneLight(
        towards=towards / np.linalg.norm(towards),
        ambient=random.uniform(0.36, 0.64) * (1 + ambient_warmth * tint),
        directional=random.uniform(0.3, 0.6) * (1 + warmth * tint),
        gloss=random.uniform(0, 0.1),
    )
