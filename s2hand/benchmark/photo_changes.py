"""Photos that are mirrored, turned, shrunk or cropped, each with its camera adapted.

The hand of a changed photo is known from that of the photo itself, so a network may be compared with its own
answer, without any label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

CHANGES = ("mirrored", "turned", "half size", "cropped")

CROP_MARGIN = 0.5
"""Free border about the hand in a cropped photo, in larger sides of its keypoints' box."""


class Change(NamedTuple):
    """A changed photo.

    Attributes:
        photo: (H, W, 3) uint8.
        K: (3, 3) px of it.
        back: takes joints (21, 3) from its camera's frame to that of the photo itself.
    """

    photo: np.ndarray
    K: np.ndarray
    back: Callable[[np.ndarray], np.ndarray]


def changes_of(photo: np.ndarray, K: np.ndarray, keypoints: np.ndarray) -> dict[str, Change]:
    """The changed photos by the names of ``CHANGES``.

    Args:
        photo: (H, W, 3) uint8.
        K: (3, 3) px, without skew.
        keypoints: (21, 2) px of the hand.
    """
    height, width = photo.shape[:2]
    low, high = keypoints.min(0), keypoints.max(0)
    border = CROP_MARGIN * (high - low).max()
    left, top = np.maximum(np.floor(low - border), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + border), (width, height)).astype(int)
    half_size = max(width // 2, 1), max(height // 2, 1)
    shrunk = np.diag([*np.divide(half_size, (width, height)), 1.0])
    return {
        "mirrored": Change(
            np.ascontiguousarray(photo[:, ::-1]),
            _camera(K[0, 0], K[1, 1], width - K[0, 2], K[1, 2]),
            lambda joints: joints * (-1, 1, 1),
        ),
        # A quarter turn counter-clockwise brings (x, y) to (y, width - x), and directions to (y, -x).
        "turned": Change(
            np.ascontiguousarray(np.rot90(photo)),
            _camera(K[1, 1], K[0, 0], K[1, 2], width - K[0, 2]),
            lambda joints: np.stack([-joints[:, 1], joints[:, 0], joints[:, 2]], 1),
        ),
        "half size": Change(
            cv2.resize(photo, half_size, interpolation=cv2.INTER_AREA), shrunk @ K, lambda joints: joints
        ),
        "cropped": Change(
            np.ascontiguousarray(photo[top:bottom, left:right]),
            K - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]]),
            lambda joints: joints,
        ),
    }


def _camera(fx: float, fy: float, x: float, y: float) -> np.ndarray:
    """(3, 3) px, from focal lengths and principal point."""
    return np.array([[fx, 0, x], [0, fy, y], [0, 0, 1]])


def differences_mm(changed: np.ndarray, joints: np.ndarray) -> tuple[float, float]:
    """Mean distances of two answers' joints, millimetres: about their middles, and where they are.

    Args:
        changed: (21, 3) metres, the answer for a changed photo, taken back.
        joints: (21, 3) metres, the answer for the photo itself.
    """
    apart = 1000 * (changed - joints)
    about_middle = np.linalg.norm(apart - apart.mean(0), axis=1).mean()
    return float(about_middle), float(np.linalg.norm(apart, axis=1).mean())
