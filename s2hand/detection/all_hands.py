"""Detection of all hands of each image by the bundled detector, in videos from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.stated_box import BoxSurroundings
from s2hand.detection.mediapipe.tracking import HandTracker
from s2hand.detection.one_hand import Record
from s2hand.detection.sources import HandImage
from s2hand.images.intrinsics import choose_camera
from s2hand.images.photos import PhotoHeader, read_photo_header

Judge = Callable[[Sequence[Sequence[DetectedHand]], Sequence[np.ndarray]], Sequence[Sequence[DetectedHand]]]
"""Settles which side hands are, given those of each image and its camera K (3, 3) px."""


class _Image(NamedTuple):
    """An image or what surrounds a box in it, and what was stated about its hand.

    ``K``, (3, 3) px of the whole image, is that for which a judge settles sides; None where it need not.
    """

    pixels: np.ndarray
    box: tuple[float, ...] | None
    surroundings: BoxSurroundings | None
    hand: str | None
    K: np.ndarray | None


class AllHands:
    """Detects all hands of each image; where a box is stated, the one hand that the box is about.

    Args:
        detector: finds the hands.
        follow: whether the images are consecutive frames of one video, through which hands are followed.
            Frames with a stated box are looked at by themselves even then.
        judge: settles the sides that are not stated; None: the detector's are taken.
    """

    pixel_origin = 0.5

    def __init__(self, detector: HandDetector, *, follow: bool = False, judge: Judge | None = None) -> None:
        self.detector, self.judge = detector, judge
        self._camera: np.ndarray | None = None
        newcomers = None if judge is None else self._settled_newcomers
        self._tracker = HandTracker(detector, judge=newcomers) if follow else None

    def prepare(self, image: HandImage, pixels: np.ndarray, hand: str | None) -> _Image:
        """See :class:`s2hand.detection.runner.Worker`, likewise for the other methods.

        Raises:
            DatasetError: the box does not meet the image.
        """
        K = _camera_of(image, pixels) if self.judge is not None and hand is None else None
        if image.box is None:
            return _Image(pixels, None, None, hand, K)
        surroundings = BoxSurroundings(pixels, image.box)
        return _Image(surroundings.pixels, image.box, surroundings, hand, K)

    def answers(self, prepared: list[_Image]) -> list[Record]:
        """The hands of each image: followed ones in the order in which they came, others by their palms."""
        answers: list[list[Record]] = [[] for _ in prepared]
        alone = [place for place, image in enumerate(prepared) if not self._followed(image)]
        found = self.detector([prepared[place].pixels for place in alone])
        for place, hands in self._settled(prepared, dict(zip(alone, found, strict=True))).items():
            answers[place] = [_entry(prepared[place], hand) for hand in hands]
        for place, image in enumerate(prepared):
            if self._followed(image):
                self._camera = image.K
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

    def _settled(
        self, prepared: Sequence[_Image], found: dict[int, Sequence[DetectedHand]]
    ) -> dict[int, Sequence[DetectedHand]]:
        """The hands that are meant in images, by the images' places, with their sides settled."""
        for place, hands in found.items():
            if (surroundings := prepared[place].surroundings) is not None:
                found[place] = surroundings.meant(hands)
        places = [place for place in found if prepared[place].K is not None]
        if places:
            settled = self.judge([found[place] for place in places], [prepared[place].K for place in places])
            found |= zip(places, settled, strict=True)
        return found

    def _settled_newcomers(self, hands: Sequence[DetectedHand]) -> Sequence[DetectedHand]:
        """Hands that come into the video, with their sides settled."""
        return hands if self._camera is None else self.judge([hands], [self._camera])[0]

    def _followed(self, image: _Image) -> bool:
        return self._tracker is not None and image.box is None


def _camera_of(image: HandImage, pixels: np.ndarray) -> np.ndarray:
    """K (3, 3) px of an image: its own, or else from its EXIF or the default focal length."""
    header = PhotoHeader(pixels.shape[1], pixels.shape[0], None)
    if image.K is None and isinstance(image.key, Path):
        header = read_photo_header(image.key)
    return choose_camera(header, image.K)[0]


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
