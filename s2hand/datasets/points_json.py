"""Large JSON lists of point sets, such as FreiHAND's gigabyte of vertices: converted once, then mapped.

Parsed at once, a gigabyte of JSON takes minutes and tens of gigabytes of memory. It is parsed in blocks of
whole rows instead and kept as a NumPy file that is read page by page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from s2hand.cache import cached_file, file_stamp
from s2hand.datasets.json_files import as_array, parse_json, read_json
from s2hand.files import require_file
from s2hand.progress_bar import ProgressBar

REMEDY = "copy or download it again"
CACHED_FROM_BYTES = 32 << 20
"""Smaller files are parsed faster than it is worth to keep a second copy of them."""

BLOCK_BYTES = 8 << 20
ROW_END = re.compile(rb"\]\s*\](?=\s*,)")
"""A point's bracket, the row's, and a comma: more rows follow."""


def read_points(path: Path) -> np.ndarray:
    """Reads a JSON list of N point sets of equal size.

    Returns:
        (N, P, 3) float32; for large files a read-only memory map of a cached copy.

    Raises:
        DatasetError: the file is missing, broken or holds something else.
    """
    require_file(path, remedy=REMEDY)
    if path.stat().st_size < CACHED_FROM_BYTES:
        return as_array(read_json(path, remedy=REMEDY), (None, None, 3), what=str(path))
    cached = cached_file(path, file_stamp(path), ".npy", lambda target: _convert(path, target))
    return np.load(cached, mmap_mode="r")


def _convert(path: Path, target: Path) -> None:
    """Writes a JSON file's points as a NumPy file."""
    num_rows, num_points = 0, None
    size = path.stat().st_size
    with (
        target.open("wb") as file,
        ProgressBar(
            total=size, desc=f"converting {path.name}", unit="B", unit_scale=True, dynamic_ncols=True
        ) as bar,
    ):
        for block in _blocks_of_rows(path):
            content = parse_json(block, path, remedy=REMEDY)
            rows = as_array(content, (None, num_points, 3), what=f"{path}, after row {num_rows}")
            if num_points is None:
                num_points = rows.shape[1]
                _write_header(file, (0, num_points, 3))
            num_rows += len(rows)
            rows.tofile(file)
            bar.update(len(block))
        file.seek(0)
        _write_header(file, (num_rows, num_points, 3))


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """The header of an array, which is as long for any number of rows: NumPy leaves room for them to grow."""
    npy.write_array_header_1_0(
        file, {"descr": npy.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    )


def _blocks_of_rows(path: Path) -> Iterator[bytes]:
    """Cuts ``[row, row, ...]`` into valid JSON lists of some rows each."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            rest += block
            ends = [match.end() for match in ROW_END.finditer(rest)]
            if not ends:
                continue
            yield rest[: ends[-1]] + b"]"
            # The next block opens with the bracket that the first one found at the file's start.
            rest = b"[" + rest[ends[-1] :].lstrip().removeprefix(b",")
    yield rest
