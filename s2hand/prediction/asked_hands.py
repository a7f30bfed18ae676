"""What a caller asks of :class:`~s2hand.prediction.reconstructor.HandReconstructor`, checked and in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from s2hand.datasets.detections import HANDS
from s2hand.errors import S2HandError
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule
from s2hand.images.intrinsics import StatedCamera, check_camera, choose_camera
from s2hand.images.photos import PhotoHeader, read_photo, read_photo_header
from s2hand.prediction.hand_views import HandView, find_square

Picture = np.ndarray | Tensor | str | Path

CALLERS_SOURCE = {"config": "given"}
"""The data layer's name for a camera stated for all pictures -> what it is called here."""


class AskedHands:
    """One hand in each of N pictures; pictures that are files are read when their turn comes.

    Args: those of :meth:`~s2hand.prediction.reconstructor.HandReconstructor.predict`, and ``squares``: where
        to look for hands that were detected.

    Raises:
        S2HandError: there are no pictures, or numbers do not match.
    """

    def __init__(
        self,
        images: Picture | Sequence[Picture],
        K: np.ndarray | Tensor | None = None,
        hand: str | Sequence[str] = "right",
        boxes: np.ndarray | Tensor | None = None,
        keypoints: np.ndarray | Tensor | None = None,
        confidence: np.ndarray | Tensor | None = None,
        squares: SquareRule = DEFAULT_SQUARES,
    ) -> None:
        self.squares = squares
        self.pictures = _as_list(images)
        count = len(self.pictures)
        if not count:
            raise S2HandError("no pictures to predict from: give one or more")
        self.hands = [hand] * count if isinstance(hand, str) else list(hand)
        if len(self.hands) != count or set(self.hands) - set(HANDS):
            raise S2HandError(
                f"hand: expected right or left, once or for each of {count} pictures, got {hand}"
            )
        if K is not None and np.ndim(K) == 2:
            K = np.broadcast_to(_as_array(K), (count, 3, 3))
        self.cameras = _rows(K, (3, 3), count, "K")
        self.boxes = _rows(boxes, (4,), count, "boxes")
        self.keypoints = _rows(keypoints, (21, 2), count, "keypoints")
        if keypoints is not None and confidence is None:
            confidence = np.ones((count, 21))
        self.confidence = _rows(confidence, (21,), count, "confidence")
        for camera in self.cameras:
            if camera is not None:
                check_camera(camera, what="K")

    def __len__(self) -> int:
        return len(self.pictures)

    def view(self, index: int) -> HandView:
        """One of the hands, its picture read.

        Raises:
            DatasetError: the picture cannot be read, or the box has no extent.
        """
        picture = self.pictures[index]
        if isinstance(picture, str | Path):
            header, photo = read_photo_header(picture), read_photo(picture)
        else:
            photo = _photo(picture, index)
            header = PhotoHeader(photo.shape[1], photo.shape[0], None)
        K, source = choose_camera(header, stated=StatedCamera(K=self.cameras[index]))
        keypoints, confidence = self.keypoints[index], self.confidence[index]
        size = header.width, header.height
        square, looked_at = find_square(size, self.boxes[index], keypoints, confidence, self.squares)
        return HandView(
            photo=photo,
            K=K,
            focal_source=CALLERS_SOURCE.get(source, source),
            hand=self.hands[index],
            square=square,
            looked_at=looked_at,
            keypoints=keypoints,
            confidence=confidence,
        )


def _as_list(images: Picture | Sequence[Picture]) -> list[Picture]:
    """One picture or many as a list; a batch is taken apart."""
    if isinstance(images, str | Path) or (isinstance(images, np.ndarray | Tensor) and images.ndim == 3):
        return [images]
    return list(images)


def _photo(picture: np.ndarray | Tensor, index: int) -> np.ndarray:
    """A picture in memory as (H, W, 3), uint8 or float32 in [0, 1]."""
    is_tensor = isinstance(picture, Tensor)
    channels = 0 if is_tensor else -1
    if picture.ndim != 3 or picture.shape[channels] != 3:
        expected = "(3, H, W)" if is_tensor else "(H, W, 3)"
        raise S2HandError(f"picture {index}: expected shape {expected}, got {tuple(picture.shape)}")
    if is_tensor:
        picture = picture.detach().cpu().permute(1, 2, 0).numpy()
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    if not np.issubdtype(picture.dtype, np.floating) or not (picture.min() >= 0 and picture.max() <= 1):
        raise S2HandError(f"picture {index}: expected uint8, or floating-point numbers in [0, 1]")
    return np.ascontiguousarray(picture, dtype=np.float32)


def _as_array(values: np.ndarray | Tensor | Sequence) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)


def _rows(values, shape: tuple[int, ...], count: int, name: str) -> list[np.ndarray | None]:
    """(N, *shape) as a list of N arrays; None as N times None."""
    if values is None:
        return [None] * count
    array = _as_array(values)
    if array.shape != (count, *shape):
        raise S2HandError(f"{name}: expected shape {(count, *shape)} for {count} pictures, got {array.shape}")
    return list(array)
