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

LEAST_SPREAD, LARGEST_SPREAD = 0.01, 0.2
"""In hand sizes: the first is added, for looks may agree exactly; beyond the second one spread is as bad as
another."""

JOINT_LOGITS = (
    -0.75,
    -1.0, 0.14, 0.41, -0.25,
    0.21, 0.96, 0.53, 0.01,
    -0.47, 0.91, 0.96, 0.21,
    0.22, 1.14, 0.65, -0.05,
    0.49, 1.12, 0.94, 0.17,
)  # fmt: skip
"""Wrist, thumb, index, middle, ring and little finger."""

SLOPES = (2.572, 0.817)
"""Slopes of the logarithm and of its square."""

ONE_LOOK_CONFIDENCE = (
    0.31,
    0.51, 0.76, 0.79, 0.67,
    0.8, 0.85, 0.8, 0.7,
    0.75, 0.87, 0.86, 0.73,
    0.82, 0.89, 0.82, 0.68,
    0.83, 0.89, 0.86, 0.74,
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
