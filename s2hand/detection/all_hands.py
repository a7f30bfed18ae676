"""Detection of all hands of each image by the bundled detector, in videos from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.stated_box import BoxSurroundings
from s2hand.detection.mediapipe.tracking import HandTracker
from s2hand.detection.one_hand import Record
from s2hand.detection.sources import HandImage


class _Image(NamedTuple):
    """An image or what surrounds a box in it, and what was stated about its hand."""

    pixels: np.ndarray
    box: tuple[float, ...] | None
    surroundings: BoxSurroundings | None
    hand: str | None


class AllHands:
    """Detects all hands of each image; where a box is stated, the one hand that the box is about.

    Args:
        detector: finds the hands.
        follow: whether the images are consecutive frames of one video, through which hands are followed.
            Frames with a stated box are looked at by themselves even then.
    """

    pixel_origin = 0.5

    def __init__(self, detector: HandDetector, *, follow: bool = False) -> None:
        self.detector = detector
        self._tracker = HandTracker(detector) if follow else None

    def prepare(self, image: HandImage, pixels: np.ndarray, hand: str | None) -> _Image:
        """See :class:`s2hand.detection.runner.Worker`, likewise for the other methods.

        Raises:
            DatasetError: the box does not meet the image.
        """
        if image.box is None:
            return _Image(pixels, None, None, hand)
        surroundings = BoxSurroundings(pixels, image.box)
        return _Image(surroundings.pixels, image.box, surroundings, hand)

    def answers(self, prepared: list[_Image]) -> list[Record]:
        """The hands of each image: followed ones in the order in which they came, others by their palms."""
        answers: list[list[Record]] = [[] for _ in prepared]
        alone = [place for place, image in enumerate(prepared) if not self._followed(image)]
        found = self.detector([prepared[place].pixels for place in alone])
        for place, hands in zip(alone, found, strict=True):
            image = prepared[place]
            if image.surroundings is not None:
                hands = image.surroundings.meant(hands)
            answers[place] = [_entry(image, hand) for hand in hands]
        for place, image in enumerate(prepared):
            if self._followed(image):
                hands = self._tracker(image.pixels)
                answers[place] = [_entry(image, hand) | {"track": number} for number, hand in hands]
        return [{"hands": hands} for hands in answers]

    def state(self) -> Record | None:
        """The followed hands."""
        return None if self._tracker is None else self._tracker.state()

    def resume(self, state: Record) -> None:
        """Follows the hands of a state."""
        if self._tracker is not None:
            self._tracker.resume(state)

    def _followed(self, image: _Image) -> bool:
        return self._tracker is not None and image.box is None


def _entry(image: _Image, hand: DetectedHand) -> Record:
    """What a record says of a hand; a stated box and side stay as they are."""
    box = image.box
    if box is None:
        box = (*hand.box[:2], *(hand.box[2:] - hand.box[:2]))
    return {
        "hand": image.hand or hand.handedness,
        "box": np.float32(box).tolist(),
        "keypoints": np.float32(hand.keypoints).tolist(),
        "confidence": np.float32(hand.confidence).tolist(),
        "presence": hand.presence,
        "world": np.float32(hand.world).tolist(),
        "world_spread": None if hand.world_spread is None else np.float32(hand.world_spread).tolist(),
    }
