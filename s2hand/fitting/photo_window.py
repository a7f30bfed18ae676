"""The square of a photo about a hand, brought to a raster's size."""

from __future__ import annotations

import math

import cv2
import numpy as np

BLUR_RASTER_PX, BLUR_REACH = 0.4, 4
"""Deviation in pixels of the raster of the average over finer pixels of the photo; deviations it reaches."""


def photo_window(
    photo: np.ndarray, points: np.ndarray, raster_px: int, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the square about points out of a photo.

    Args:
        photo: (H, W, 3) uint8 RGB.
        points: (N, 2) px of the photo.
        raster_px: R, side of the raster.
        margin: free border about the points, as a share of their larger extent.

    Returns:
        (3, 3) map from pixels of the photo to those of the raster, and (R, R, 3) RGB in [0, 1], NaN outside
        of the photo.
    """
    low, high = points.min(0), points.max(0)
    side = max(float((high - low).max()) * (1 + 2 * margin), 1.0)
    left, top = (low + high - side) / 2
    scale = raster_px / side
    window = np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])
    blur_px = BLUR_RASTER_PX / scale
    border = math.ceil(BLUR_REACH * blur_px) + 1
    height, width = photo.shape[:2]
    columns = slice(*np.clip((math.floor(left) - border, math.ceil(left + side) + border), 0, width))
    rows = slice(*np.clip((math.floor(top) - border, math.ceil(top + side) + border), 0, height))
    part = photo[rows, columns]
    if not part.size:
        return window, np.full((raster_px, raster_px, 3), np.nan)
    # cv2's pixel centres are whole numbers, ours lie at one half.
    shift = np.array([scale * columns.start, scale * rows.start]) + 0.5 * (scale - 1)
    matrix = window[:2] + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    size = (raster_px, raster_px)
    # Averages first where the photo is finer than the raster, so that noise does not alias.
    blurred = part if scale >= 1 else cv2.GaussianBlur(part, (0, 0), blur_px)
    values = cv2.warpAffine(blurred, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float64) / 255
    inside = cv2.warpAffine(np.ones(part.shape[:2], np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    values[inside == 0] = np.nan
    return window, values
