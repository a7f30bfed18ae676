"""Draws the photos of a benchmark from a folder, and reads what is known of their hands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.benchmark.photo_split import held_out
from s2hand.datasets.json_files import read_json
from s2hand.errors import DatasetError
from s2hand.files import inside_folder
from s2hand.images.listing import list_photos
from s2hand.skeleton import NUM_JOINTS

REFERENCE_FILE = "reference.json"

UNSORTED = "photos"
"""What photos are called that lie in no sub-folder."""

EXPECTED = (
    f"a folder of photos, or one of folders of photos with {REFERENCE_FILE}: "
    '{"FOLDER/PHOTO": [{"xyz": 21 x [x, y, z] px}, one for each hand], ...}'
)


@dataclass(frozen=True)
class BenchmarkPhoto:
    """A photo of the benchmark.

    Attributes:
        name: path in the folder of photos, with forward slashes.
        path: the file.
        landmarks: (21, 2) px of each hand that the reference found; None where there is no reference.
    """

    name: str
    path: Path
    landmarks: tuple[np.ndarray, ...] | None

    @property
    def folder(self) -> str:
        """The first folder of the name."""
        return _folder_of(self.name)


def draw_photos(root: str | Path, count: int, seed: int) -> list[BenchmarkPhoto]:
    """Draws held-out photos, without copies.

    With a reference, :mod:`s2hand.benchmark.photo_split` says which photos are held out. Without one all
    photos are, but for files of the same content.

    Args:
        root: a folder of photos, or one of several folders and ``reference.json``.
        count: at most so many from each folder.
        seed: what the photos are drawn with.

    Returns:
        The photos of one folder after the other.

    Raises:
        DatasetError: the folder holds something else; the count is below 1, or the seed below 0.
    """
    root = Path(root).expanduser()
    if count < 1:
        raise DatasetError(f"photos per folder: expected 1 or more, got {count}")
    if seed < 0:
        raise DatasetError(f"seed: expected 0 or more, got {seed}")
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; expected {EXPECTED}")
    reference = _read_reference(root)
    if reference is None:
        paths = {path.relative_to(root).as_posix(): path for path in list_photos(root)}
        names = _without_equal_files(paths)
    else:
        names = held_out(list(reference))
    if not names:
        raise DatasetError(f"{root} has no photos; expected {EXPECTED}")
    folders: dict[str, list[str]] = {}
    for name in sorted(names):
        folders.setdefault(_folder_of(name), []).append(name)
    return [
        BenchmarkPhoto(name, root / name, None if reference is None else _landmarks(root, name, reference))
        for chosen in folders.values()
        for name in np.random.default_rng(seed).permutation(chosen)[:count].tolist()
    ]


def _folder_of(name: str) -> str:
    first, slash, _ = name.partition("/")
    return first if slash else UNSORTED


def _read_reference(root: Path) -> dict[str, Any] | None:
    """Name -> hands as the file has them; None without the file."""
    path = root / REFERENCE_FILE
    if not path.is_file():
        return None
    reference = read_json(path, remedy="restore or delete it")
    if not isinstance(reference, dict) or any(inside_folder(name) != name for name in reference):
        raise DatasetError(f"{path} is no reference; expected {EXPECTED}")
    return reference


def _landmarks(root: Path, name: str, reference: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """(21, 2) px of each hand of a photo."""
    try:
        hands = [np.asarray(hand["xyz"], np.float64) for hand in reference[name]]
    except (TypeError, KeyError, ValueError):
        hands = [np.empty(0)]
    if any(hand.shape != (NUM_JOINTS, 3) or not np.isfinite(hand).all() for hand in hands):
        raise DatasetError(f"{root / REFERENCE_FILE}: {name} has no such hands; expected {EXPECTED}")
    return tuple(hand[:, :2] for hand in hands)


def _without_equal_files(paths: dict[str, Path]) -> Sequence[str]:
    """The first name of each content."""
    first: dict[bytes, str] = {}
    for name, path in sorted(paths.items()):
        first.setdefault(hashlib.sha256(path.read_bytes()).digest(), name)
    return list(first.values())
