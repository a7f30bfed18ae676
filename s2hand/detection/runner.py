"""The detection run: reads images, cuts hands out, detects, records, and merges the records of all shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from s2hand.datasets.detections import DetectorInfo
from s2hand.detection.hands import view_hand
from s2hand.detection.merging import merge_records
from s2hand.detection.shares import FORMAT, Share, ShareFile, cut_units, read_share
from s2hand.detection.sources import HandImage, ImageSource
from s2hand.errors import DatasetError, S2HandError
from s2hand.images.square_view import SquareView
from s2hand.progress_bar import ProgressBar

Record = dict[str, Any]
"""A line of a share's file: what is known of a hand, or why its image could not be read."""


class Detector(Protocol):
    """What finds keypoints.

    Attributes:
        whole_images: whether an image without a box goes in as it is, or as a square like all others.
        crop_size: side in pixels of the squares that it is given.
        pixel_origin: what to subtract from its keypoints to get the pixel indices of published files.
    """

    whole_images: bool
    crop_size: int
    pixel_origin: float

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Takes (B, H, W, 3) uint8 RGB, right hands, to keypoints (B, 21, 2) px and confidences (B, 21)."""


@dataclass(frozen=True)
class DetectionTask:
    """What to detect, and where the results go.

    Attributes:
        source: the images.
        out: the versioned JSON; its shares lie in the folder ``<out>.shards`` beside it.
        info: the detector's name, hash and settings.
        hand: "left" or "right", for images that do not say.
        batch: number of images that are read and detected together.
        published: the published JSON's file, "auto" for the dataset's own place, or None.
    """

    source: ImageSource
    out: Path
    info: DetectorInfo
    hand: str = "right"
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
        written: files of the merged results; empty while other shares are unfinished.
    """

    images: int
    unreadable: tuple[str, ...]
    written: tuple[Path, ...]


def detect(detector: Detector, task: DetectionTask, share: Share | None = None) -> DetectionSummary:
    """Detects a share, going on where an earlier run stopped, and merges once all shares are done.

    Args:
        detector: finds the keypoints.
        task: the images of the whole run.
        share: this process's part; None for all.

    Raises:
        DetectionError: the earlier run had other settings, or another process works on the share.
        DatasetError: there is no published place.
    """
    share = share or Share()
    shares = [Share(index, share.count) for index in range(share.count)]
    units = cut_units(len(task.source.images), task.batch)
    headers = [task.header(one) for one in shares]
    own = units[share.index :: share.count]
    with ShareFile(task.path(share), headers[share.index], own) as file:
        _detect_units(detector, task, file, own)
    records = [
        read_share(task.path(one), header, units[one.index :: share.count])
        for one, header in zip(shares, headers, strict=True)
    ]
    unreadable = tuple(record["unreadable"] for record in records[share.index] if "unreadable" in record)
    written = ()
    if all(part is not None for part in records):
        merged = sorted((record for part in records for record in part), key=lambda record: record["index"])
        written = merge_records(
            task.source, merged, task.info, task.out, task.published, detector.pixel_origin
        )
    return DetectionSummary(sum(map(len, own)), unreadable, written)


def _listed(K: np.ndarray | None) -> list | None:
    return None if K is None else np.asarray(K).tolist()


class _Hand(NamedTuple):
    """A hand that waits for its keypoints: its record so far, and what the detector sees."""

    image: HandImage
    record: Record
    seen: np.ndarray | None = None
    view: SquareView | None = None


def _detect_units(detector: Detector, task: DetectionTask, file: ShareFile, units: list[range]) -> None:
    """Does what is left of a share; the next unit is read while one is computed."""
    total = sum(map(len, units))
    before = sum(map(len, units[: file.done]))
    bar = ProgressBar(total=total, initial=before, unit="image", desc="detecting", dynamic_ncols=True)
    with ExitStack() as stack:
        stack.enter_context(bar)
        for hands in _read_ahead(detector, task, units[file.done :], stack):
            file.append(_detect_unit(detector, hands))
            bar.update(len(hands))


def _read_ahead(
    detector: Detector, task: DetectionTask, units: list[range], stack: ExitStack
) -> Iterator[list[_Hand]]:
    """Yields the hands of each unit, having begun to read the next one."""
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
    following: Future | None = None
    for place, unit in enumerate(units):
        hands = following.result() if following else _read_unit(detector, task, unit)
        if place + 1 < len(units):
            following = pool.submit(_read_unit, detector, task, units[place + 1])
        yield hands


def _read_unit(detector: Detector, task: DetectionTask, unit: range) -> list[_Hand]:
    """Reads the images of a unit and cuts the hands out; those that cannot be read have no view."""
    hands = []
    for index in unit:
        image = task.source.images[index]
        try:
            pixels = task.source.read(image.key)
            hand = image.hand or task.hand
            seen, view = view_hand(pixels, image.box, hand, detector.whole_images, detector.crop_size)
        except DatasetError as error:
            hands.append(_Hand(image, _unreadable(index, image, error)))
            continue
        record = {
            "index": index,
            "name": image.name,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "hand": hand,
            "box": None if image.box is None else list(image.box),
            "K": _listed(image.K),
        }
        hands.append(_Hand(image, record, seen, view))
    return hands


def _unreadable(index: int, image: HandImage, error: Exception) -> Record:
    """The record of an image that cannot be read: "name: reason", without folders of this machine."""
    reason = " ".join(str(error).split())
    if isinstance(image.key, Path):
        reason = reason.replace(str(image.key), image.name)
    return {"index": index, "unreadable": f"{image.name}: {reason.removeprefix(image.name).lstrip(' :')}"}


def _detect_unit(detector: Detector, hands: list[_Hand]) -> list[Record]:
    """Detects on a unit, views of one shape together; returns one record for each, in the unit's order."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, hand in enumerate(hands):
        if hand.view is not None:
            groups.setdefault(hand.seen.shape, []).append(place)
    records = [hand.record for hand in hands]
    for members in groups.values():
        try:
            keypoints, confidence = detector(np.stack([hands[place].seen for place in members]))
        except S2HandError as error:  # a shape that the detector refuses, the same for all of the group
            for place in members:
                records[place] = _unreadable(records[place]["index"], hands[place].image, error)
            continue
        for place, points, sure in zip(members, keypoints, confidence, strict=True):
            points = np.where(sure[:, None] > 0, hands[place].view.source_pixels(points), 0)
            records[place] |= {
                "keypoints": points.astype(np.float32).tolist(),
                "confidence": np.asarray(sure, np.float32).tolist(),
            }
    return records
