"""The detection run: reads images, detects, records, and merges the records of all shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from s2hand.datasets.detections import DetectorInfo
from s2hand.detection.boxes import check_box
from s2hand.detection.merging import hands_of, merge_records
from s2hand.detection.one_hand import Estimator, OneHandEach, Record
from s2hand.detection.shares import FORMAT, Share, ShareFile, cut_units, read_share
from s2hand.detection.sources import HandImage, ImageSource
from s2hand.errors import DatasetError, S2HandError
from s2hand.progress_bar import ProgressBar

STATE = "state"
"""Key of the worker's state in the last record of a unit."""


@runtime_checkable
class Worker(Protocol):
    """What detects on images: one hand in each (:class:`OneHandEach`), or all (:class:`AllHands`).

    Attributes:
        pixel_origin: what to subtract from its keypoints to get the pixel indices of published files.
    """

    pixel_origin: float

    def prepare(self, image: HandImage, pixels: np.ndarray, hand: str | None) -> Any:
        """What it needs of an image, made while the images before are detected on.

        Args:
            image: which.
            pixels: (H, W, 3) uint8 RGB.
            hand: "left" or "right" if that is known.

        Raises:
            DatasetError: the box does not meet the image.
        """

    def answers(self, prepared: list[Any]) -> list[Record | S2HandError]:
        """Detects on prepared images; what their records add, or why one cannot be used."""

    def state(self) -> Record | None:
        """What it remembers of the images so far, as plain JSON values; None if it remembers nothing."""

    def resume(self, state: Record) -> None:
        """Goes on from a state."""


@dataclass(frozen=True)
class DetectionTask:
    """What to detect, and where the results go.

    Attributes:
        source: the images.
        out: the versioned JSON; its shares lie in the folder ``<out>.shards`` beside it.
        info: the detector's name, hash and settings.
        hand: "left" or "right", for images that do not say; None leaves it to the detector.
        batch: number of images that are read and detected together.
        published: the published JSON's file, "auto" for the dataset's own place, or None.
    """

    source: ImageSource
    out: Path
    info: DetectorInfo
    hand: str | None = "right"
    batch: int = 8
    published: Path | str | None = None

    def path(self, share: Share) -> Path:
        """The file of a share's records."""
        return self.out.with_name(self.out.name + ".shards") / f"{share.index}-of-{share.count}.jsonl"

    def header(self, share: Share) -> dict[str, Any]:
        """What a share's file starts with: everything that its lines depend on."""
        digest = hashlib.sha256()
        for image in self.source.images:
            digest.update(f"{image.name}\0{image.box}\0{image.hand}\0{_listed(image.K)}\n".encode())
        return {
            "format": FORMAT,
            "detector": {"name": self.info.name, "sha256": self.info.sha256},
            "settings": self.info.settings,
            "hand": self.hand,
            "batch": self.batch,
            "pictures": {"count": len(self.source.images), "sha256": digest.hexdigest()},
            "shard": asdict(share),
        }


@dataclass(frozen=True)
class DetectionSummary:
    """What a run ends with.

    Attributes:
        images: number of images in this process's share.
        unreadable: "name: reason" for each of them that could not be read.
        handless: number of images in this process's share in which no hand was found.
        written: files of the merged results; empty while other shares are unfinished.
        hands: number of hands in the merged results; None while other shares are unfinished.
    """

    images: int
    unreadable: tuple[str, ...]
    handless: int
    written: tuple[Path, ...] = ()
    hands: int | None = None


