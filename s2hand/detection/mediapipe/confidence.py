"""How sure a keypoint is, which the network does not say: from how far several looks at it lie apart.

Confidence is the probability that a keypoint lies within ``RIGHT_WITHIN`` of MANO's joint. The curve is a
logistic regression on the spread's logarithm, with an intercept a joint, fitted on drawn hands by
``scripts/calibrate_confidence.py``. Some joints are defined otherwise than MANO's, the wrist most of all, and
have a low confidence for that reason.
"""

from __future__ import annotations

import numpy as np

RIGHT_WITHIN = 0.1
"""Distance in sizes of the hand, the longer side of its keypoints' box: nearly 2 cm of an open hand."""

LEAST_SPREAD, LARGEST_SPREAD = 0.01, 0.18
"""In hand sizes: the first is added, for looks may agree exactly; beyond the second one spread is as bad as
another, and the curve would rise again from 0.19 on."""

JOINT_LOGITS = (
    -0.55,
    -0.75, 0.35, 0.59, -0.01,
    0.43, 1.14, 0.73, 0.22,
    -0.23, 1.2, 1.14, 0.46,
    0.5, 1.42, 0.88, 0.18,
    0.68, 1.36, 1.24, 0.44,
)  # fmt: skip
"""Wrist, thumb, index, middle, ring and little finger."""

SLOPES = (2.574, 0.8)
"""Slopes of the logarithm and of its square."""

ONE_LOOK_CONFIDENCE = (
    0.32,
    0.51, 0.76, 0.79, 0.67,
    0.8, 0.85, 0.8, 0.7,
    0.75, 0.88, 0.86, 0.74,
    0.83, 0.9, 0.83, 0.69,
    0.83, 0.89, 0.87, 0.75,
)  # fmt: skip
"""The share that is right of each joint's keypoints, all that is known of them without other looks."""


def spread_features(spread: np.ndarray) -> np.ndarray:
    """(N, 21, 2) the logarithm of a spread (N, 21) in hand sizes, and its square."""
    logarithm = np.log(np.minimum(spread, LARGEST_SPREAD) + LEAST_SPREAD)
    return np.stack([logarithm, logarithm**2], axis=-1)


def confidence_of_looks(spread: np.ndarray) -> np.ndarray:
    """(N, 21) the confidence of keypoints whose looks have a spread (N, 21) in hand sizes."""
    return 1 / (1 + np.exp(-(np.array(JOINT_LOGITS) + spread_features(spread) @ np.array(SLOPES))))


def confidence_of_one_look(hands: int) -> np.ndarray:
    """(N, 21) the confidence of keypoints that were looked at once."""
    return np.tile(ONE_LOOK_CONFIDENCE, (hands, 1))
