"""A sample as members of a tar: the image's own bytes, and JSON that gives back every number's every bit.

A sample with key ``00000012`` has the members ``00000012.json`` (camera, crop, detections), its image
``00000012.jpg`` (or another ending), and where it has them ``00000012.labels.json`` (joints, vertices,
scale) and ``00000012.mask.jpg``. Plain webdataset reads such tars as they are.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2hand.datasets.base import SampleRecord
from s2hand.datasets.json_files import as_array, parse_json
from s2hand.datasets.shards.tars import REMEDY
from s2hand.errors import DatasetError, shown
from s2hand.hand.assets import NUM_VERTICES
from s2hand.images.intrinsics import check_camera
from s2hand.skeleton import NUM_JOINTS

LABEL_FIELDS = ("joints", "vertices", "scale")
"""Fields of a record that are labels: a member of their own, never opened unless asked for."""

LABELS = (*LABEL_FIELDS, "mask")

IMAGE_FIELDS = {"image": "image_path", "mask": "mask_path"}
"""Members that are images, and the record's field that says where each lies."""

ROLES = ("annotations", "image", "labels", "mask")
"""What a member is, in the order in which a sample's members are written."""

DETECTED_FIELDS = ("keypoints_2d", "confidence", "photometric_weight")
"""Fields that a sample has if a detector ran on it."""

DTYPES = "dtypes"
"""JSON entry: name of each array -> its NumPy type. Values without a type are plain numbers and words."""

ARRAY_SHAPES = {
    "K": (3, 3),
    "keypoints_2d": (NUM_JOINTS, 2),
    "confidence": (NUM_JOINTS,),
    "world_joints": (NUM_JOINTS, 3),
    "world_confidence": (NUM_JOINTS,),
    "joints": (NUM_JOINTS, 3),
    "vertices": (NUM_VERTICES, 3),
    "jitter_box": (4,),
    "true_keypoints_2d": (NUM_JOINTS, 2),
}
ARRAY_DTYPES = ("float32", "float64")
FLAGS = ("mirrored", "look_at", "upright")

MAX_SIDE_PX = 1_000_000
"""More than any image has, and little enough for every later computation."""

MAX_NUMBER = 1e8
"""More than any pixel, metre or focal length in pixels of a photo of a hand."""

KEY_DIGITS = 8


def sample_key(index: int) -> str:
    """What the names of a sample's members start with."""
    return f"{index:0{KEY_DIGITS}d}"


class Member(NamedTuple):
    """Ending of a member's name, and its content or the file to copy; both empty if it has none."""

    suffix: str
    content: bytes | Path


def record_members(record: SampleRecord | None) -> dict[str, Member]:
    """A sample's members by role; a sample that cannot be read has empty ones and keeps its number only."""
    found = dict.fromkeys(ROLES, Member("", b""))
    if record is None:
        return found
    found["annotations"] = Member(".json", encode_fields(record, labels=False))
    found["image"] = Member(record.image_path.suffix.lower() or ".bin", record.image_path)
    labels = encode_fields(record, labels=True)
    if labels is not None:
        found["labels"] = Member(".labels.json", labels)
    if record.mask_path is not None:
        found["mask"] = Member(f".mask{record.mask_path.suffix.lower()}", record.mask_path)
    return found


def encode_fields(record: SampleRecord, *, labels: bool) -> bytes | None:
    """Writes a record's labels, or everything else but its images, as JSON.

    Returns:
        The member's content; None if the record has no such field.
    """
    values: dict[str, Any] = {}
    dtypes = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if value is None or field.name in IMAGE_FIELDS.values() or (field.name in LABEL_FIELDS) != labels:
            continue
        if isinstance(value, np.ndarray):
            dtypes[field.name] = value.dtype.name
            value = _shortened(value).tolist()
        values[field.name] = value
    if not values:
        return None
    content = json.dumps({**values, DTYPES: dtypes}, separators=(",", ":"), default=np.generic.item)
    return content.encode()


def _shortened(array: np.ndarray) -> np.ndarray:
    """Equal numbers of fewer digits: nine tell any two float32 apart; float64 keeps its seventeen."""
    if array.dtype != np.float32:
        return array
    return np.array([float(f"{value:.9g}") for value in array.ravel().tolist()]).reshape(array.shape)


def decode_fields(content: bytes, source: object, required: Collection[str]) -> dict[str, Any]:
    """Reads back what :func:`encode_fields` wrote, checking every value: a checksum does not make it sound.

    Args:
        content: the member's content.
        source: its name, for messages.
        required: fields that must be there.

    Returns:
        Field of :class:`SampleRecord` to value.

    Raises:
        DatasetError: the content is not of this format, lacks a field, or a value is impossible.
    """
    values = parse_json(content, source, remedy=REMEDY)
    dtypes = values.pop(DTYPES, None) if isinstance(values, dict) else None
    if not isinstance(dtypes, dict):
        raise DatasetError(f"{source} is not a sample's JSON: {REMEDY}")
    known = {field.name for field in fields(SampleRecord)} - set(IMAGE_FIELDS.values())
    if unknown := sorted(set(values) - known):
        raise DatasetError(
            f"{source} holds {shown(', '.join(unknown))}, which this version does not know: update s2hand, "
            "or write the shards again"
        )
    if missing := sorted(set(required) - set(values)):
        raise DatasetError(f"{source} lacks {', '.join(missing)}: {REMEDY}")
    return {name: _checked(name, value, dtypes.get(name), source) for name, value in values.items()}


def _checked(name: str, value: Any, dtype: object, source: object) -> Any:
    """A field's value as the record has it."""
    what = f"{source}, {name}"
    if name in ARRAY_SHAPES:
        if dtype not in ARRAY_DTYPES:
            raise DatasetError(f"{what}: expected the type {' or '.join(ARRAY_DTYPES)}, got {shown(dtype)}")
        array = as_array(value, ARRAY_SHAPES[name], what=what, dtype=np.dtype(dtype))
        _check_range(array, what)
        if name == "K":
            check_camera(array, what=what)
        return array
    if name in FLAGS:
        if not isinstance(value, bool):
            raise DatasetError(f"{what}: expected true or false, got {shown(value)}")
        return value
    if name == "size":
        whole = isinstance(value, list) and [type(length) for length in value] == [int, int]
        if not whole or not all(0 < length <= MAX_SIDE_PX for length in value):
            raise DatasetError(f"{what}: expected width and height in pixels, got {shown(value)}")
        return tuple(value)
    if name == "crop":
        left, top, side = as_array([value], (1, 3), what=what, dtype=np.float64)[0].tolist()
        if not 0 < side <= MAX_SIDE_PX or max(abs(left), abs(top)) > MAX_SIDE_PX:
            raise DatasetError(f"{what}: expected left, top and side in pixels, got {shown(value)}")
        return left, top, side
    number = as_array([value], (1,), what=what, dtype=np.float64)  # scale, photometric_weight
    _check_range(number, what)
    return float(number[0])


def _check_range(array: np.ndarray, what: str) -> None:
    """Refuses numbers that would turn into infinity on the way to the losses."""
    largest = float(np.abs(array).max(initial=0))
    if largest > MAX_NUMBER:
        raise DatasetError(f"{what}: expected pixels or metres of at most {MAX_NUMBER:g}, got {largest:g}")
