"""From the palm detector's answers to palms: anchors, boxes and weighted non-maximum suppression.

A palm is a row of 18 numbers: box centre x, y, width, height, then x, y of seven points.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from s2hand.models.mediapipe.palm import COARSE_ANCHORS, FINE_ANCHORS, PALM_IMAGE_SIZE

ANCHOR_MAPS = ((PALM_IMAGE_SIZE // 8, FINE_ANCHORS), (PALM_IMAGE_SIZE // 16, COARSE_ANCHORS))
"""Side of a map in cells and anchors per cell, as the network lists them."""

PALM_VALUES = 18
PLACES = [0, 2, 3, 4, 5, 6, 7, 8]
"""Which of a palm's nine pairs of numbers are places: all but width and height."""

LOGIT_LIMIT = 100.0
SAME_PALM_IOU = 0.3
"""Answers that overlap the best one by more are the same palm (the published graph's value)."""


@lru_cache
def anchor_centres() -> np.ndarray:
    """(2016, 2) px of the letterboxed photo: each cell's centre, once an anchor, row by row."""
    centres = []
    for cells, per_cell in ANCHOR_MAPS:
        line = (np.arange(cells) + 0.5) / cells * PALM_IMAGE_SIZE
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        centres.append(grid.repeat(per_cell, axis=0))
    return np.concatenate(centres)


def decode_palms(boxes: np.ndarray, logits: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The palms that the network believes in, many times each.

    Args:
        boxes: (2016, 18) the network's answers for one photo.
        logits: (2016,).
        threshold: the least probability.

    Returns:
        palms (N, 18) px of the letterboxed photo, and their probabilities (N,); best first.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -LOGIT_LIMIT, LOGIT_LIMIT)))
    order = np.argsort(-scores, kind="stable")
    order = order[: np.count_nonzero(scores >= threshold)]
    palms = boxes[order].astype(np.float64)
    points = palms.reshape(-1, PALM_VALUES // 2, 2)
    points[:, PLACES] += anchor_centres()[order, None]
    return palms, scores[order]


def merge_palms(palms: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted non-maximum suppression: what overlaps the best answer is averaged, weighted by probability.

    Args:
        palms: (N, 18), best first.
        scores: (N,).

    Returns:
        palms (M, 18) and the probability (M,) of the best of each; best first.
    """
    overlaps = iou(corners_of_palms(palms), corners_of_palms(palms))
    free = np.ones(len(palms), bool)
    merged, best = [], []
    while free.any():
        first = np.argmax(free)
        same = free & (overlaps[first] > SAME_PALM_IOU)
        # A box without extent overlaps nothing, not even itself.
        same[first] = True
        merged.append(np.average(palms[same], axis=0, weights=scores[same]))
        best.append(scores[first])
        free &= ~same
    return np.array(merged).reshape(-1, PALM_VALUES), np.array(best)


def corners_of_palms(palms: np.ndarray) -> np.ndarray:
    """(N, 4) left, top, right, bottom of the palms' boxes."""
    half = palms[:, 2:4] / 2
    return np.concatenate([palms[:, :2] - half, palms[:, :2] + half], axis=1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes.

    Args:
        first: (N, 4) left, top, right, bottom.
        second: (M, 4).

    Returns:
        (N, M); 0 where neither has an extent.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def palms_in_photo(palms: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Palms in pixels of the photo, (N, 18), from those in pixels of its letterboxed picture.

    Args:
        palms: (N, 18).
        square: (4,) the one around the whole photo, without rotation.
    """
    pairs = palms.reshape(-1, PALM_VALUES // 2, 2) * square[2] / PALM_IMAGE_SIZE
    pairs[:, PLACES] += square[:2] - square[2] / 2
    return pairs.reshape(-1, PALM_VALUES)
