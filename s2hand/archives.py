"""Reads members of zip archives of unknown origin, as many bytes as expected and no more."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from s2hand.errors import S2HandError

ADMITTED_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other methods unpack a block at once: 45 bytes of bzip2 can hold 45 MB."""

MAX_RATIO = 200
"""Largest quotient of a member's size and its compressed size, for members of more than ``SMALL_BYTES``.
Repeated text reaches it; only a bomb has 1,000."""

SMALL_BYTES = 1 << 26

MAX_HEADER_BYTES = 10_000
"""Longest header of an array, as NumPy itself has it."""


class ArchiveError(S2HandError, ValueError):
    """A member is missing, or larger than it may be."""


def read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """Reads a member and compares its checksum.

    Args:
        archive: the archive.
        name: the member's name.
        max_bytes: largest size of the member.

    Raises:
        ArchiveError: there is no such member, or it is too large or compressed too much.
        Exception: what zipfile and zlib raise for a damaged archive.
    """
    try:
        member = archive.getinfo(name)
    except KeyError:
        raise ArchiveError(f"it has no {name}") from None
    if member.compress_type not in ADMITTED_COMPRESSION:
        raise ArchiveError(f"its {name} is neither stored nor deflated")
    is_small = member.file_size <= SMALL_BYTES
    if member.file_size > max_bytes or not (is_small or member.file_size <= MAX_RATIO * member.compress_size):
        raise ArchiveError(
            f"its {name} unpacks from {member.compress_size:,} to {member.file_size:,} bytes, expected at "
            f"most {max_bytes:,} and no more than {MAX_RATIO}-fold"
        )
    return archive.read(member)


def read_npz(path: str | Path, names: Iterable[str], max_bytes: int) -> dict[str, np.ndarray]:
    """Reads arrays of an .npz; others in it are not unpacked.

    Args:
        path: the file.
        names: the arrays that are wanted; those that the file lacks are left out.
        max_bytes: largest size of an array.

    Raises:
        ArchiveError: an array is larger than that, or its header claims another size than it has.
        Exception: what zipfile, zlib and NumPy raise for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        present = set(archive.namelist())
        return {
            name: _read_array(read_member(archive, f"{name}.npy", max_bytes), name)
            for name in names
            if f"{name}.npy" in present
        }


def _read_array(content: bytes, name: str) -> np.ndarray:
    """An array of an .npy, whose header is compared with its size before anything is allocated."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ArchiveError(f"its {name} has the unknown format {version}")
    shape, column_major, dtype = readers[version](file, max_header_size=MAX_HEADER_BYTES)
    if dtype.hasobject:
        raise ArchiveError(f"its {name} holds objects, expected numbers")
    flat = np.frombuffer(content, np.uint8, offset=file.tell()) if file.tell() < len(content) else b""
    if any(length < 0 or length > 1 << 31 for length in shape) or dtype.itemsize * math.prod(shape) != len(
        flat
    ):
        raise ArchiveError(f"its {name} claims another size than it has")
    array = np.frombuffer(flat, dtype) if len(flat) else np.zeros(0, dtype)
    return array.reshape(shape, order="F" if column_major else "C").copy()
