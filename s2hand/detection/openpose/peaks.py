"""Finds the joints in OpenPose's averaged maps.

The map is smoothed and thresholded. Of the connected regions that remain, the one with the largest sum of the
unsmoothed map counts, and the joint is the highest pixel of the unsmoothed map in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

SMOOTHING_PX = 3.0
"""Standard deviation of the Gaussian that smooths a map."""

TRUNCATION = 4.0
"""Number of standard deviations at which the Gaussian is cut off."""

THRESHOLD = 0.0
"""Threshold of the smoothed map, as published with S2HAND (OpenPose's PyTorch port itself has 0.05): faint
joints are found too, with a low confidence."""

NEIGHBOURS = 8

RIVAL_PX = 8
"""A place that is nearly as high as the peak, and farther from it than this, belongs to another mode."""

CONTESTED = 0.95
"""A second region of more than this share of the heaviest region's mass could in truth be the heavier one."""


def smoothing_matrix(size: int) -> Tensor:
    """The Gaussian along one axis as a matrix. A map is mirrored at its ends: c b a | a b c | c b a.

    Returns:
        (size, size) float64; every row sums to 1.
    """
    radius = int(TRUNCATION * SMOOTHING_PX + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / SMOOTHING_PX) ** 2)
    weights /= weights.sum()
    places = (torch.arange(size)[:, None] + offsets) % (2 * size)
    mirrored = torch.where(places < size, places, 2 * size - 1 - places)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, mirrored, weights.expand(size, -1))


@dataclass(frozen=True)
class Peaks:
    """One peak per map.

    Attributes:
        pixels: (B, J, 2) int64 column and row; (0, 0) where nothing was found.
        confidence: (B, J) float32, the map's value there; 0 where nothing was found.
        doubtful: (B, J) bool, whether errors of the map within the tolerance could have moved the peak.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    doubtful: np.ndarray


def find_peaks(average: Tensor, smoothed: Tensor, tolerance: float = 0.0) -> Peaks:
    """Finds one peak per map.

    Nothing is found if no value of the smoothed map exceeds ``THRESHOLD``, or the peak is not positive.

    Args:
        average: (B, J, H, W) maps.
        smoothed: (B, J, H, W) the same, smoothed.
        tolerance: largest error of the maps; 0 makes no peak doubtful.

    Returns:
        The peaks.
    """
    above = smoothed > THRESHOLD
    columns, rows = above.any(-2).cpu().numpy(), above.any(-1).cpu().numpy()
    above = above.view(torch.uint8).cpu().numpy()
    average = average.float().cpu().numpy()
    shape = average.shape[:2]
    found = Peaks(np.zeros((*shape, 2), np.int64), np.zeros(shape, np.float32), np.zeros(shape, bool))
    for place in np.ndindex(shape):
        if rows[place].any():
            left, right = _extent(columns[place])
            top, bottom = _extent(rows[place])
            values, contested = _heaviest_region(
                average[place][top:bottom, left:right], above[place][top:bottom, left:right]
            )
            row, column = divmod(int(values.argmax()), values.shape[1])
            if values[row, column] > 0:
                found.pixels[place] = left + column, top + row
                found.confidence[place] = values[row, column]
                found.doubtful[place] = tolerance > 0 and (
                    contested or _has_rival(values, row, column, tolerance)
                )
    return found


def _extent(occupied: np.ndarray) -> tuple[int, int]:
    """The first index that is set, and one past the last."""
    return int(occupied.argmax()), len(occupied) - int(occupied[::-1].argmax())


def _heaviest_region(values: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, bool]:
    """The connected region with the largest sum of values.

    Returns:
        The values, with minus infinity outside of the region; and whether another region is nearly as heavy.
    """
    count, labels = cv2.connectedComponents(np.ascontiguousarray(above), connectivity=NEIGHBOURS)
    if count == 2:  # the background, and one region
        return np.where(labels, values, -np.inf), False
    mass = np.bincount(labels.ravel(), weights=values.ravel(), minlength=count)[1:]
    second, first = np.sort(mass)[-2:]
    return np.where(labels == 1 + mass.argmax(), values, -np.inf), second > CONTESTED * first


def _has_rival(values: np.ndarray, row: int, column: int, tolerance: float) -> bool:
    """Whether values within the tolerance of the peak's value lie away from it."""
    rows, columns = np.nonzero(values > values[row, column] - tolerance)
    return max(np.abs(rows - row).max(), np.abs(columns - column).max()) > RIVAL_PX
