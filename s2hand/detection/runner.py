"""The detection run: reads pictures, cuts hands out, detects, records, and merges all shards' records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from s2hand.datasets.detections import DetectorInfo
from s2hand.detection.hands import DetectorView, view_hand
from s2hand.detection.merging import merge_records
from s2hand.detection.shards import FORMAT, Shard, ShardFile, cut_units, read_shard
from s2hand.detection.sources import Picture, PictureSource
from s2hand.errors import DatasetError, S2HandError


class Detector(Protocol):
    """What finds keypoints.

    Attributes:
        whole_pictures: whether a picture without a box goes in as it is, or as a square like all others.
        crop_size: side in pixels of the squares that it is given.
        pixel_origin: what its keypoints have over the pixel indices of published files.
    """

    whole_pictures: bool
    crop_size: int
    pixel_origin: float

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B, H, W, 3) uint8 RGB of right hands to keypoints (B, 21, 2) px and confidences (B, 21)."""


@dataclass(frozen=True)
class DetectionTask:
    """What to detect, and where the results go.

    Attributes:
        source: the pictures.
        out: the versioned JSON; its shards lie in the folder ``<out>.shards`` beside it.
        info: the detector's name, hash and settings.
        hand: of pictures that do not say.
        batch: pictures that are read and detected together.
        published: the published JSON's file, "auto" for the dataset's own place, or None.
    """

    source: PictureSource
    out: Path
    info: DetectorInfo
    hand: str = "right"
    batch: int = 8
    published: Path | str | None = None


@dataclass(frozen=True)
class DetectionSummary:
    """What a run ends with.

    Attributes:
        pictures: of this process's shard.
        unreadable: "name: reason" of those of them that could not be read.
        written: files of the merged results; empty while other shards are unfinished.
    """

    pictures: int
    unreadable: tuple[str, ...]
    written: tuple[Path, ...]


def detect(detector: Detector, task: DetectionTask, shard: Shard | None = None) -> DetectionSummary:
    """Detects a shard's pictures, going on where an earlier run stopped, and merges once all shards are done.

    Args:
        detector: finds the keypoints.
        task: the whole run's pictures.
        shard: this process's part; None for all.

    Raises:
        DetectionError: the earlier run had other settings, or another process works on the shard.
        DatasetError: there is no published place.
    """
    shard = shard or Shard()
    units = cut_units(len(task.source.pictures), task.batch)
    headers = [_header(task, Shard(index, shard.count)) for index in range(shard.count)]
    paths = [_shard_path(task.out, Shard(index, shard.count)) for index in range(shard.count)]
    own = units[shard.index :: shard.count]
    with ShardFile(paths[shard.index], headers[shard.index], own) as file:
        _detect_units(detector, task, file, own)
    records = [
        read_shard(path, header, units[index :: shard.count])
        for index, (path, header) in enumerate(zip(paths, headers, strict=True))
    ]
    unreadable = tuple(record["unreadable"] for record in records[shard.index] if "unreadable" in record)
    written = ()
    if all(part is not None for part in records):
        merged = sorted((record for part in records for record in part), key=lambda record: record["index"])
        written = merge_records(
            task.source, merged, task.info, task.out, task.published, detector.pixel_origin
        )
    return DetectionSummary(sum(map(len, own)), unreadable, written)


def _shard_path(out: Path, shard: Shard) -> Path:
    return out.with_name(out.name + ".shards") / f"{shard.index}-of-{shard.count}.jsonl"


def _header(task: DetectionTask, shard: Shard) -> dict[str, Any]:
    """What a shard file starts with: all that its lines depend on."""
    digest = hashlib.sha256()
    for picture in task.source.pictures:
        K = None if picture.K is None else np.asarray(picture.K).tolist()
        digest.update(f"{picture.name}\0{picture.box}\0{picture.hand}\0{K}\n".encode())
    return {
        "format": FORMAT,
        "detector": {"name": task.info.name, "sha256": task.info.sha256},
        "settings": task.info.settings,
        "hand": task.hand,
        "batch": task.batch,
        "pictures": {"count": len(task.source.pictures), "sha256": digest.hexdigest()},
        "shard": asdict(shard),
    }


def _detect_units(detector: Detector, task: DetectionTask, file: ShardFile, units: list[range]) -> None:
    """Does what is left of a shard; the next unit is read while one is computed."""
    total = sum(map(len, units))
    before = sum(map(len, units[: file.done]))
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(
                total=total,
                initial=before,
                unit="picture",
                desc="detecting",
                dynamic_ncols=True,
                disable=None,
            )
        )
        for views in _read_ahead(detector, task, units[file.done :], stack):
            file.append(_detect_unit(detector, task.source.pictures, views))
            bar.update(len(views))


def _read_ahead(
    detector: Detector, task: DetectionTask, units: list[range], stack: ExitStack
) -> Iterator[dict[int, DetectorView | str]]:
    """Yields each unit's views by picture index; one of text says why a picture cannot be read."""
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
    following: Future | None = None
    for place, unit in enumerate(units):
        views = following.result() if following else _read_unit(detector, task, unit)
        if place + 1 < len(units):
            following = pool.submit(_read_unit, detector, task, units[place + 1])
        yield views


def _read_unit(detector: Detector, task: DetectionTask, unit: range) -> dict[int, DetectorView | str]:
    views: dict[int, DetectorView | str] = {}
    for index in unit:
        picture = task.source.pictures[index]
        try:
            image = task.source.read(picture.key)
            views[index] = view_hand(
                image, picture.box, picture.hand or task.hand, detector.whole_pictures, detector.crop_size
            )
        except DatasetError as error:
            views[index] = _reason(error, picture)
    return views


def _reason(error: Exception, picture: Picture) -> str:
    """ "name: reason", without folders of this machine."""
    reason = " ".join(str(error).split())
    if isinstance(picture.key, Path):
        reason = reason.replace(str(picture.key), picture.name)
    return f"{picture.name}: {reason.removeprefix(picture.name).lstrip(' :')}"


def _detect_unit(
    detector: Detector, pictures: tuple[Picture, ...], views: dict[int, DetectorView | str]
) -> list[dict[str, Any]]:
    """Detects on a unit, pictures of one size together; one record each, in the unit's order."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, view in views.items():
        if isinstance(view, DetectorView):
            groups.setdefault(view.image.shape, []).append(index)
    records = {
        index: {"index": index, "unreadable": view} for index, view in views.items() if isinstance(view, str)
    }
    for members in groups.values():
        try:
            keypoints, confidence = detector(np.stack([views[index].image for index in members]))
        except S2HandError as error:  # a shape that the detector refuses, the same for all of the group
            for index in members:
                records[index] = {"index": index, "unreadable": _reason(error, pictures[index])}
            continue
        for index, points, sure in zip(members, keypoints, confidence, strict=True):
            records[index] = views[index].record(index, pictures[index], points, sure)
    return [records[index] for index in views]
