"""The versioned format of detected 2D keypoints.

It is an object that says which detector found what in photos of which size::

    {"format": "s2hand-detections-1", "detector": {"name", "sha256", "settings": {...}} or null,
     "images": [{"name": "sub/a.jpg", "width": W, "height": H, "hand": "left" or "right",
                 "box": [x, y, w, h] or null, "K": 3 x 3 or null,
                 "keypoints": [[x, y], ...], "confidence": [...], "track": number, left out if unknown,
                 "world": [[x, y, z], ...] and "world_spread": [...], left out if unknown}, ...],
     "unreadable": ["name: reason", ...], "without_hands": ["name", ...], left out in older files}

Its names are relative to the photos' folder, with ``/``; a name comes once for each hand in its photo. Its
keypoints are in pixels of the upright photo (EXIF rotation applied), never mirrored, with the same order of
joints for left and right hands. ``world`` is the hand in 3D as the detector guesses it, in metres, x right,
y down and z away as the photo shows it, and ``world_spread`` how far several looks at each joint lie apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detections import HANDS, Detections, DetectorInfo
from s2hand.datasets.json_files import as_array
from s2hand.errors import DatasetError, shown
from s2hand.images.plausible import LARGEST_SIDE_PX
from s2hand.skeleton import NUM_JOINTS

FORMAT = "s2hand-detections-1"

LARGEST_TRACK = 2**53 - 1
"""The largest number of a hand that all readers of JSON represent exactly (RFC 8259)."""

HINTS = {
    "confidence": f", {NUM_JOINTS} in [0, 1]: write 1 for joints that are certain, 0 for those that were "
    "missed",
    "width": " of pixels of the upright image",
    "height": " of pixels of the upright image",
}
"""What to write for a key that is missing."""


def from_versioned(content: dict, path: str | Path, remedy: str) -> Detections:
    """The detections in a file's content.

    Args:
        content: what a file holds whose ``format`` is ``FORMAT``.
        path: the file, for messages.
        remedy: what to do if it is damaged; the end of a message.

    Raises:
        DatasetError: an entry is missing or has another type or shape.
    """
    images = content.get("images")
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise DatasetError(f"{path}, images: expected a list of objects, one for each hand: {remedy}")
    unreadable = content.get("unreadable", [])
    if not isinstance(unreadable, list) or not all(isinstance(line, str) for line in unreadable):
        raise DatasetError(f'{path}, unreadable: expected a list of text, "name: reason"')
    without_hands = content.get("without_hands", [])
    if not isinstance(without_hands, list) or not all(isinstance(name, str) for name in without_hands):
        raise DatasetError(f"{path}, without_hands: expected a list of names of images")
    names = tuple(image.get("name") for image in images)
    if not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path}, names: expected text")
    sizes = np.stack([_column(images, key, (), path) for key in ("width", "height")], -1)
    if (sizes < 1).any() or (sizes != np.round(sizes)).any():
        raise DatasetError(f"{path}: width and height must be whole numbers of pixels from 1")
    if (sizes > LARGEST_SIDE_PX).any():
        raise DatasetError(f"{path}: width and height must be at most {LARGEST_SIDE_PX} px")
    return Detections(
        _column(images, "keypoints", (NUM_JOINTS, 2), path),
        _column(images, "confidence", (NUM_JOINTS,), path),
        names,
        sizes.astype(np.int64),
        _column(images, "box", (4,), path, optional=True),
        _read_hands(images, path),
        _column(images, "K", (3, 3), path, optional=True),
        _read_detector(content.get("detector"), path),
        tuple(unreadable),
        _read_tracks(images, path),
        _column(images, "world", (NUM_JOINTS, 3), path, optional=True),
        _column(images, "world_spread", (NUM_JOINTS,), path, optional=True),
        tuple(without_hands),
    )


def _column(
    images: list[dict], key: str, shape: tuple[int, ...], path: str | Path, optional: bool = False
) -> np.ndarray | None:
    """One entry of all images, (N, *shape); if optional, NaN where null and None where all are."""
    given = [row for row, image in enumerate(images) if not optional or image.get(key) is not None]
    if optional and not given:
        return None
    for row in given:
        if key not in images[row]:
            expected = f"numbers of shape {shape}" if shape else "a number"
            raise DatasetError(
                f"{path}: image {row} ({images[row]['name']}) has no {key}: expected {expected}"
                f"{HINTS.get(key, '')}"
            )
    values = [images[row].get(key) for row in given]
    try:
        array = as_array(values, (len(given), *shape), what=f"{path}, {key}")
    except DatasetError:
        for row, value in zip(given, values, strict=True):  # names the first image at fault
            as_array([value], (1, *shape), what=f"{path}, {key} of image {row} ({images[row]['name']})")
        raise
    if len(given) == len(images):
        return array
    column = np.full((len(images), *shape), np.nan, np.float32)
    column[given] = array
    return column


def _read_hands(images: list[dict], path: str | Path) -> tuple[str, ...] | None:
    hands = tuple(image.get("hand") for image in images)
    if all(hand is None for hand in hands):
        return None
    for image, hand in zip(images, hands, strict=True):
        if hand not in HANDS:
            raise DatasetError(f'{path}, {image["name"]}: "hand" must be left or right, got {shown(hand)}')
    return hands


def _read_tracks(images: list[dict], path: str | Path) -> tuple[int | None, ...] | None:
    tracks = tuple(image.get("track") for image in images)
    for image, track in zip(images, tracks, strict=True):
        if track is not None and (type(track) is not int or not 0 <= track <= LARGEST_TRACK):
            raise DatasetError(
                f'{path}, {image["name"]}: "track" must be a whole number from 0, got {shown(track)}'
            )
    return None if all(track is None for track in tracks) else tracks


def _read_detector(entry: Any, path: str | Path) -> DetectorInfo | None:
    if entry is None:
        return None
    kinds = {"name": str, "sha256": str, "settings": dict}
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(key), kind) for key, kind in kinds.items()
    ):
        raise DatasetError(f"{path}, detector: expected an object with name, sha256 and settings")
    return DetectorInfo(*(entry[key] for key in kinds))


def as_versioned(detections: Detections) -> dict[str, Any]:
    """The content of a file; reading it back gives the same.

    Args:
        detections: they must have names and sizes.
    """
    detector = detections.detector
    return {
        "format": FORMAT,
        "detector": None if detector is None else vars(detector),
        "images": [_image_entry(detections, row) for row in range(len(detections))],
        "unreadable": list(detections.unreadable),
        "without_hands": list(detections.without_hands),
    }


def _image_entry(detections: Detections, row: int) -> dict:
    """One row as the versioned format has it."""
    track = None if detections.tracks is None else detections.tracks[row]
    world = {name: _row_or_null(getattr(detections, name), row) for name in ("world", "world_spread")}
    return {
        "name": detections.names[row],
        "width": int(detections.sizes[row][0]),
        "height": int(detections.sizes[row][1]),
        "hand": None if detections.hands is None else detections.hands[row],
        "box": _row_or_null(detections.boxes, row),
        "K": _row_or_null(detections.cameras, row),
        "keypoints": np.ascontiguousarray(detections.keypoints[row], np.float32),
        "confidence": np.ascontiguousarray(detections.confidence[row], np.float32),
        **({} if track is None else {"track": track}),
        **{name: value for name, value in world.items() if value is not None},
    }


def _row_or_null(column: np.ndarray | None, row: int) -> np.ndarray | None:
    if column is None or np.isnan(column[row]).any():
        return None
    return np.ascontiguousarray(column[row], np.float32)
