"""From the records of all shares to the detections files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detection_files import write_detections, write_versioned_detections
from s2hand.datasets.detections import Detections, DetectorInfo
from s2hand.detection.sources import ImageSource
from s2hand.errors import DatasetError
from s2hand.skeleton import NUM_JOINTS

AUTO = "auto"


def merge_records(
    source: ImageSource,
    records: list[dict[str, Any]],
    info: DetectorInfo,
    out: Path,
    published: Path | str | None,
    pixel_origin: float,
) -> tuple[Path, ...]:
    """Writes the versioned file, and the published one if asked for.

    Args:
        source: the images.
        records: one for each image, in order.
        info: the detector.
        out: the versioned file.
        published: a file, "auto" for the dataset's own places, or None.
        pixel_origin: what to subtract from keypoints to get the pixel indices of published files.

    Returns:
        The files written.

    Raises:
        DatasetError: the source has no published place.
    """
    found = [hand for record in records for hand in hands_of(record)]
    tracks = tuple(hand.get("track") for hand in found)
    detections = Detections(
        np.float32([record["keypoints"] for record in found]).reshape(-1, NUM_JOINTS, 2),
        np.float32([record["confidence"] for record in found]).reshape(-1, NUM_JOINTS),
        tuple(record["name"] for record in found),
        np.int64([[record["width"], record["height"]] for record in found]).reshape(-1, 2),
        _with_nan([record["box"] for record in found], (4,)),
        tuple(record["hand"] for record in found),
        _with_nan([record["K"] for record in found], (3, 3)),
        info,
        tuple(record["unreadable"] for record in records if "unreadable" in record),
        tracks if any(track is not None for track in tracks) else None,
        _with_nan_or_none([hand.get("world") for hand in found], (NUM_JOINTS, 3)),
        _with_nan_or_none([hand.get("world_spread") for hand in found], (NUM_JOINTS,)),
        tuple(record["name"] for record in records if record.get("hands") == []),
    )
    write_versioned_detections(out, detections)
    if published is None:
        return (out,)
    places = published_places(source, published)
    for path, rows in places.items():
        chosen = [_best_hand(hands_of(records[row]), source.kind) if row >= 0 else None for row in rows]
        write_detections(path, _published_rows(chosen, _published_names(source, rows), pixel_origin))
    return (out, *places)


def hands_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The hands that were found in an image, each with what its record says of the image.

    A record has its only hand in itself, or a list of ``hands``, or neither if the image was unreadable.
    """
    if "unreadable" in record:
        return []
    return [record | hand for hand in record["hands"]] if "hands" in record else [record]


def published_places(source: ImageSource, published: Path | str) -> dict[Path, list[int]]:
    """Which published file holds which images.

    Raises:
        DatasetError: the source is not a dataset with places of its own, or a dataset with several files.
    """
    if published == AUTO:
        if not source.published:
            raise DatasetError(
                "--published: only FreiHAND and HO-3D have a place for it: give --published FILE"
            )
        return source.published
    if len(source.published) > 1:
        raise DatasetError("--published: HO-3D has a file for each sequence: give --published without a FILE")
    rows = next(iter(source.published.values()), list(range(len(source.images))))
    return {Path(published): rows}


def _published_names(source: ImageSource, rows: list[int]) -> tuple[str, ...] | None:
    """Names as published: FreiHAND's have no folders, HO-3D has none, as its rows are frame numbers."""
    if source.kind == "ho3d":
        return None
    names = [source.images[row].name for row in rows]
    return tuple(Path(name).name for name in names) if source.kind == "freihand" else tuple(names)


def _best_hand(hands: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    """The hand of an image's only published row: the surest, in FreiHAND, which shows right hands, of those.

    Returns:
        None if no hand was found.
    """
    right = [hand for hand in hands if kind == "freihand" and hand["hand"] == "right"]
    return max(right or hands, key=lambda hand: hand.get("presence", 1.0), default=None)


def _published_rows(
    hands: list[dict[str, Any] | None], names: tuple[str, ...] | None, pixel_origin: float
) -> Detections:
    """Rows of a published file; a row without a hand is (0, 0) with confidence 0."""
    keypoints = np.zeros((len(hands), NUM_JOINTS, 2), np.float32)
    confidence = np.zeros((len(hands), NUM_JOINTS), np.float32)
    for row, hand in enumerate(hands):
        if hand is not None:
            confidence[row] = hand["confidence"]
            indices = np.float32(hand["keypoints"]) - np.float32(pixel_origin)
            keypoints[row] = np.where(confidence[row, :, None] > 0, indices, 0)
    return Detections(keypoints, confidence, names)


def _with_nan_or_none(values: list, shape: tuple[int, ...]) -> np.ndarray | None:
    """As :func:`_with_nan`; None if all values are None."""
    return _with_nan(values, shape) if any(value is not None for value in values) else None


def _with_nan(values: list, shape: tuple[int, ...]) -> np.ndarray:
    """(N, *shape) float32, NaN rows where a value is None."""
    column = np.full((len(values), *shape), np.nan, np.float32)
    for row, value in enumerate(values):
        if value is not None:
            column[row] = value
    return column
