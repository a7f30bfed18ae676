"""The square about a hand that the network sees: one rule for training on photos and for prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.errors import DatasetError

DEFAULT_MARGIN = 0.3
"""Margin about the keypoints' box: hands then fill about two thirds of the square, as in FreiHAND's crops."""

DEFAULT_MIN_CONFIDENCE = 0.1
"""Least confidence of a keypoint that counts. As for photometric losses, what is less certain is a guess."""

MIN_SIDE_PX = 1.0
"""Least side of a square: one about a single point would otherwise have no extent."""

JOINTS_APART = 10
"""So many joints of a hand never share one place; detectors may put a few upon one pixel."""

WHOLE = "whole picture"
"""What a view is about if nothing is known of the hand. Output files hold this text."""


@dataclass(frozen=True)
class SquareRule:
    """Where to look for a detected hand; a network predicts by the rule that it was trained with.

    Attributes:
        margin: free part of the square on each side, in longer sides of the hand's box or its keypoints'.
        min_confidence: keypoints that are not more certain than this do not count.
    """

    margin: float = DEFAULT_MARGIN
    min_confidence: float = DEFAULT_MIN_CONFIDENCE

    def square(
        self,
        box: np.ndarray | None,
        keypoints: np.ndarray | None,
        confidence: np.ndarray | None,
        size: tuple[int, int] | None = None,
    ) -> tuple[tuple[float, float, float], str]:
        """The square about the hand's box or, without a box, about its keypoints.

        Args:
            box: (4,) px: left, top, width, height; None or NaN if there is none.
            keypoints: (21, 2) px; None if there are none.
            confidence: (21,) of the keypoints.
            size: width and height of the image in pixels, which the box must meet; None: unknown.

        Returns:
            Left, top and side in pixels; and what the square is about, "box" or "keypoints".

        Raises:
            DatasetError: the box has no extent or lies outside of the image, hardly any keypoint counts, or
                those that count are at one place.
        """
        self._check_extent(keypoints, confidence)
        if has_box(box):
            square = square_around_box(box, self.margin)
            left, top, width, height = (float(value) for value in box)
            if size is not None and (
                left >= size[0] or top >= size[1] or left + width <= 0 or top + height <= 0
            ):
                raise DatasetError(
                    f"hand box [{left:g}, {top:g}, {width:g}, {height:g}] lies outside of the image of "
                    f"{size[0]} x {size[1]} px: give left, top, width, height in pixels of the upright image"
                )
            return square, "box"
        if keypoints is None:
            keypoints, confidence = np.zeros((0, 2)), np.zeros(0)
        return square_around_keypoints(keypoints, confidence, self.margin, self.min_confidence), "keypoints"

    def square_or_whole(
        self,
        box: np.ndarray | None,
        keypoints: np.ndarray | None,
        confidence: np.ndarray | None,
        size: tuple[int, int],
    ) -> tuple[tuple[float, float, float], str]:
        """As :meth:`square`; if hardly any keypoint counts, the square about the whole image, and ``WHOLE``.

        Raises:
            DatasetError: the box has no extent or lies outside of the image, or the many keypoints that count
                are at one place.
        """
        self._check_extent(keypoints, confidence)
        try:
            return self.square(box, keypoints, confidence, size)
        except DatasetError:
            if has_box(box):
                raise
        # The whole image's square needs no margin: the hand's own is within it.
        return square_around_box(np.array([0, 0, *size], np.float64), margin=0), WHOLE

    def _check_extent(self, keypoints: np.ndarray | None, confidence: np.ndarray | None) -> None:
        """Refuses keypoints that are all at one place, which no box makes those of a hand."""
        if keypoints is None:
            return
        found = np.asarray(keypoints)[np.asarray(confidence) > self.min_confidence]
        if len(found) >= JOINTS_APART and not np.ptp(found, 0).any():
            raise DatasetError(
                f"its {len(found)} keypoints more certain than {self.min_confidence:g} are all at one place: "
                "give those of the hand, and confidence 0 to a joint that was missed"
            )


DEFAULT_SQUARES = SquareRule()
"""The rule of folders of photos whose config does not say otherwise."""


def has_box(box: np.ndarray | None) -> bool:
    """Whether a hand has a box: None and NaN stand for none."""
    return box is not None and not np.isnan(box).any()


def square_around_box(box: np.ndarray, margin: float = DEFAULT_MARGIN) -> tuple[float, float, float]:
    """The square about a box's middle.

    Args:
        box: (4,) px: left, top, width, height.
        margin: what is left free on each side, in longer sides of the box.

    Returns:
        Left, top and side in pixels; the square may reach over the image's border.

    Raises:
        DatasetError: the box has no extent or is not finite.
    """
    left, top, width, height = (float(value) for value in box)
    if not (width > 0 and height > 0 and np.isfinite([left, top, width, height]).all()):
        raise DatasetError(
            f"hand box [{left:g}, {top:g}, {width:g}, {height:g}]: expected width and height > 0"
        )
    side = max((1 + 2 * margin) * max(width, height), MIN_SIDE_PX)
    return left + (width - side) / 2, top + (height - side) / 2, side


def square_around_keypoints(
    keypoints: np.ndarray,
    confidence: np.ndarray,
    margin: float = DEFAULT_MARGIN,
    min_confidence: float = 0.0,
) -> tuple[float, float, float]:
    """The square about the keypoints that were found.

    Args:
        keypoints: (21, 2) px.
        confidence: (21,) of the detections, 0 where missed.
        margin: what is left free on each side, in longer sides of the keypoints' box.
        min_confidence: keypoints that are not more certain than this do not count.

    Returns:
        Left, top and side in pixels; the square may reach over the image's border.

    Raises:
        DatasetError: fewer than two keypoints count, or all of them are at one place.
    """
    found = np.asarray(keypoints, np.float64)[np.asarray(confidence) > min_confidence]
    extent = np.ptp(found, 0) if len(found) > 1 else np.zeros(2)
    if not extent.max() > 0:
        raise DatasetError(
            f"no square about {len(found)} keypoints more certain than {min_confidence:g}: "
            "expected two or more at different places"
        )
    # Keypoints on one line have a box without area.
    return square_around_box([*found.min(0), *np.maximum(extent, MIN_SIDE_PX)], margin)
