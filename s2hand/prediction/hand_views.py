"""The view of a hand in a photo: which square the network sees, by which camera, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from s2hand.images.crops import DEFAULT_SQUARES, WHOLE, SquareRule
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader
from s2hand.images.plausible import check_boxes, check_confidence, check_keypoints
from s2hand.images.square_view import SquareView, view_square

CALLERS_SOURCE = {"config": "given"}
"""What :mod:`s2hand.images.intrinsics` calls a camera stated for all photos -> its name in predictions."""


@dataclass(frozen=True)
class HandView:
    """One hand in one photo, and how the network sees it.

    Attributes:
        name: the photo's name; empty if it has none.
        photo: (H, W, 3) RGB, upright, uint8 or float32 in [0, 1].
        K: (3, 3) px of the photo.
        focal_source: where the focal length comes from.
        hand: "left" or "right".
        looked_at: what the square is about: "box", "keypoints" or "whole picture".
        square: the square, seen as a right hand's, and the way back to the photo.
        keypoints: (21, 2) px of the photo, detected, or None.
        confidence: (21,) of the keypoints, 0 where missed; or None.
        depths_px: (21,) depths of the keypoints relative to each other, in pixels of the photo; or None.
        world: (21, 3) metres, the joints about their middle as the photo shows them (x right, y down, z
            away); or None.
        score: the detector's probability that there is a hand; None where nobody said.
        track: number of the hand in its video; None where hands are not followed.
    """

    name: str
    photo: np.ndarray
    K: np.ndarray
    focal_source: str
    hand: str
    looked_at: str
    square: SquareView
    keypoints: np.ndarray | None = None
    confidence: np.ndarray | None = None
    depths_px: np.ndarray | None = None
    world: np.ndarray | None = None
    score: float | None = None
    track: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo in pixels."""
        return self.photo.shape[1], self.photo.shape[0]

    def image(self) -> np.ndarray:
        """What the network sees, (S, S, 3) RGB, of the photo's dtype."""
        return self.square.image(self.photo)

    def keypoints_seen(self) -> np.ndarray | None:
        """The detected keypoints in pixels of :meth:`image`, (21, 2); None without detections."""
        return None if self.keypoints is None else self.square.pixels(self.keypoints)


@dataclass(frozen=True)
class Viewer:
    """Makes views of hands, all for one network; the square is seen as in training on folders.

    Attributes:
        image_size: S, side of the network's images in pixels.
        squares: where to look for hands that were detected.
        stated: camera of photos that come without one.
        upright: whether views are turned so that the detected hand's fingers point up.
    """

    image_size: int
    squares: SquareRule = DEFAULT_SQUARES
    stated: StatedCamera = field(default_factory=StatedCamera)
    upright: bool = False

    def view(
        self,
        name: str,
        photo: np.ndarray,
        header: PhotoHeader,
        hand: str,
        *,
        K: np.ndarray | None = None,
        box: np.ndarray | None = None,
        keypoints: np.ndarray | None = None,
        confidence: np.ndarray | None = None,
        depths_px: np.ndarray | None = None,
        world: np.ndarray | None = None,
        score: float | None = None,
    ) -> HandView:
        """The view of a hand: about its box, else about its keypoints, else of the whole photo.

        Left hands are mirrored. A square about a hand is seen by a virtual camera; a whole photo is only
        brought to size and keeps its camera.

        Args:
            name: the photo's name.
            photo: (H, W, 3) RGB, upright, uint8 or float32 in [0, 1].
            header: the photo's size and focal length.
            hand: "left" or "right".
            K: (3, 3) px, the photo's own camera, or None.
            box: (4,) px: left, top, width and height; None or NaN if there is none.
            keypoints: (21, 2) px; None if there are none.
            confidence: (21,) of the keypoints.
            depths_px: see :class:`HandView`.
            world: likewise.
            score: likewise.

        Raises:
            DatasetError: the box has no extent or lies outside of the photo, K is not a camera matrix, or
                numbers cannot be pixels of this photo.
        """
        _check_detection(name, header, box, keypoints, confidence)
        K, source = choose_camera(header, K, self.stated)
        view, looked_at = self._square(header, K, hand == "left", box, keypoints, confidence)
        return HandView(
            name=name,
            photo=photo,
            K=K,
            focal_source=CALLERS_SOURCE.get(source, source),
            hand=hand,
            looked_at=looked_at,
            square=view,
            keypoints=keypoints,
            confidence=confidence,
            depths_px=depths_px,
            world=world,
            score=score,
        )

    def _square(
        self,
        header: PhotoHeader,
        K: np.ndarray,
        mirrored: bool,
        box: np.ndarray | None,
        keypoints: np.ndarray | None,
        confidence: np.ndarray | None,
    ) -> tuple[SquareView, str]:
        """The square of a hand, and what it is about; arguments as of :meth:`view`."""
        square, looked_at = self.squares.square_or_whole(
            box, keypoints, confidence, (header.width, header.height)
        )
        view = view_square(
            square, K, header.width, self.image_size, look_at=looked_at != WHOLE, mirrored=mirrored
        )
        if self.upright and keypoints is not None:
            view = view.turned(view.upright_angle(keypoints, confidence))
        return view, looked_at


def _check_detection(
    name: str,
    header: PhotoHeader,
    box: np.ndarray | None,
    keypoints: np.ndarray | None,
    confidence: np.ndarray | None,
) -> None:
    """Refuses numbers that cannot be pixels of a photo; arguments as of :meth:`Viewer.view`."""
    sizes, where = np.array([[header.width, header.height]]), lambda row: name or "the image"
    if keypoints is not None:
        check_confidence(confidence[None], where)
        check_keypoints(keypoints[None], confidence[None], sizes, where)
    if box is not None:
        check_boxes(np.asarray(box)[None], sizes, where)
