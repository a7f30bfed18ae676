"""Which of the hands that were found in a photo are the ones that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

SAME_HAND = 0.5
"""Mean distance of keypoints, in larger sides of the box, from which two hands are not the same."""


def joint_distances(keypoints: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Distances of keypoints from landmarks in larger sides of the landmarks' box, (21,).

    Args:
        keypoints: (21, 2) px.
        landmarks: (21, 2) px.
    """
    return np.linalg.norm(keypoints - landmarks, axis=1) / max(np.ptp(landmarks, axis=0).max(), 1.0)


def match_hands(found: Sequence[np.ndarray], known: Sequence[np.ndarray]) -> dict[int, int]:
    """Pairs hands so that their distances are smallest, but none that are too far apart.

    Args:
        found: (21, 2) px of each.
        known: likewise.

    Returns:
        Number among the known hands -> number among those found.
    """
    if not len(found) or not len(known):
        return {}
    apart = np.array([[joint_distances(one, other).mean() for one in found] for other in known])
    return {
        int(row): int(column)
        for row, column in zip(*linear_sum_assignment(apart), strict=True)
        if apart[row, column] < SAME_HAND
    }
