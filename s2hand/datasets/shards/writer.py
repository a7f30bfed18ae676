"""Writes any dataset as tars, with the same bytes every time, and resumes where it stopped."""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2hand.datasets.base import HandDataset, SampleRecord
from s2hand.datasets.json_files import write_json
from s2hand.datasets.shards.index import COLUMNS, FORMAT, INDEX
from s2hand.datasets.shards.records import IMAGE_FIELDS, LABEL_FIELDS, ROLES, record_members, sample_key
from s2hand.datasets.shards.tars import END_BYTES, TarWriter
from s2hand.errors import DatasetError
from s2hand.files import written_whole
from s2hand.images.images import read_image, read_mask
from s2hand.images.photos import read_photo
from s2hand.progress_bar import ProgressBar

DEFAULT_MEGABYTES = 256.0
"""Size at which a new tar is begun: long enough to be read in one go, short enough to be moved about."""

MEGABYTE = 2**20


@dataclass(frozen=True)
class ShardSummary:
    """What was written.

    Attributes:
        folder: where the shards lie.
        samples: samples in all shards.
        shards: number of tars.
        size: bytes of all tars.
        reused: tars that were there already.
        unreadable: samples with an image that cannot be decoded.
    """

    folder: Path
    samples: int
    shards: int
    size: int
    reused: int
    unreadable: int


def write_shards(
    dataset: HandDataset,
    folder: str | Path,
    *,
    source: str | None = None,
    megabytes: float = DEFAULT_MEGABYTES,
    max_unreadable_share: float = 0.0,
    overwrite: bool = False,
    progress: bool = True,
) -> ShardSummary:
    """Writes a dataset's samples in their order, with images as they are on disk.

    Samples keep their numbers, so that a seed means the same in both forms; therefore an image that cannot be
    decoded is named, and copied as it is.

    Args:
        dataset: the dataset; its records must hold everything of which its samples are made.
        folder: where to write; made if missing.
        source: the dataset's name in configs, for whoever trains from the shards; None does not tell.
        megabytes: a tar that is longer gets no further sample.
        max_unreadable_share: share of the samples that may have a damaged image.
        overwrite: replace other shards in the folder.
        progress: show a bar.

    Raises:
        DatasetError: too many images cannot be read, or the folder holds other shards.
    """
    if megabytes <= 0:
        raise DatasetError(f"the shards' size must be positive, got {megabytes:g} MB")
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier_shards(folder, megabytes)
    shards, reused, unreadable, start = [], 0, [], 0
    with ProgressBar(total=len(dataset), unit="sample", desc=str(folder), disable=not progress) as bar:
        while start < len(dataset):
            name = f"shard-{len(shards):06d}.tar"
            shard = earlier.get(name)
            if shard is not None and _is_current(shard, folder, dataset, start):
                reused += 1
            elif shard is not None and not overwrite:
                raise _in_the_way(folder)
            else:
                (folder / INDEX).unlink(missing_ok=True)
                shard = _write_shard(folder / name, dataset, start, megabytes)
                write_json(_sidecar(folder / name), shard)
            unreadable += shard["unreadable"]
            _check_share(unreadable, max_unreadable_share, len(dataset))
            shards.append(shard)
            start += shard["samples"]
            bar.update(shard["samples"])
    if len(earlier) > len(shards) and not overwrite:
        raise _in_the_way(folder)
    _finish(folder, dataset, shards, source)
    size = sum(shard["bytes"] for shard in shards)
    return ShardSummary(folder, start, len(shards), size, reused, len(unreadable))


def _sidecar(tar: Path) -> Path:
    """A finished tar's part of the index, until all are finished."""
    return tar.with_name(f".{tar.name}.json")


def _in_the_way(folder: Path) -> DatasetError:
    return DatasetError(
        f"{folder} holds shards of other data or settings: choose another folder, or add --overwrite"
    )


def _earlier_shards(folder: Path, megabytes: float) -> dict[str, dict[str, Any]]:
    """Entries of the tars that an earlier call finished; empty for tars of another size."""
    entries = {}
    for path in (folder / INDEX, *sorted(folder.glob(".shard-*.tar.json"))):
        try:
            content = json.loads(path.read_bytes())
            for shard in content["shards"] if path.name == INDEX else [content]:
                entries[shard["file"]] = shard if shard["megabytes"] == megabytes else {}
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            raise DatasetError(f"{path} is damaged: delete it, and write the shards again") from None
    return entries


