"""The hands that a Python caller asks for: checked, and one view each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from s2hand.datasets.detections import HANDS
from s2hand.errors import S2HandError
from s2hand.images.intrinsics import StatedCamera, check_camera
from s2hand.images.photos import PhotoHeader, photo_of_image, read_photo, read_photo_header
from s2hand.prediction.batches import together
from s2hand.prediction.found_hands import IMAGES_AT_ONCE, FoundHands, Searched
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO
from s2hand.skeleton import NUM_JOINTS

Image = np.ndarray | Tensor | PIL.Image.Image | str | Path

DEFAULT_HAND = "right"

MEANT = "give a path, an array (H, W, 3), a tensor (3, H, W) or an image of Pillow's"


def asked_hands(
    viewer: Viewer,
    images: Image | Sequence[Image],
    K: np.ndarray | Tensor | Sequence | None,
    hand: str | Sequence[str] | None,
    boxes: np.ndarray | Tensor | Sequence | None,
    keypoints: np.ndarray | Tensor | Sequence | None,
    confidence: np.ndarray | Tensor | Sequence | None,
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
            cannot be read, and for numbers that cannot be pixels of it.
    """
    images = _as_list(images)
    count = len(images)
    if not count:
        raise S2HandError("no images to predict from: give one or more")
    default = DEFAULT_HAND if finder is None else AUTO
    hands = (
        list(hand) if isinstance(hand, Iterable) and not isinstance(hand, str) else [hand or default] * count
    )
    if len(hands) != count or set(map(str, hands)) - {*HANDS, default}:
        raise S2HandError(f"hand: expected right or left, once or for each of {count} images, got {hand}")
    cameras = _cameras(K, count)
    columns = {"box": _rows(boxes, (4,), count, "boxes"), **_keypoints(keypoints, confidence, count)}

    def seen(index: int) -> Searched:
        name, photo, header = _read(images[index], f"image {index}")
        with_camera = replace(viewer, stated=StatedCamera(K=cameras[index]))
        return Searched(with_camera, name, photo, header, columns["box"][index], str(hands[index]))

    def view(index: int) -> list[HandView]:
        with_camera, name, photo, header, box, side = seen(index)
        points, sure = columns["keypoints"][index], columns["confidence"][index]
        return [with_camera.view(name, photo, header, side, box=box, keypoints=points, confidence=sure)]

    if finder is None:
        return map(view, range(count))
    batches = together(range(count), IMAGES_AT_ONCE)
    return chain.from_iterable(finder.in_images(list(map(seen, batch))) for batch in batches)


def _as_list(images: Image | Sequence[Image]) -> list[Image]:
    """One image or many as a list; a batch is taken apart."""
    if isinstance(images, str | Path | PIL.Image.Image | bytes | dict) or not isinstance(images, Iterable):
        return [images]
    if isinstance(images, np.ndarray | Tensor) and images.ndim < 4:
        return [images]
    return list(images)


def _read(image: Image, what: str) -> tuple[str, np.ndarray, PhotoHeader]:
    """Name, pixels and header of an image: (H, W, 3), uint8 or float32 in [0, 1]."""
    if isinstance(image, str | Path):
        return str(image), read_photo(image), read_photo_header(image)
    if isinstance(image, PIL.Image.Image):
        return "", *photo_of_image(image, what)
    if image is None:
        raise S2HandError(f"{what} is None, as cv2.imread returns for a file that it cannot read: {MEANT}")
    if not isinstance(image, np.ndarray | Tensor):
        raise S2HandError(f"{what} is of type {type(image).__name__}: {MEANT}")
    pixels = _pixels(image, what)
    return "", pixels, PhotoHeader(pixels.shape[1], pixels.shape[0], None)


def _pixels(image: np.ndarray | Tensor, what: str) -> np.ndarray:
    """Grey values become three equal channels; what is transparent becomes black, as in files."""
    is_tensor, shape = isinstance(image, Tensor), tuple(image.shape)
    if is_tensor:
        image = _tensor_as_array(image, what)
        image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        expected, other = ("(3, H, W)", 2) if is_tensor else ("(H, W, 3)", 0)
        turned = len(shape) == 3 and shape[other] == 3
        remedy = ": move the channels to the other end" if turned else ""
        raise S2HandError(f"{what}: expected shape {expected}, got {shape}{remedy}")
    if not image.size:
        raise S2HandError(f"{what} is empty: it has {image.shape[1]} x {image.shape[0]} px")
    whole = np.issubdtype(image.dtype, np.integer)
    if not (whole or np.issubdtype(image.dtype, np.floating)):
        raise S2HandError(f"{what}: expected uint8, or floating-point numbers in [0, 1], got {image.dtype}")
    if not (image.min() >= 0 and image.max() <= (255 if whole else 1)):  # NaN is refused too
        expected = "whole numbers from 0 to 255" if whole else "floating-point numbers in [0, 1]"
        raise S2HandError(f"{what}: expected {expected}, got {image.min():g} to {image.max():g}")
    image = image.astype(np.uint8 if whole else np.float32)
    if image.shape[-1] == 4:
        alpha = image[..., 3:] / np.float32(255 if whole else 1)
        image = (np.rint(image[..., :3] * alpha) if whole else image[..., :3] * alpha).astype(image.dtype)
    return np.repeat(image, 3, -1) if image.shape[-1] == 1 else np.ascontiguousarray(image)


