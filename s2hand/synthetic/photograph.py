"""From a drawn hand to a stored image: background, shadows, what a camera adds, and the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from s2hand.errors import DatasetError
from s2hand.synthetic.backgrounds import photo_background, procedural_background

SHADOW_SHARE = 0.6
"""Share of the images in which the hand casts a shadow on what lies behind it."""

CREASE_RADIUS = 0.025
CREASE_DEPTH_M = 0.02
CREASE_DARKNESS = 0.5
"""Crevices: skin this far behind its surroundings (a share of the side wide) loses up to this much light."""


def photograph(
    random: np.random.Generator,
    rgb: np.ndarray,
    alpha: np.ndarray,
    depth: np.ndarray,
    towards_light: np.ndarray,
    photos: Sequence[Path] = (),
) -> np.ndarray:
    """Puts a drawn hand before a background, with shadows, and takes the image with a mild, random camera.

    Args:
        random: source of randomness.
        rgb: (S, S, 3) the hand, premultiplied with ``alpha``.
        alpha: (S, S) its coverage.
        depth: (S, S) metres.
        towards_light: (3,) unit vector from the hand to the lamp, camera frame.
        photos: photos to put behind the hand; none for procedural backgrounds.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    size = len(rgb)
    background = photo_background(random, size, photos) if photos else procedural_background(random, size)
    if random.random() < SHADOW_SHARE:
        background = background * _cast_shadow(random, alpha, towards_light)[..., None]
    crevices = CREASE_DARKNESS * _crevices(depth, alpha)
    return degrade(rgb * (1 - crevices[..., None]) + background * (1 - alpha[..., None]), random)


def _crevices(depth: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """How much deeper each skin pixel lies than its surroundings, (S, S) in [0, 1]."""
    covered = (alpha > 0.99).astype(np.float32)
    radius = CREASE_RADIUS * len(depth)
    weight = cv2.GaussianBlur(covered, (0, 0), radius)
    around = cv2.GaussianBlur(np.where(covered > 0, depth, 0), (0, 0), radius) / np.maximum(weight, 1e-3)
    return np.clip((depth - around) / CREASE_DEPTH_M, 0, 1) * covered


def _cast_shadow(random: np.random.Generator, alpha: np.ndarray, towards_light: np.ndarray) -> np.ndarray:
    """The hand's blurred shadow on what lies behind, (S, S) factors in (0, 1]."""
    size = len(alpha)
    shift = -towards_light[:2] * random.uniform(0.02, 0.15) * size
    moved = cv2.warpAffine(alpha, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (size, size))
    return 1 - random.uniform(0.1, 0.5) * cv2.GaussianBlur(moved, (0, 0), random.uniform(0.01, 0.05) * size)


def degrade(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds exposure, colour cast, blur and noise to an image (S, S, 3) in [0, 1]; (S, S, 3) uint8."""
    size = len(image)
    white_balance = 1 + random.normal(0, 0.03, 3)
    exposed = np.clip(image * (white_balance * random.uniform(0.85, 1.15)), 0, 1).astype(np.float32)
    exposed **= np.float32(random.uniform(0.85, 1.2))
    blurred = cv2.GaussianBlur(exposed, (0, 0), max(0.2, random.gamma(2.0, 0.22)) * size / 224)
    # Shot noise grows with the square root of the signal, read noise is constant.
    shot, read = random.uniform(0, 0.025), random.uniform(0, 0.012)
    deviation = np.sqrt(shot**2 * blurred + read**2)
    noisy = blurred + deviation * random.standard_normal(image.shape, np.float32)
    return np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8)


def write_image(path: Path, image: np.ndarray, parameters: Sequence[int] = ()) -> None:
    """Writes an image in the format that its suffix names.

    Args:
        path: the file; its folder exists.
        image: (H, W, 3) uint8 BGR, or (H, W) grey.
        parameters: OpenCV's, such as ``[cv2.IMWRITE_JPEG_QUALITY, 90]``.

    Raises:
        DatasetError: the disk does not take it.
    """
    write_file(path, cv2.imencode(path.suffix, image, list(parameters))[1].tobytes())


def write_file(path: Path, content: bytes) -> None:
    """Writes an encoded image.

    Raises:
        DatasetError: the disk does not take it.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path} ({error.strerror}): free the disk or choose another folder"
        ) from None
