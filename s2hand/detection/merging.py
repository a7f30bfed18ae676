"""From the records of all shares to the detections files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detections import Detections, DetectorInfo, write_detections, write_versioned_detections
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
    found = [record for record in records if "unreadable" not in record]
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
    )
    write_versioned_detections(out, detections)
    if published is None:
        return (out,)
    places = published_places(source, published)
    for path, rows in places.items():
        chosen = [records[row] if row >= 0 else None for row in rows]
        write_detections(path, _published_rows(chosen, _published_names(source, rows), pixel_origin))
    return (out, *places)


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


def _published_rows(
    records: list[dict[str, Any] | None], names: tuple[str, ...] | None, pixel_origin: float
) -> Detections:
    """Rows of a published file; nothing is found in a row without an image, or with an unreadable one."""
    keypoints = np.zeros((len(records), NUM_JOINTS, 2), np.float32)
    confidence = np.zeros((len(records), NUM_JOINTS), np.float32)
    for row, record in enumerate(records):
        if record is not None and "unreadable" not in record:
            confidence[row] = record["confidence"]
            indices = np.float32(record["keypoints"]) - np.float32(pixel_origin)
            keypoints[row] = np.where(confidence[row, :, None] > 0, indices, 0)
    return Detections(keypoints, confidence, names)


def _with_nan(values: list, shape: tuple[int, ...]) -> np.ndarray:
    """(N, *shape) float32, NaN rows where a value is None."""
    column = np.full((len(values), *shape), np.nan, np.float32)
    for row, value in enumerate(values):
        if value is not None:
            column[row] = value
    return column