def _is_current(shard: dict[str, Any], folder: Path, dataset: HandDataset, start: int) -> bool:
    """Whether a finished tar holds what would be written now, as far as sizes and annotations tell."""
    try:
        if (folder / shard["file"]).stat().st_size != shard["bytes"]:
            return False
        rest = len(dataset) - start - shard["samples"]
        if rest < 0 or (rest and shard["bytes"] - END_BYTES < shard["megabytes"] * MEGABYTE):
            return False  # it would end elsewhere now
        for number in range(shard["samples"]):
            for role, member in record_members(_look_up(dataset, start + number)[0]).items():
                entry = {name: column[number] for name, column in shard["members"][role].items()}
                content = member.content
                if entry["suffix"] != member.suffix:
                    return False
                if isinstance(content, Path):
                    if entry["size"] != (content.stat().st_size if content.is_file() else 0):
                        return False
                elif entry["crc32"] != zlib.crc32(content):
                    return False
    except (KeyError, IndexError, OSError):
        return False
    return True


def _look_up(dataset: HandDataset, index: int) -> tuple[SampleRecord | None, str | None]:
    """A sample's record, or what is wrong with it."""
    try:
        return dataset.record(index, None), None
    except DatasetError as error:
        return None, str(error)


def _write_shard(path: Path, dataset: HandDataset, start: int, megabytes: float) -> dict[str, Any]:
    """Writes one tar and returns its part of the index."""
    columns = {role: {name: [] for name in ("suffix", *COLUMNS)} for role in ROLES}
    unreadable = []
    count = 0
    with written_whole(path, durable=True) as partial, partial.open("wb") as file:
        tar = TarWriter(file)
        while start + count < len(dataset) and (count == 0 or tar.offset < megabytes * MEGABYTE):
            index = start + count
            record, fault = _look_up(dataset, index)
            for role, (suffix, content) in record_members(record).items():
                if isinstance(content, Path):
                    content, damage = _copy_image(record, role)
                    fault = fault or damage
                offset = tar.add(sample_key(index) + suffix, content) if suffix else 0
                values = (suffix, offset, len(content), zlib.crc32(content))
                for column, value in zip(columns[role].values(), values, strict=True):
                    column.append(value)
            if fault:
                unreadable.append(index)
                print(f"sample {index} cannot be read: {fault}", file=sys.stderr, flush=True)
            count += 1
        tar.finish()
    return {
        "file": path.name,
        "samples": count,
        "bytes": tar.offset,
        "sha256": tar.digest.hexdigest(),
        "megabytes": megabytes,
        "unreadable": unreadable,
        "members": columns,
    }


def _copy_image(record: SampleRecord, role: str) -> tuple[bytes, str | None]:
    """An image's bytes, and what is wrong with it, if anything."""
    path = getattr(record, IMAGE_FIELDS[role])
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    read = read_mask if role == "mask" else read_photo if record.upright else read_image
    try:
        read(path)
    except DatasetError as error:
        return content, str(error)
    return content, None


def _check_share(unreadable: list[int], max_share: float, count: int) -> None:
    if len(unreadable) > max_share * count:
        raise DatasetError(
            f"{len(unreadable)} of {count} samples have an image that cannot be read (the first is sample "
            f"{unreadable[0]}), and max_unreadable_share is {max_share:g}"
        )


def _finish(folder: Path, dataset: HandDataset, shards: list[dict[str, Any]], source: str | None) -> None:
    """Writes the index, then removes what is not in it."""
    found = (_look_up(dataset, index)[0] for index in range(len(dataset)))
    record = next(record for record in found if record is not None)
    labels = [name for name in LABEL_FIELDS if getattr(record, name) is not None]
    labels += ["mask"] if record.mask_path is not None else []
    index = {
        "format": FORMAT,
        "source": source,
        "samples": sum(shard["samples"] for shard in shards),
        "labels": labels,
        "detected": record.keypoints_2d is not None,
        "shards": shards,
    }
    write_json(folder / INDEX, index)
    names = {shard["file"] for shard in shards}
    for path in (*folder.glob("shard-*.tar"), *folder.glob(".shard-*")):
        if path.name not in names:
            path.unlink()
