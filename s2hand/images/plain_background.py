"""The silhouette of what stands before a plain background, found without any label; refused elsewhere.

A plain background is one colour that light makes brighter here and darker there. Its model is a smooth
surface for each colour channel, fitted to the image's border, where most of what is seen is background. What
the model does not explain is the silhouette. Where the border is not plain enough to be sure, there is none.
"""

from __future__ import annotations

import cv2
import numpy as np

WORKING_SIDE = 256
"""Longer side in pixels at which silhouettes are found: fingers are ten pixels wide or more."""

BORDER = 0.06
"""Width of the border in sides of the image."""

WEIGHTS = np.float32([0.5, 1, 1])
"""Weights of differences in CIELAB's lightness and two colour axes: shadows change mostly the first."""

SATURATED = 30.0
"""Chroma in CIELAB from which a background keeps a colour unlike skin's in shadow, as green screens do."""

DEEPEST_SHADOW = 0.25
"""Share of its light that a saturated background keeps in the deepest shadow."""

FITS = 5
OUTLIER = 3.0
"""Rounds of the fit; border pixels farther from it than so many deviations are left out of the next one."""

LARGEST_DEVIATION = 6.0
"""CIELAB units (2.3 are just noticeable): a background that varies by more about its model is not plain."""

LEAST_BACKGROUND = 0.55
"""Share of the border that must be background; an arm and a shadow take the rest."""

LEAST_DIFFERENCE, DEVIATIONS = 12.0, 4.0
"""A pixel is foreground if it differs from the model by so much in CIELAB, and by so many deviations."""

AREA = (0.03, 0.6)
"""Share of the image that a silhouette takes, at least and at most."""

HOLE = 0.002
"""Holes up to this share of the image are filled: highlights, not gaps between fingers."""

LEAST_COVERED = 0.9
"""Share of the points known to lie on the object that the silhouette must cover."""


def plain_silhouette(image: np.ndarray, points: np.ndarray | None = None) -> np.ndarray | None:
    """Finds what stands before a plain background.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (N, 2) px that lie on the object, such as detected keypoints; None if unknown.

    Returns:
        (H, W) uint8, 255 inside of the silhouette, else 0; None if the background is not plain, or what
        stands before it is not one object that covers the points.
    """
    height, width = image.shape[:2]
    scale = min(WORKING_SIDE / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    mask = _foreground(small)
    if mask is None:
        return None
    if points is not None and len(points):
        column, row = np.floor(points * np.divide(size, (width, height))).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < size[0]) & (row < size[1])
        grown = cv2.dilate(mask, np.ones((5, 5), np.uint8))  # keypoints are a few pixels off
        if not inside.any() or grown[row[inside], column[inside]].mean() < LEAST_COVERED:
            return None
    whole = cv2.resize(mask * np.uint8(255), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(whole > 127, np.uint8(255), np.uint8(0))


def _foreground(image: np.ndarray) -> np.ndarray | None:
    """(H, W) uint8, 1 where an image is not its background; None if that is not plain."""
    rgb = image.astype(np.float32) / 255
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab) * WEIGHTS
    model = _background(lab)
    if model is None:
        return None
    background, deviation = model
    if np.median(np.hypot(background[..., 1], background[..., 2])) >= SATURATED:
        background = _shaded(background, rgb)
    difference = np.linalg.norm(lab - background, axis=-1)
    mask = (difference > max(LEAST_DIFFERENCE, DEVIATIONS * deviation)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _one_object(mask)


def _shaded(background: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """A background (H, W, 3), weighted CIELAB, in the shadow that brings it nearest to an image's pixels."""
    # Squares are near enough to sRGB's curve.
    lit = np.square(cv2.cvtColor(background / WEIGHTS, cv2.COLOR_Lab2RGB).clip(0, 1))
    light = (lit * np.square(rgb)).sum(-1) / np.square(lit).sum(-1).clip(1e-6)
    shaded = np.sqrt(lit * light.clip(DEEPEST_SHADOW, 1)[..., None])
    return cv2.cvtColor(shaded, cv2.COLOR_RGB2Lab) * WEIGHTS


def _background(lab: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The background's colours (H, W, 3), and how far the border's lie from them; None if it is not plain."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = 2 * x / width - 1, 2 * y / height - 1
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    edge = (np.abs(x) > 1 - 2 * BORDER) | (np.abs(y) > 1 - 2 * BORDER)
    places, colours = terms[edge], lab[edge]
    # The commonest colour comes first: an arm must not draw the fit to itself.
    distance = np.linalg.norm(colours - np.median(colours, axis=0), axis=-1)
    kept = distance <= np.quantile(distance, LEAST_BACKGROUND)
    for _ in range(FITS):
        coefficients = np.linalg.lstsq(places[kept], colours[kept], rcond=None)[0]
        distance = np.linalg.norm(colours - places @ coefficients, axis=-1)
        deviation = float(np.median(distance[kept]))
        kept = distance <= max(OUTLIER * deviation, LEAST_DIFFERENCE / 2)
        if kept.mean() < LEAST_BACKGROUND:
            return None
    return (terms @ coefficients, deviation) if deviation <= LARGEST_DEVIATION else None


def _one_object(mask: np.ndarray) -> np.ndarray | None:
    """The largest connected part of a mask, without small holes; None if it is not most of the mask."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    areas = statistics[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax())
    if not AREA[0] <= areas[largest] / mask.size <= AREA[1] or areas[largest] < LEAST_COVERED * areas.sum():
        return None
    found = (labels == 1 + largest).astype(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - found, connectivity=4)
    small = statistics[:, cv2.CC_STAT_AREA] <= HOLE * mask.size
    return np.where(small[labels] & (found == 0), np.uint8(1), found)
