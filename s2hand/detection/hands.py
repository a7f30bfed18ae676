"""What a detector sees of an image: the whole or a square, mirrored for left hands; and the way back."""

from __future__ import annotations

import math

import cv2
import numpy as np

from s2hand.images.crops import DEFAULT_SQUARES
from s2hand.images.plausible import check_boxes
from s2hand.images.square_view import SquareView, view_square

LARGEST_WHOLE = 1 << 21
"""Pixels, just above 1920 x 1080. A detector's maps have the image's size, and there are 21 or more."""


def view_hand(
    image: np.ndarray, box: tuple[float, ...] | None, hand: str, whole_images: bool, crop_size: int
) -> tuple[np.ndarray, SquareView]:
    """Cuts a hand out of its image.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        box: (x, y, width, height) px, or None for the whole image.
        hand: "left" or "right".
        whole_images: without a box, take the image as it is, or shrunk to ``LARGEST_WHOLE`` pixels; otherwise
            its square, with black beside it.
        crop_size: side of squares in pixels.

    Returns:
        What the detector sees, (h, w, 3) uint8 RGB, a right hand; and the view, for the way back.

    Raises:
        DatasetError: the box has no extent, or lies outside of the image.
    """
    height, width = image.shape[:2]
    mirrored, uncalibrated = hand == "left", np.eye(3)
    if box is None and whole_images:
        seen = _shrunk(image)
        homography = np.diag([seen.shape[1] / width, seen.shape[0] / height, 1.0])
        view = SquareView(
            max(seen.shape[:2]), uncalibrated, homography, np.eye(3), None, mirrored, float(width)
        )
        return cv2.flip(seen, 1) if mirrored else seen, view
    if box is not None:
        check_boxes(np.array([box], np.float64), np.array([[width, height]]), lambda row: "boxes")
    square, _ = DEFAULT_SQUARES.square_or_whole(box, None, None, (width, height))
    view = view_square(square, uncalibrated, width, crop_size, look_at=False, mirrored=mirrored)
    return view.image(image), view


def _shrunk(image: np.ndarray) -> np.ndarray:
    """An image of at most ``LARGEST_WHOLE`` pixels, by area averages."""
    height, width = image.shape[:2]
    scale = math.sqrt(LARGEST_WHOLE / (height * width))
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
