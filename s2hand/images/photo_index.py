"""Sizes and focal lengths of many photos, read from their headers once and cached."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from s2hand.cache import cached_file, file_stamp
from s2hand.errors import DatasetError
from s2hand.images.photos import PhotoHeader, read_photo_header
from s2hand.progress_bar import ProgressBar

CACHE_FROM = 1000
"""Fewer photos than this are read within a second, so they are not cached."""

THREADS = 8
"""They wait for the disk; parsing a header is quick."""


def read_headers(root: Path, names: Sequence[str], *, progress: bool = True) -> dict[str, PhotoHeader]:
    """Reads the headers of photos, or their cached copy if no photo has changed.

    Args:
        root: folder of the photos.
        names: relative to ``root``.
        progress: show a bar if there are many.

    Returns:
        Name -> header; photos with an unreadable header are left out.
    """
    names = sorted(set(names))
    if len(names) < CACHE_FROM:
        headers = _read(root, names, progress=False)
    else:
        stamp = "\n".join(f"{name} {_stamp_or_nothing(root / name)}" for name in names)
        path = cached_file(
            root.resolve(), stamp, ".headers.npy", lambda file: _store(file, _read(root, names, progress))
        )
        headers = np.load(path)
    return {
        name: PhotoHeader(int(width), int(height), None if np.isnan(focal) else float(focal))
        for name, (width, height, focal) in zip(names, headers, strict=True)
        if width > 0
    }


def _read(root: Path, names: Sequence[str], progress: bool) -> np.ndarray:
    """Width, height and focal length, (N, 3) float64; width 0 if unreadable, focal NaN if unknown."""
    with ThreadPoolExecutor(THREADS) as pool:
        rows = pool.map(lambda name: _row(root / name), names, chunksize=64)
        bar = ProgressBar(
            rows, desc=f"headers of {root}", total=len(names), unit="photo", disable=not progress
        )
        return np.array(list(bar), np.float64).reshape(-1, 3)


def _row(path: Path) -> tuple[float, float, float]:
    try:
        header = read_photo_header(path)
    except DatasetError:  # whoever needs the photo will read it again, and say why it cannot be read
        return 0, 0, np.nan
    return header.width, header.height, np.nan if header.focal_px is None else header.focal_px


def _stamp_or_nothing(path: Path) -> str:
    try:
        return file_stamp(path)
    except OSError:
        return "missing"


def _store(path: Path, headers: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, headers)
