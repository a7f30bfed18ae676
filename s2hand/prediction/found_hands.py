"""The hands of a photo as the bundled detector finds them, all of them, left and right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.tracking import HandTracker
from s2hand.errors import DatasetError
from s2hand.images.crops import has_box
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO
from s2hand.prediction.photos import Photo
from s2hand.prediction.sides import SideJudge

BOX_SURROUNDINGS = 0.5
"""Share of a stated box's longer side that is looked at on each side of it: palms need their surroundings."""

DISTANT = 1.0
"""A hand found about a stated box counts if its middle is no farther from the box's than this many halves of
the box's longer side."""


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
            self._tracker = HandTracker(self.detector)
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
        middle, side = box[:2] + box[2:] / 2, float(box[2:].max())
        low = np.clip(np.floor(box[:2] - BOX_SURROUNDINGS * side), 0, None).astype(int)
        high = np.ceil(box[:2] + box[2:] + BOX_SURROUNDINGS * side).astype(int)
        cut = np.ascontiguousarray(photo[low[1] : high[1], low[0] : high[0]])
        if not cut.size or side <= 0:
            raise DatasetError(
                f"the box {box.tolist()} does not meet the photo; it is left, top, width, height"
            )
        hands = [hand.moved(low) for hand in self.detector([cut])[0]]
        distances = [float(np.abs(hand.box.reshape(2, 2).mean(0) - middle).max()) for hand in hands]
        near = [(far, hand) for far, hand in zip(distances, hands, strict=True) if far <= DISTANT * side / 2]
        return [min(near, key=lambda pair: pair[0])[1]] if near else []
