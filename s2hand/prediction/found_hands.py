"""The hands of a photo as the bundled detector finds them, all of them, left and right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.stated_box import BoxSurroundings
from s2hand.detection.mediapipe.tracking import HandTracker
from s2hand.errors import DatasetError
from s2hand.images.crops import has_box
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO
from s2hand.prediction.photos import Photo
from s2hand.prediction.sides import SideJudge

Answer = TypeVar("Answer")

IMAGES_AT_ONCE = 4
"""Images that hands are looked for in together: each costs less than alone, and photos may be large."""


class Searched(NamedTuple):
    """An image that hands are looked for in.

    Attributes:
        viewer: makes the views.
        name: what messages call the image.
        photo: (H, W, 3) RGB, uint8 or floating-point in [0, 1].
        header: the image's header.
        box: (4,) px left, top, width and height of the one hand that is meant; None or NaN: all hands.
        hand: "left", "right" or "auto" for this image; None: as for all.
    """

    viewer: Viewer
    name: str
    photo: np.ndarray
    header: PhotoHeader
    box: np.ndarray | None = None
    hand: str | None = None


class FoundHands:
    """Finds the hands of photos; takes the place of a detections file.

    Args:
        detector: finds them.
        judge: settles left or right where the detector is in doubt.
        hand: "left" or "right" for all hands; "auto": as the detector says.
        stated: the camera of photos without one.
    """

    detections = None

    def __init__(
        self,
        detector: HandDetector,
        judge: SideJudge,
        hand: str = AUTO,
        stated: StatedCamera | None = None,
    ) -> None:
        self.detector, self.judge = detector, judge
        self.hand, self.stated = hand, stated or StatedCamera()
        self._tracker = HandTracker(detector)

    def told(self, hand: str, stated: StatedCamera) -> FoundHands:
        """The same with a side and a camera stated for all photos; arguments as of the class."""
        return FoundHands(self.detector, self.judge, hand, stated)

    def views(
        self, viewer: Viewer, photo: Photo, pixels: np.ndarray, header: PhotoHeader, frame: int | None = None
    ) -> list[HandView]:
        """The hands of a photo, or of a video's next frame, through which hands are followed.

        Args:
            viewer: makes the views.
            photo: the photo, or the video.
            pixels: (H, W, 3) uint8 RGB.
            header: the header of the photo or frame.
            frame: number of the frame; None for photos.

        Returns:
            All hands; those of a video know which hand of it they are.
        """
        if frame is None:
            return self.in_image(Searched(viewer, photo.name, pixels, header))
        if frame == 0:
            K = choose_camera(header, None, viewer.stated)[0]
            judge = partial(self.judge, K=K) if self.hand == AUTO else None
            self._tracker = HandTracker(self.detector, judge=judge)
        return [
            replace(self._view(viewer, hand, self.hand, photo.name, pixels, header), track=number)
            for number, hand in self._tracker(pixels)
        ]

    def in_photos(
        self, viewer: Viewer, photos: Sequence[tuple[Photo, np.ndarray, PhotoHeader]]
    ) -> list[list[HandView] | DatasetError]:
        """The hands of photos, which are looked for together.

        Args:
            viewer: makes the views.
            photos: each with its pixels (H, W, 3), uint8 RGB, and its header.

        Returns:
            The hands of each photo, or why it cannot be used.
        """
        searched = [Searched(viewer, photo.name, pixels, header) for photo, pixels, header in photos]
        try:
            return self.in_images(searched)
        except DatasetError:
            return [answer_or_error(self.in_image, one) for one in searched]

    def in_image(self, searched: Searched) -> list[HandView]:
        """The hands of one image; see :meth:`in_images`."""
        return self.in_images([searched])[0]

    def in_images(self, searched: Sequence[Searched]) -> list[list[HandView]]:
        """The hands of images, which are looked for together.

        Returns:
            The hands of each image, those with the likeliest palms first; none if it shows none.

        Raises:
            DatasetError: a box does not meet its image, or an image's camera is not valid.
        """
        surroundings = [
            BoxSurroundings(_pixels(image), np.asarray(image.box)) if has_box(image.box) else None
            for image in searched
        ]
        found = self.detector(
            [
                _pixels(image) if around is None else around.pixels
                for image, around in zip(searched, surroundings, strict=True)
            ]
        )
        found = [
            hands if around is None else around.meant(hands)
            for hands, around in zip(found, surroundings, strict=True)
        ]
        sides = [image.hand or self.hand for image in searched]
        doubtful = [place for place, side in enumerate(sides) if side == AUTO]
        cameras = [choose_camera(searched[i].header, None, searched[i].viewer.stated)[0] for i in doubtful]
        settled = self.judge.of_images([found[i] for i in doubtful], cameras)
        for place, hands in zip(doubtful, settled, strict=True):
            found[place] = hands
        return [
            [self._view(image.viewer, hand, side, image.name, image.photo, image.header) for hand in hands]
            for image, hands, side in zip(searched, found, sides, strict=True)
        ]

    def _view(
        self,
        viewer: Viewer,
        hand: DetectedHand,
        side: str,
        name: str,
        photo: np.ndarray,
        header: PhotoHeader,
    ) -> HandView:
        return viewer.view(
            name,
            photo,
            header,
            hand.handedness if side == AUTO else side,
            keypoints=hand.keypoints,
            confidence=hand.confidence,
            depths_px=hand.depth,
            world=hand.world,
            score=hand.presence,
        )


def answer_or_error(function: Callable[..., Answer], *arguments: Any) -> Answer | DatasetError:
    """What a function answers, or the error that says why one photo cannot be used."""
    try:
        return function(*arguments)
    except DatasetError as error:
        return error


def _pixels(image: Searched) -> np.ndarray:
    photo = image.photo
    return photo if photo.dtype == np.uint8 else np.rint(photo * 255).astype(np.uint8)
