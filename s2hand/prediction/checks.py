"""Whether a predicted hand can be meant: is it in its photo, and where its keypoints are?"""

from __future__ import annotations

import numpy as np

MOST_OUTSIDE = 0.5
"""A hand with more than this share of its joints outside of the photo is flagged."""

FARTHEST = 0.15
"""Mean distance of the joints from the detected keypoints, in larger sides of the keypoints' box. Refined
hands of real photos have 0.03, and landmarks that mean other points than the joints explain 0.02 of it."""

SIZES = (0.67, 1.5)
"""Usual range of the hand's extent over that of its keypoints."""

FEWEST_KEYPOINTS = 4
"""With fewer, neither place nor size of a hand is known from them."""


def doubts_of(
    joints_px: np.ndarray, size: tuple[int, int], keypoints: np.ndarray, confidence: np.ndarray
) -> list[str]:
    """What speaks against a predicted hand.

    Args:
        joints_px: (21, 2) projected joints, px of the photo.
        size: width and height of the photo in pixels.
        keypoints: (21, 2) detected, px of the photo.
        confidence: (21,), 0 where nothing was detected.

    Returns:
        One phrase a doubt, such as "it is 2.1 times as large as its keypoints".
    """
    doubts = []
    outside = ((joints_px < 0) | (joints_px > np.array(size))).any(-1).mean()
    if outside > MOST_OUTSIDE:
        doubts.append(f"{outside:.0%} of its joints are outside of the photo")
    found = confidence > 0
    if found.sum() < FEWEST_KEYPOINTS:
        return doubts
    side = float(np.ptp(keypoints[found], axis=0).max())
    distance = float(np.linalg.norm(joints_px - keypoints, axis=-1)[found].mean())
    if distance > FARTHEST * side:
        doubts.append(f"its joints are {distance:.0f} px from its keypoints, which span {side:.0f} px")
    ratio = float(np.ptp(joints_px[found], axis=0).max()) / max(side, 1e-9)
    if not SIZES[0] <= ratio <= SIZES[1]:
        doubts.append(f"it is {ratio:.1f} times as large as its keypoints")
    return doubts
