"""uint8 RGB arrays (H, W, 3): conversion, resizing, blending, saving.

Pixel ``i`` covers ``[i, i + 1)``: a point at ``u`` pixels lies at ``u - 0.5`` in the coordinates of OpenCV's
drawing functions, whose whole numbers are pixel centres.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from s2hand.files import written_whole


def to_array(values: ArrayLike | Tensor) -> np.ndarray:
    """A float64 NumPy copy of a tensor (from any device, detached) or array."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.array(values, dtype=np.float64)


def to_image(image: ArrayLike | Tensor) -> np.ndarray:
    """Converts an image to a uint8 array.

    Args:
        image: (H, W, 3) or (H, W) uint8, or (3, H, W) tensor, or (H, W, 3) or (H, W) floats in [0, 1];
            without channels it becomes grey; floats outside [0, 1] are clipped.

    Returns:
        (H, W, 3) uint8 RGB, a copy.

    Raises:
        ValueError: the shape is none of these.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
        if image.ndim == 3:
            image = image.transpose(1, 2, 0)
    image = np.asarray(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, -1)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            f"expected an image (H, W, 3), (H, W) or a tensor (3, H, W), got shape {image.shape}; "
            "pick one sample of a batch first"
        )
    if image.dtype == np.uint8:
        return image.copy()
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resamples an image: area averages when shrinking, cubic interpolation when enlarging."""
    if image.shape[:2] == (height, width):
        return image.copy()
    shrinks = height < image.shape[0] or width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """Resamples an image to ``scale`` times its size."""
    height, width = image.shape[:2]
    return resize(image, max(1, round(height * scale)), max(1, round(width * scale)))


def composite(image: np.ndarray, rgb: np.ndarray, silhouette: np.ndarray, background=(1, 1, 1)) -> np.ndarray:
    """Lays an anti-aliased rendering over an image of the same size.

    At its border an anti-aliased rendering is ``alpha * hand + (1 - alpha) * background``. This share of the
    background is replaced by that of the image, so that no bright fringe remains.

    Args:
        image: (H, W, 3) uint8.
        rgb: (H, W, 3) floats in [0, 1], rendered over ``background``.
        silhouette: (H, W) coverage in [0, 1].
        background: background colour of the rendering.

    Returns:
        (H, W, 3) uint8.
    """
    # Changed in place, as a whole photo may be laid over; OpenCV rounds and cuts to bytes in one pass.
    result = image.astype(np.float32)
    result /= 255
    result -= np.asarray(background, np.float32)
    result *= 1 - np.clip(silhouette, 0, 1, dtype=np.float32)[..., None]
    result += rgb
    return cv2.convertScaleAbs(np.maximum(result, 0, out=result), alpha=255)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Saves an image and makes its folder; the format follows the suffix (PNG, JPEG, WebP)."""
    with written_whole(path) as partial:
        Image.fromarray(image).save(partial)
