"""Which pixels of a photo show a hand, told by their colours once it is roughly known where the hand is.

Colours inside of the rough silhouette and colours around it are counted; a pixel's colour is the hand's as
far as it occurs more often inside than around. The forearm has the hand's colours and belongs to neither, so
what lies beyond the wrist is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

BINS = 16
"""Bins in each channel of CIELAB."""

BINS_BLUR = 0.7
"""Deviation in bins of the blur of counts: colours between those that were seen."""

RARE = 2e-5
"""Share of a bin below which a colour says little."""

SURELY_INSIDE, SURELY_AROUND = 0.03, 0.08
"""Distances from the rough silhouette's border, in sides of the raster, from which pixels are counted."""

FEWEST_PIXELS = 60
"""With fewer counted inside or around, colours tell nothing."""

SEPARATION = (0.35, 0.6)
"""Mean likeness inside less that around: not believed below the first, fully from the second on."""

SHORTEST_PALM = 0.15
"""Sides of the raster: a palm that is foreshortened more does not tell where the forearm is."""


@dataclass(frozen=True)
class HandPixels:
    """What colours say.

    Attributes:
        likeness: (R, R) probability in [0, 1] that a pixel shows the hand; 0 far from the rough silhouette.
        weight: (R, R) how sure that is, in [0, 1]; 0 where nothing is known.
        reliability: in [0, 1], how well colours tell this hand from what surrounds it.
    """

    likeness: np.ndarray
    weight: np.ndarray
    reliability: float


def hand_pixels(pixels: np.ndarray, silhouette: np.ndarray, forearm: np.ndarray) -> HandPixels:
    """Tells the pixels of a hand.

    Args:
        pixels: (R, R, 3) RGB in [0, 1], NaN outside of the photo.
        silhouette: (R, R) bool, where the hand roughly is.
        forearm: (R, R) bool, pixels that may show the forearm.
    """
    known = np.isfinite(pixels).all(-1) & ~forearm
    inside = _grown(silhouette, -SURELY_INSIDE) & known
    near = _grown(silhouette, SURELY_AROUND)
    around = ~near & known
    if min(inside.sum(), around.sum()) < FEWEST_PIXELS:
        return HandPixels(silhouette.astype(float), np.zeros(silhouette.shape), 0.0)
    bins = _color_bins(pixels)
    likeness = _likeness(bins, inside, around)
    separation = float(likeness[inside].mean() - likeness[around].mean())
    # Once more with what was found: the border's colours count as well.
    likeness = _likeness(bins, near & known & (likeness > 0.5), known & ~(near & (likeness > 0.5)))
    likeness = cv2.medianBlur(likeness.astype(np.float32), 3).astype(np.float64)
    weight = np.where(near, np.abs(2 * likeness - 1), 1 - likeness) * known
    low, high = SEPARATION
    reliability = float(np.clip((separation - low) / (high - low), 0, 1))
    return HandPixels(likeness * near, weight, reliability)


def forearm_pixels(keypoints: np.ndarray, bases: tuple[int, ...], raster_px: int) -> np.ndarray:
    """(R, R) bool: beyond the wrist, as seen from the finger bases.

    Args:
        keypoints: (21, 2) px of the raster, the wrist first.
        bases: which of them are finger bases.
        raster_px: R.
    """
    wrist = keypoints[0]
    along = keypoints[list(bases)].mean(0) - wrist
    if np.linalg.norm(along) < SHORTEST_PALM * raster_px:
        return np.zeros((raster_px, raster_px), bool)
    middles = np.arange(raster_px) + 0.5
    x, y = np.meshgrid(middles, middles)
    return (x - wrist[0]) * along[0] + (y - wrist[1]) * along[1] < 0


def _grown(mask: np.ndarray, share: float) -> np.ndarray:
    """A mask grown by a share of its side, or shrunk by a negative one."""
    width = 2 * max(1, round(abs(share) * len(mask))) + 1
    change = cv2.dilate if share > 0 else cv2.erode
    return change(mask.astype(np.uint8), np.ones((width, width), np.uint8)) > 0


def _color_bins(pixels: np.ndarray) -> np.ndarray:
    """(R, R) numbers of the bins of colours."""
    lab = cv2.cvtColor(np.rint(np.nan_to_num(pixels) * 255).astype(np.uint8), cv2.COLOR_RGB2LAB)
    first, second, third = np.moveaxis(lab.astype(int) * BINS // 256, -1, 0)
    return (first * BINS + second) * BINS + third


def _likeness(bins: np.ndarray, inside: np.ndarray, around: np.ndarray) -> np.ndarray:
    """(R, R) share of the inside among both in each pixel's bin; a half where neither has the colour."""
    shares = []
    for chosen in (inside, around):
        counts = np.bincount(bins[chosen], minlength=BINS**3).reshape(BINS, BINS, BINS)
        blurred = gaussian_filter(counts.astype(float), BINS_BLUR, mode="nearest").ravel()
        shares.append(blurred / max(blurred.sum(), 1e-9) + RARE)
    return (shares[0] / (shares[0] + shares[1]))[bins]
