"""Pictures of squares, read from photos by bilinear interpolation."""

from __future__ import annotations

import cv2
import numpy as np

from s2hand.detection.mediapipe.squares import photo_from_square

SHRINK_FROM = 3.0
"""Photo pixels per pixel of the square from which on the photo is shrunk by averaging before it is read. The
published solution never does, and reads single pixels of large photos."""

BORDERS = {"edge": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


def sample_squares(image: np.ndarray, squares: np.ndarray, size: int, *, beyond: str) -> np.ndarray:
    """Cuts squares out of a photo.

    Args:
        image: (H, W, 3) uint8.
        squares: (N, 4) in its pixels.
        size: side of the cut pictures in pixels.
        beyond: what lies outside of the photo: "edge" for its nearest pixel, or "black".

    Returns:
        (N, size, size, 3) uint8.
    """
    crops = np.empty((len(squares), size, size, 3), np.uint8)
    maps = photo_from_square(squares, size)
    # OpenCV counts from the middle of the first pixel.
    maps[:, :, 2] -= 0.5
    for crop, side, photo_from_crop in zip(crops, squares[:, 2], maps, strict=True):
        source = image
        if side >= SHRINK_FROM * size:
            source, photo_from_crop = _shrunk(image, photo_from_crop, size, int(side / size))
        cv2.warpAffine(
            source,
            photo_from_crop,
            (size, size),
            dst=crop,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=BORDERS[beyond],
        )
    return crops


def _shrunk(
    image: np.ndarray, photo_from_crop: np.ndarray, size: int, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a photo that a square shows, shrunk, and the map from the square's pixels to it.

    Args:
        image: (H, W, 3) uint8.
        photo_from_crop: (2, 3) between coordinates that count from the middle of the first pixel.
        size: side of the square in its pixels.
        factor: a whole number. What the last blocks lack at the right and at the bottom is left out.
    """
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ photo_from_crop.T
    blocks = np.maximum(np.array([image.shape[1], image.shape[0]]) // factor, 1)
    low = np.clip(np.floor(corners.min(axis=0) / factor).astype(int) - 1, 0, blocks - 1)
    high = np.clip(np.ceil(corners.max(axis=0) / factor).astype(int) + 2, low + 1, blocks)
    (left, top), (right, bottom) = low * factor, high * factor
    shrunk = cv2.resize(image[top:bottom, left:right], (high - low).tolist(), interpolation=cv2.INTER_AREA)
    shrunk_from_crop = photo_from_crop / factor
    shrunk_from_crop[:, 2] += 0.5 / factor - 0.5 - low
    return shrunk, shrunk_from_crop
