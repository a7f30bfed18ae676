"""The index of a folder of shards: which member of which tar lies where, and its checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.json_files import read_json
from s2hand.datasets.shards.records import LABELS, ROLES, sample_key
from s2hand.datasets.shards.tars import REMEDY
from s2hand.errors import DatasetError, shown
from s2hand.files import inside_folder, require_file

FORMAT = "s2hand-shards-2"
INDEX = "index.json"
SETS = "sets.json"
"""Lists the folders of several datasets that were written side by side."""

COLUMNS = ("offset", "size", "crc32")

MAX_SUFFIX = 32
"""Characters; longer endings would cost every sample as much memory."""


@dataclass(frozen=True)
class Members:
    """Every sample's member of one role.

    Attributes:
        suffix: (N,) endings of the names, such as ".jpg".
        place: (N, 3) int64: offset in the tar and size in bytes, CRC-32.
    """

    suffix: np.ndarray
    place: np.ndarray


@dataclass(frozen=True)
class ShardIndex:
    """What lies in a folder of shards.

    Attributes:
        folder: the folder of the tars.
        files: names of the tars.
        sizes: bytes in each.
        sha256: hash of each, in hexadecimal.
        counts: samples in each; they are numbered through.
        labels: which of joints, vertices, mask and scale the samples have.
        detected: whether they have detected keypoints.
        members: role -> :class:`Members`.
        source: name of the dataset that they were written from; None if they do not tell.
    """

    folder: Path
    files: tuple[str, ...]
    sizes: tuple[int, ...]
    sha256: tuple[str, ...]
    counts: tuple[int, ...]
    labels: frozenset[str]
    detected: bool
    members: dict[str, Members]
    source: str | None = None

    def __len__(self) -> int:
        return sum(self.counts)

    def member_name(self, role: str, index: int) -> str:
        """Name inside the tar of a sample's member."""
        return sample_key(index) + str(self.members[role].suffix[index])


def read_index(folder: str | Path) -> ShardIndex:
    """Reads a folder's ``index.json``; the tars themselves need not be there.

    Raises:
        DatasetError: it is missing, of another format, or contradicts itself.
    """
    path = Path(folder) / INDEX
    content = read_json(require_file(path, remedy=REMEDY), remedy=REMEDY)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DatasetError(f"{path}: expected the format {FORMAT!r}: {REMEDY}")
    try:
        shards = content["shards"]
        sizes = tuple(_whole_numbers([shard["bytes"] for shard in shards]).tolist())
        counts = tuple(_whole_numbers([shard["samples"] for shard in shards]).tolist())
        return ShardIndex(
            folder=path.parent,
            files=tuple(_file_name(shard["file"]) for shard in shards),
            sizes=sizes,
            sha256=tuple(str(shard["sha256"]) for shard in shards),
            counts=counts,
            labels=_label_names(content["labels"]),
            detected=bool(content["detected"]),
            members={
                role: _join_members([shard["members"][role] for shard in shards], counts, sizes)
                for role in ROLES
            },
            source=_source(content.get("source")),
        )
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{path} is damaged ({type(error).__name__}: {' '.join(str(error).split())}): {REMEDY}"
        ) from None


def shard_folders(folder: str | Path) -> list[Path]:
    """The folders of shards that a folder stands for: itself, or those that its ``sets.json`` lists.

    Raises:
        DatasetError: there is neither an index nor a list, or the list is damaged.
    """
    folder = Path(folder)
    path = folder / SETS
    if not path.is_file():
        require_file(folder / INDEX, remedy=REMEDY)
        return [folder]
    names = read_json(path, remedy=REMEDY)
    sound = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    if not sound or not all(map(inside_folder, names)):
        raise DatasetError(f"{path}: expected a list of the names of folders beside it: {REMEDY}")
    return [folder / name for name in names]


def _file_name(name: str) -> str:
    """Refuses names that lead out of the folder."""
    if not isinstance(name, str) or inside_folder(name) != name or "/" in name:
        raise ValueError(f"{shown(name)} is not the name of a file")
    return name


def _source(name: str | None) -> str | None:
    """Refuses what is not the name of a dataset."""
    if name is not None and not (isinstance(name, str) and name.isidentifier() and len(name) <= MAX_SUFFIX):
        raise ValueError(f"{shown(name)} is not the name of a dataset")
    return name


def _label_names(names: list[str]) -> frozenset[str]:
    """Refuses names that are not labels."""
    if not set(names) <= set(LABELS):
        raise ValueError(f"labels must be among {', '.join(LABELS)}")
    return frozenset(names)


def _join_members(shards: list[dict[str, Any]], counts: tuple[int, ...], sizes: tuple[int, ...]) -> Members:
    """One role's members of all shards."""
    suffixes, places = [], []
    for members, count, size in zip(shards, counts, sizes, strict=True):
        columns = [_whole_numbers(members[name]) for name in COLUMNS]
        if {len(column) for column in (*columns, members["suffix"])} != {count}:
            raise ValueError(f"expected {count} members in a shard")
        offset, length, _ = columns
        if (offset > size).any() or (length > size - offset).any():
            raise ValueError(f"a member lies outside of its tar of {size} bytes")
        if not all(isinstance(suffix, str) and len(suffix) <= MAX_SUFFIX for suffix in members["suffix"]):
            raise ValueError(f"endings of names must be text of at most {MAX_SUFFIX} characters")
        places.append(np.stack(columns, 1))
        suffixes += members["suffix"]
    return Members(np.array(suffixes, str), np.concatenate(places))


def _whole_numbers(values: list[int]) -> np.ndarray:
    """(N,) int64; refuses anything but a list of whole numbers from 0."""
    if not isinstance(values, list) or not all(type(value) is int and value >= 0 for value in values):
        raise ValueError("counts, sizes, offsets and checksums must be whole numbers from 0")
    return np.array(values, np.int64)