def detect(detector: Worker | Estimator, task: DetectionTask, share: Share | None = None) -> DetectionSummary:
    """Detects a share, going on where an earlier run stopped, and merges once all shares are done.

    Args:
        detector: finds the hands; an estimator is given one hand at a time.
        task: the images of the whole run.
        share: this process's part; None for all.

    Raises:
        DetectionError: the earlier run had other settings, or another process works on the share.
        DatasetError: there is no published place.
    """
    worker = detector if isinstance(detector, Worker) else OneHandEach(detector)
    share = share or Share()
    shares = [Share(index, share.count) for index in range(share.count)]
    units = cut_units(len(task.source.images), task.batch)
    headers = [task.header(one) for one in shares]
    own = units[share.index :: share.count]
    with ShareFile(task.path(share), headers[share.index], own) as file:
        _detect_units(worker, task, file, own)
    records = [
        read_share(task.path(one), header, units[one.index :: share.count])
        for one, header in zip(shares, headers, strict=True)
    ]
    unreadable = tuple(record["unreadable"] for record in records[share.index] if "unreadable" in record)
    handless = sum(record.get("hands") == [] for record in records[share.index])
    summary = DetectionSummary(sum(map(len, own)), unreadable, handless)
    if not all(part is not None for part in records):
        return summary
    merged = sorted((record for part in records for record in part), key=lambda record: record["index"])
    written = merge_records(task.source, merged, task.info, task.out, task.published, worker.pixel_origin)
    return replace(summary, written=written, hands=sum(len(hands_of(record)) for record in merged))


def _listed(K: np.ndarray | None) -> list | None:
    return None if K is None else np.asarray(K).tolist()


class _Read(NamedTuple):
    """An image that waits to be detected on: its record so far, and what the detector needs of it."""

    image: HandImage
    record: Record
    prepared: Any = None


def _detect_units(worker: Worker, task: DetectionTask, file: ShareFile, units: list[range]) -> None:
    """Does what is left of a share; the next unit is read while one is computed."""
    total = sum(map(len, units))
    before = sum(map(len, units[: file.done]))
    if file.last is not None and STATE in file.last:
        worker.resume(file.last[STATE])
    bar = ProgressBar(total=total, initial=before, unit="image", desc="detecting", dynamic_ncols=True)
    with ExitStack() as stack:
        stack.enter_context(bar)
        for unit in _read_ahead(worker, task, units[file.done :], stack):
            file.append(_detect_unit(worker, unit))
            bar.update(len(unit))


def _read_ahead(
    worker: Worker, task: DetectionTask, units: list[range], stack: ExitStack
) -> Iterator[list[_Read]]:
    """Yields the images of each unit, having begun to read the next one."""
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
    following: Future | None = None
    for place, unit in enumerate(units):
        images = following.result() if following else _read_unit(worker, task, unit)
        if place + 1 < len(units):
            following = pool.submit(_read_unit, worker, task, units[place + 1])
        yield images


def _read_unit(worker: Worker, task: DetectionTask, unit: range) -> list[_Read]:
    """Reads and prepares the images of a unit; for those that cannot be read nothing is prepared."""
    images = []
    for index in unit:
        image = task.source.images[index]
        try:
            pixels = task.source.read(image.key)
            check_box(image, pixels.shape[1], pixels.shape[0])
            prepared = worker.prepare(image, pixels, image.hand or task.hand)
        except DatasetError as error:
            images.append(_Read(image, _unreadable(index, image, error)))
            continue
        record = {
            "index": index,
            "name": image.name,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "box": None if image.box is None else list(image.box),
            "K": _listed(image.K),
        }
        images.append(_Read(image, record, prepared))
    return images


def _unreadable(index: int, image: HandImage, error: Exception) -> Record:
    """The record of an image that cannot be read: "name: reason", without folders of this machine."""
    reason = " ".join(str(error).split())
    if isinstance(image.key, Path):
        reason = reason.replace(str(image.key), image.name)
    return {"index": index, "unreadable": f"{image.name}: {reason.removeprefix(image.name).lstrip(' :')}"}


def _detect_unit(worker: Worker, unit: list[_Read]) -> list[Record]:
    """Detects on a unit; returns one record for each image, the last with the worker's state."""
    records = [read.record for read in unit]
    places = [place for place, read in enumerate(unit) if "unreadable" not in read.record]
    answers = worker.answers([unit[place].prepared for place in places])
    for place, answer in zip(places, answers, strict=True):
        if isinstance(answer, S2HandError):
            records[place] = _unreadable(records[place]["index"], unit[place].image, answer)
        else:
            records[place] |= answer
    if (state := worker.state()) is not None:
        records[-1][STATE] = state
    return records
