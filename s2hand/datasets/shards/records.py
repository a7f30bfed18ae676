"""A sample as members of a tar: the image's own bytes, and JSON that gives back every number's every bit.

A sample with key ``00000012`` has the members ``00000012.json`` (camera, crop, detections), its image
``00000012.jpg`` (or another ending), and where it has them ``00000012.labels.json`` (joints, vertices,
scale) and ``00000012.mask.jpg``. Plain webdataset reads such tars as they are.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2hand.datasets.base import SampleRecord
from s2hand.errors import DatasetError

LABEL_FIELDS = ("joints", "vertices", "scale")
"""Fields of a record that are labels: a member of their own, never opened unless asked for."""

LABELS = (*LABEL_FIELDS, "mask")

IMAGE_FIELDS = {"image": "image_path", "mask": "mask_path"}
"""Members that are images, and the record's field that says where each lies."""

ROLES = ("annotations", "image", "labels", "mask")
"""What a member is, in the order in which a sample's members are written."""

DTYPES = "dtypes"
"""JSON entry: name of each array -> its NumPy type. Values without a type are plain numbers and words."""

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


def decode_fields(content: bytes, source: object) -> dict[str, Any]:
    """Reads back what :func:`encode_fields` wrote.

    Args:
        content: the member's content.
        source: its name, for messages.

    Returns:
        Field of :class:`SampleRecord` to value.

    Raises:
        DatasetError: the content is not of this format.
    """
    known = {field.name for field in fields(SampleRecord)} - set(IMAGE_FIELDS.values())
    try:
        values = json.loads(content)
        dtypes = values.pop(DTYPES)
        for name, dtype in dtypes.items():
            values[name] = np.array(values[name], dtype)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{source} is not a sample's JSON ({error}): write the shards again") from None
    if unknown := sorted(set(values) - known):
        raise DatasetError(
            f"{source} holds {', '.join(unknown)}, which this version does not know: update s2hand, or "
            "write the shards again"
        )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