def _tensor_as_array(image: Tensor, what: str) -> np.ndarray:
    image = image.detach()
    if image.layout != torch.strided or image.is_meta or image.is_quantized:
        raise S2HandError(f"{what} is a tensor without plain values (sparse, quantized or meta): {MEANT}")
    return (image.float() if image.is_floating_point() else image).cpu().numpy()


def _cameras(K: Any, count: int) -> list[np.ndarray | None]:
    """One K (3, 3) for each image; projections (3, 4) and (4, 4) without a translation are taken too."""
    if K is not None:
        K = _as_array(K, "K", (3, 3))
        if K.ndim == 2:
            K = np.broadcast_to(K, (count, *K.shape))
        if K.shape[1:] in ((3, 4), (4, 4)) and (K[:, :, 3] == np.eye(4)[3, : K.shape[1]]).all():
            K = K[:, :3, :3]
    cameras = _rows(K, (3, 3), count, "K")
    for camera in cameras:
        if camera is not None:
            check_camera(camera, what="K")
    return cameras


def _keypoints(keypoints: Any, confidence: Any, count: int) -> dict[str, list[np.ndarray | None]]:
    """Keypoints and confidences; a third column is the confidence, and a joint of NaN was missed."""
    if keypoints is None:
        return {"keypoints": [None] * count, "confidence": [None] * count}
    keypoints = _as_array(keypoints, "keypoints", (NUM_JOINTS, 2))
    if confidence is None and keypoints.shape[-2:] == (NUM_JOINTS, 3):
        keypoints, confidence = keypoints[..., :2], keypoints[..., 2]
    points = _rows(keypoints, (NUM_JOINTS, 2), count, "keypoints", joints=True)
    sure = [np.ones(NUM_JOINTS)] * count
    if confidence is not None:
        sure = _rows(confidence, (NUM_JOINTS,), count, "confidence", joints=True)
    for row, (found, certain) in enumerate(zip(points, sure, strict=True)):
        if found is None or certain is None:
            points[row] = sure[row] = None
            continue
        missed = np.isnan(found).any(-1) | np.isnan(certain)
        points[row], sure[row] = np.where(missed[:, None], 0, found), np.where(missed, 0, certain)
    return {"keypoints": points, "confidence": sure}


def _as_array(values: Any, name: str, row: tuple[int, ...] = ()) -> np.ndarray:
    """Numbers as an array; where an entry is None, its row of this shape is NaN."""
    if isinstance(values, list | tuple) and any(entry is None for entry in values):
        values = [np.full(row, np.nan) if entry is None else _as_array(entry, name) for entry in values]
    try:
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
        if array.dtype.kind != "c":  # NumPy would drop the imaginary parts
            return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise S2HandError(f"{name}: expected numbers, in rows of equal lengths")


def _rows(
    values: Any, shape: tuple[int, ...], count: int, name: str, joints: bool = False
) -> list[np.ndarray | None]:
    """(N, *shape) as a list of N arrays, where None and rows of NaN become None.

    Args:
        values: numbers, or a sequence with None for some images; for one image, the first axis may be
            missing.
        shape: shape of a row.
        count: N.
        name: names them in messages.
        joints: whether single joints may be NaN.
    """
    if values is None:
        return [None] * count
    array = _as_array(values, name, shape)
    if count == 1 and array.shape == shape:
        array = array[None]
    if array.shape != (count, *shape):
        raise S2HandError(f"{name}: expected shape {(count, *shape)} for {count} images, got {array.shape}")
    if not (np.isfinite(array) | np.isnan(array)).all():
        raise S2HandError(f"{name}: expected finite numbers, got infinity")
    known = ~np.isnan(array).reshape(count, -1)
    return [row if (known[i].any() if joints else known[i].all()) else None for i, row in enumerate(array)]
