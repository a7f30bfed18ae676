"""What is asked of the network: one hand in one photo, and what the network sees of it.

Left hands are shown in a mirror. A square is seen by a camera that looks at it, as in training on folders
(:mod:`s2hand.images.square_view`), a whole picture by its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.errors import DatasetError
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule, require_in_picture, square_around_box
from s2hand.images.square_view import SquareView, view_square

WHOLE_PICTURE = "whole picture"


@dataclass(frozen=True)
class HandView:
    """One hand in one photo.

    Attributes:
        photo: (H, W, 3) RGB, upright, uint8 or float32 in [0, 1].
        K: (3, 3) px of the photo.
        focal_source: where its focal length comes from.
        hand: "left" or "right".
        square: (left, top, side) px of the photo: where to look; it may reach over the border.
        looked_at: what the square is about: "box", "keypoints" or "whole picture".
        keypoints: (21, 2) px of the photo, detected, or None.
        confidence: (21,) of them, 0 where missed; or None.
    """

    photo: np.ndarray
    K: np.ndarray
    focal_source: str
    hand: str
    square: tuple[float, float, float]
    looked_at: str
    keypoints: np.ndarray | None = None
    confidence: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo in pixels."""
        return self.photo.shape[1], self.photo.shape[0]


@dataclass(frozen=True)
class NetworkView:
    """A hand as the network sees it: a right one in a square.

    Attributes:
        image: (S, S, 3) RGB, of the photo's dtype.
        view: camera of ``image``, and the way back to the photo.
        keypoints: (21, 2) px of ``image``, detected, or None.
        confidence: (21,) of them, or None.
    """

    image: np.ndarray
    view: SquareView
    keypoints: np.ndarray | None
    confidence: np.ndarray | None


def network_view(hand: HandView, image_size: int) -> NetworkView:
    """Mirrors, turns the camera to the square, and resizes; a whole picture is only brought to size.

    Args:
        hand: what is asked.
        image_size: S, side of the network's pictures in pixels.
    """
    view = view_square(
        hand.square,
        hand.K,
        hand.size[0],
        image_size,
        look_at=hand.looked_at != WHOLE_PICTURE,
        mirrored=hand.hand == "left",
    )
    keypoints = None if hand.keypoints is None else view.pixels(hand.keypoints)
    return NetworkView(view.image(hand.photo), view, keypoints, hand.confidence)


def find_square(
    size: tuple[int, int],
    box: np.ndarray | None = None,
    keypoints: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    rule: SquareRule = DEFAULT_SQUARES,
) -> tuple[tuple[float, float, float], str]:
    """Where to look for a hand: about its box, else about its keypoints, else in the whole photo.

    Args:
        size: width and height of the photo in pixels.
        box: (4,) px: left, top, width, height; None or NaN if there is none.
        keypoints: (21, 2) px; None if there are none.
        confidence: (21,) of them.
        rule: of squares about hands; the whole photo gets no margin.

    Returns:
        Left, top and side in pixels; and which of these it was, as :attr:`HandView.looked_at`.

    Raises:
        DatasetError: the box has no extent, or lies outside of the photo.
    """
    has_box = box is not None and not np.isnan(box).any()
    try:
        found = rule.square(box, keypoints, confidence)
        if has_box:
            require_in_picture(box, size)
        return found
    except DatasetError:
        if has_box:
            raise
    # Hardly any joint was found: look everywhere.
    return square_around_box(np.array([0, 0, *size], np.float64), margin=0), WHOLE_PICTURE
