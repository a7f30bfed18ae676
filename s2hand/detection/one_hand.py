"""Detection of one hand in each image: the hand is cut out, and an estimator finds its keypoints."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from s2hand.detection.hands import view_hand
from s2hand.detection.sources import HandImage
from s2hand.errors import S2HandError
from s2hand.images.square_view import SquareView

Record = dict[str, Any]
"""A line of a share's file: what is known of an image, or why it could not be read."""


class Estimator(Protocol):
    """What finds the keypoints of one hand.

    Attributes:
        whole_images: whether an image without a box goes in as it is, or as a square like all others.
        crop_size: side in pixels of the squares that it is given.
        pixel_origin: what to subtract from its keypoints to get the pixel indices of published files.
    """

    whole_images: bool
    crop_size: int
    pixel_origin: float

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Takes (B, H, W, 3) uint8 RGB, right hands, to keypoints (B, 21, 2) px and confidences (B, 21)."""


class _Seen(NamedTuple):
    """A hand as the estimator sees it, and the way back."""

    hand: str
    pixels: np.ndarray
    view: SquareView


class OneHandEach:
    """Detects one hand in each image, in its box or anywhere.

    Args:
        estimator: finds the keypoints of a right hand.
    """

    def __init__(self, estimator: Estimator) -> None:
        self.estimator, self.pixel_origin = estimator, estimator.pixel_origin

    def prepare(self, image: HandImage, pixels: np.ndarray, hand: str) -> _Seen:
        """Cuts the hand out; see :class:`s2hand.detection.runner.Worker`, likewise for the other methods."""
        return _Seen(
            hand, *view_hand(pixels, image.box, hand, self.estimator.whole_images, self.estimator.crop_size)
        )

    def answers(self, prepared: list[_Seen]) -> list[Record | S2HandError]:
        """Detects on views of one shape together."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, seen in enumerate(prepared):
            groups.setdefault(seen.pixels.shape, []).append(place)
        answers: list[Record | S2HandError] = [{} for _ in prepared]
        for members in groups.values():
            try:
                found = self.estimator(np.stack([prepared[place].pixels for place in members]))
            except S2HandError as error:  # a shape that is refused, the same for all of the group
                for place in members:
                    answers[place] = error
                continue
            for place, keypoints, confidence in zip(members, *found, strict=True):
                answers[place] = _answer(prepared[place], keypoints, confidence)
        return answers

    def state(self) -> None:
        """Images do not depend on each other."""

    def resume(self, state: Record) -> None:
        """There is nothing to go on from."""


def _answer(seen: _Seen, keypoints: np.ndarray, confidence: np.ndarray) -> Record:
    """What a record says of the hand, in pixels of the image."""
    keypoints = np.where(confidence[:, None] > 0, seen.view.source_pixels(keypoints), 0)
    return {
        "hand": seen.hand,
        "keypoints": keypoints.astype(np.float32).tolist(),
        "confidence": np.asarray(confidence, np.float32).tolist(),
    }
