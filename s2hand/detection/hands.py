"""What a detector sees of a picture: the whole or a square, mirrored for left hands; and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from s2hand.detection.sources import Picture
from s2hand.geometry.mirror import mirror_keypoints
from s2hand.images.crops import require_in_picture, square_around_box
from s2hand.images.transforms import crop_transform, transform_points, warp_image

LARGEST_WHOLE = 1 << 21
"""Pixels; just above 1920 x 1080. A detector's maps have the picture's size, 21 of them and more."""


@dataclass(frozen=True)
class DetectorView:
    """One hand as a detector gets it.

    Attributes:
        image: (H, W, 3) uint8 RGB, of a right hand.
        size: width and height of the picture in pixels.
        hand: "left" or "right", as it is in the picture.
        to_picture: (3, 3) from pixels of the view, mirrored back, to the picture's.
    """

    image: np.ndarray
    size: tuple[int, int]
    hand: str
    to_picture: np.ndarray

    def record(
        self, index: int, picture: Picture, keypoints: np.ndarray, confidence: np.ndarray
    ) -> dict[str, Any]:
        """A picture's record.

        Args:
            index: of the picture.
            picture: its source.
            keypoints: (21, 2) px of the view, (0, 0) where missed.
            confidence: (21,), 0 where missed.
        """
        if self.hand == "left":
            keypoints = mirror_keypoints(keypoints, self.image.shape[1])
        keypoints = transform_points(self.to_picture, keypoints)
        keypoints = np.where(confidence[:, None] > 0, keypoints, 0).astype(np.float32)
        return {
            "index": index,
            "name": picture.name,
            "width": self.size[0],
            "height": self.size[1],
            "hand": self.hand,
            "box": None if picture.box is None else list(picture.box),
            "K": None if picture.K is None else np.asarray(picture.K).tolist(),
            "keypoints": keypoints.tolist(),
            "confidence": np.asarray(confidence, np.float32).tolist(),
        }


def view_hand(
    image: np.ndarray, box: tuple[float, ...] | None, hand: str, whole_pictures: bool, crop_size: int
) -> DetectorView:
    """Cuts a hand out of its picture.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        box: (x, y, width, height) px, or None for the whole picture.
        hand: "left" or "right".
        whole_pictures: without a box, take the picture as it is, or shrunk to ``LARGEST_WHOLE`` pixels; else
            its square, with black beside it.
        crop_size: side of squares in pixels.

    Raises:
        DatasetError: the box has no extent, or lies outside of the picture.
    """
    height, width = image.shape[:2]
    if box is None and whole_pictures:
        view = _shrunk(image)
        to_picture = np.diag([width / view.shape[1], height / view.shape[0], 1.0])
    else:
        # The whole picture's square needs no margin: the hand's own is within it.
        left, top, side = (
            square_around_box((0, 0, width, height), margin=0) if box is None else square_around_box(box)
        )
        if box is not None:
            require_in_picture(box, (width, height))
        transform = crop_transform((left, top), side, crop_size)
        view, to_picture = warp_image(image, transform, crop_size), np.linalg.inv(transform)
    if hand == "left":
        view = np.ascontiguousarray(view[:, ::-1])
    return DetectorView(view, (width, height), hand, to_picture)


def _shrunk(image: np.ndarray) -> np.ndarray:
    """A picture of at most ``LARGEST_WHOLE`` pixels, by area averages."""
    height, width = image.shape[:2]
    scale = math.sqrt(LARGEST_WHOLE / (height * width))
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
