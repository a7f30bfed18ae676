"""The hands of a photo as the bundled detector finds them, all of them, left and right."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.stated_box import BoxSurroundings
from s2hand.detection.mediapipe.tracking import HandTracker
from s2hand.images.crops import has_box
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO
from s2hand.prediction.photos import Photo
from s2hand.prediction.sides import SideJudge


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
            return self.in_image(viewer, photo.name, pixels, header)
        if frame == 0:
            K = choose_camera(header, None, viewer.stated)[0]
            judge = partial(self.judge, K=K) if self.hand == AUTO else None
            self._tracker = HandTracker(self.detector, judge=judge)
        return [
            replace(self._view(viewer, hand, self.hand, photo.name, pixels, header), track=number)
            for number, hand in self._tracker(pixels)
        ]

    def in_image(
        self,
        viewer: Viewer,
        name: str,
        photo: np.ndarray,
        header: PhotoHeader,
        box: np.ndarray | None = None,
        hand: str | None = None,
    ) -> list[HandView]:
        """The hands of a photo, those with the likeliest palms first; none if it shows none.

        Args:
            viewer: makes the views.
            name: the photo's name.
            photo: (H, W, 3) RGB, uint8 or floating-point in [0, 1].
            header: the photo's header.
            box: (4,) px left, top, width and height of the one hand that is meant; None or NaN: all hands.
            hand: "left", "right" or "auto" for this photo; None: as for all.

        Raises:
            DatasetError: the box does not meet the photo.
        """
        pixels = photo if photo.dtype == np.uint8 else np.rint(photo * 255).astype(np.uint8)
        side = hand or self.hand
        hands = self.detector([pixels])[0] if not has_box(box) else self._in_box(pixels, np.asarray(box))
        if side == AUTO:
            hands = self.judge(hands, choose_camera(header, None, viewer.stated)[0])
        return [self._view(viewer, hand, side, name, photo, header) for hand in hands]

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

    def _in_box(self, photo: np.ndarray, box: np.ndarray) -> list[DetectedHand]:
        """The hand that a box is about, looked for in the box and what surrounds it."""
        surroundings = BoxSurroundings(photo, box)
        return surroundings.meant(self.detector([surroundings.pixels])[0])
