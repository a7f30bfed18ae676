"""The hands that a Python caller asks for: checked, and one view each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from s2hand.datasets.detections import HANDS
from s2hand.errors import S2HandError
from s2hand.images.intrinsics import StatedCamera, check_camera
from s2hand.images.photos import PhotoHeader, read_photo, read_photo_header
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO

Image = np.ndarray | Tensor | str | Path

DEFAULT_HAND = "right"


def asked_hands(
    viewer: Viewer,
    images: Image | Sequence[Image],
    K: np.ndarray | Tensor | None,
    hand: str | Sequence[str] | None,
    boxes: np.ndarray | Tensor | None,
    keypoints: np.ndarray | Tensor | None,
    confidence: np.ndarray | Tensor | None,
    finder: FoundHands | None = None,
) -> Iterator[list[HandView]]:
    """The hands of each of N images: one, or with a detector all that it finds.

    Args:
        viewer: makes the views.
        images, K, hand, boxes, keypoints, confidence: see
            :meth:`~s2hand.prediction.reconstructor.HandReconstructor.predict`.
        finder: finds the hands, or None.

    Returns:
        An iterator over N lists of views; images that are files are read when it is their turn.

    Raises:
        S2HandError: there are no images, or numbers do not match. The iterator raises it for an image that
            cannot be read, and for a box without extent.
    """
    images = _as_list(images)
    count = len(images)
    if not count:
        raise S2HandError("no images to predict from: give one or more")
    default = DEFAULT_HAND if finder is None else AUTO
    hands = [hand or default] * count if isinstance(hand, str | None) else list(hand)
    if len(hands) != count or set(hands) - {*HANDS, default}:
        raise S2HandError(f"hand: expected right or left, once or for each of {count} images, got {hand}")
    if K is not None and np.ndim(K) == 2:
        K = np.broadcast_to(_as_array(K), (count, 3, 3))
    if keypoints is not None and confidence is None:
        confidence = np.ones((count, 21))
    cameras = _rows(K, (3, 3), count, "K")
    for camera in cameras:
        if camera is not None:
            check_camera(camera, what="K")
    columns = {
        "box": _rows(boxes, (4,), count, "boxes"),
        "keypoints": _rows(keypoints, (21, 2), count, "keypoints"),
        "confidence": _rows(confidence, (21,), count, "confidence"),
    }

    def views(index: int) -> list[HandView]:
        name, photo, header = _read(images[index], index)
        if finder is not None:
            box = columns["box"][index]
            return finder.views(viewer, name, photo, header, cameras[index], box, hands[index])
        known = {column: rows[index] for column, rows in columns.items()}
        with_camera = replace(viewer, stated=StatedCamera(K=cameras[index]))
        return [with_camera.view(name, photo, header, hands[index], **known)]

    return map(views, range(count))


def _as_list(images: Image | Sequence[Image]) -> list[Image]:
    """One image or many as a list; a batch is taken apart."""
    if isinstance(images, str | Path) or (isinstance(images, np.ndarray | Tensor) and images.ndim == 3):
        return [images]
    return list(images)


def _read(image: Image, index: int) -> tuple[str, np.ndarray, PhotoHeader]:
    """Name, pixels and header of an image: (H, W, 3), uint8 or float32 in [0, 1]."""
    if isinstance(image, str | Path):
        return str(image), read_photo(image), read_photo_header(image)
    pixels = _pixels(image, index)
    return "", pixels, PhotoHeader(pixels.shape[1], pixels.shape[0], None)


def _pixels(image: np.ndarray | Tensor, index: int) -> np.ndarray:
    is_tensor = isinstance(image, Tensor)
    channels = 0 if is_tensor else -1
    if image.ndim != 3 or image.shape[channels] != 3:
        expected = "(3, H, W)" if is_tensor else "(H, W, 3)"
        raise S2HandError(f"image {index}: expected shape {expected}, got {tuple(image.shape)}")
    if is_tensor:
        image = image.detach().cpu().permute(1, 2, 0).numpy()
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if not np.issubdtype(image.dtype, np.floating) or not (image.min() >= 0 and image.max() <= 1):
        raise S2HandError(f"image {index}: expected uint8, or floating-point numbers in [0, 1]")
    return np.ascontiguousarray(image, dtype=np.float32)


def _as_array(values: np.ndarray | Tensor | Sequence) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)


def _rows(values, shape: tuple[int, ...], count: int, name: str) -> list[np.ndarray | None]:
    """(N, *shape) as a list of N arrays; None as N times None."""
    if values is None:
        return [None] * count
    array = _as_array(values)
    if array.shape != (count, *shape):
        raise S2HandError(f"{name}: expected shape {(count, *shape)} for {count} images, got {array.shape}")
    return list(array)
