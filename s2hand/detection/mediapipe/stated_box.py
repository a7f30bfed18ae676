"""The one hand of a photo that a stated box is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s2hand.detection.mediapipe.records import DetectedHand
from s2hand.errors import DatasetError

SURROUNDINGS = 0.5
"""Share of a stated box's longer side that is looked at on each side of it: palms need their surroundings."""

DISTANT = 1.0
"""A hand found about a stated box counts if its middle is no farther from the box's than this many halves of
the box's longer side."""


class BoxSurroundings:
    """A box and what surrounds it in a photo.

    Args:
        photo: (H, W, 3).
        box: (4,) px left, top, width and height.

    Attributes:
        pixels: (h, w, 3) the part of the photo to look for the hand in.

    Raises:
        DatasetError: the box has no extent, or does not meet the photo.
    """

    def __init__(self, photo: np.ndarray, box: Sequence[float]) -> None:
        corner, extent = np.asarray(box, np.float64).reshape(2, 2)
        self._side = float(extent.max())
        self._middle = corner + extent / 2
        self._low = np.clip(np.floor(corner - SURROUNDINGS * self._side), 0, None).astype(int)
        high = np.ceil(corner + extent + SURROUNDINGS * self._side).clip(0).astype(int)
        self.pixels = np.ascontiguousarray(photo[self._low[1] : high[1], self._low[0] : high[0]])
        if not self.pixels.size or self._side <= 0:
            shown = ", ".join(f"{value:g}" for value in box)
            height, width = photo.shape[:2]
            raise DatasetError(
                f"hand box [{shown}] lies outside of the image of {width} x {height} px; it is left, top, "
                "width, height"
            )

    def meant(self, hands: Sequence[DetectedHand]) -> list[DetectedHand]:
        """The hand nearest to the box's middle, in pixels of the photo; an empty list if none is near.

        Args:
            hands: all that were found in ``pixels``.
        """
        hands = [hand.moved(self._low) for hand in hands]
        distances = [float(np.abs(hand.box.reshape(2, 2).mean(0) - self._middle).max()) for hand in hands]
        near = [pair for pair in zip(distances, hands, strict=True) if pair[0] <= DISTANT * self._side / 2]
        return [min(near, key=lambda pair: pair[0])[1]] if near else []
