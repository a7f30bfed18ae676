"""Reads what ``torch.save`` wrote, without running code and in bounds.

``torch.load`` with ``weights_only=True`` runs no code either, but it hashes whatever a file says are keys,
reads a file of a terabyte if 200 bytes claim to be one, and checks no checksum. Here the pickle is read by
:class:`~s2hand.bounded_pickle.BoundedUnpickler`, with stand-ins for tensors; when its structure is known to
be harmless, the tensors that are wanted are read, each record once and with its checksum.

A file is a zip archive (torch 1.6 and later) with the pickle as ``data.pkl`` and one stored record for each
storage, or, in the legacy format, several pickles and then the storages in a row.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from s2hand.torch_pickle import Storage, TensorBuilder, torch_unpickler

MAX_PICKLE_BYTES = 1 << 26
"""Largest pickle within a file; tensors lie outside of it. A large network's training state has 1 MB."""

MAX_RECORDS = 100_000
"""Most records of an archive: one for each tensor."""

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def read_torch_file(path: str | Path, leave_out: Collection[str] = ()) -> object:
    """Reads a file that ``torch.save`` wrote.

    Args:
        path: the file.
        leave_out: keys of the outermost dict that are not wanted; their tensors are not read.

    Returns:
        What was saved: dicts, lists, tuples, numbers, text, tensors on the CPU; NumPy numbers and arrays as
        such, ``argparse.Namespace`` as :class:`~s2hand.torch_pickle.Settings`, devices and dtypes as text.

    Raises:
        pickle.UnpicklingError: it is damaged, exceeds a bound, or asks for a name that is not admitted.
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return _read_zip(file, leave_out) if zipfile.is_zipfile(file) else _read_legacy(file, leave_out)
    except (pickle.UnpicklingError, OSError):
        raise
    except Exception as error:  # a damaged archive may fail anywhere: in zip, text or size checks
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise pickle.UnpicklingError(f"it is damaged: {reason}") from None


def _read_zip(file: io.BufferedReader, leave_out: Collection[str]) -> object:
    with zipfile.ZipFile(file) as archive:
        records = _checked_records(archive)
        root = next((name[: -len("data.pkl")] for name in records if name.endswith("/data.pkl")), None)
        if root is None:
            raise pickle.UnpicklingError("it has no data.pkl")
        if f"{root}byteorder" in records and archive.read(f"{root}byteorder") != b"little":
            raise pickle.UnpicklingError("it was written by a machine of another byte order")
        if records[f"{root}data.pkl"].file_size > MAX_PICKLE_BYTES:
            raise pickle.UnpicklingError(f"its pickle has more than {MAX_PICKLE_BYTES >> 20} MiB")
        value = torch_unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).read_value()

        def read(storage: Storage) -> Tensor:
            name = f"data/{storage.key[:40]}"
            if (record := records.get(f"{root}data/{storage.key}")) is None:
                raise pickle.UnpicklingError(f"its record {name} is missing")
            flat = torch.empty(record.file_size, dtype=torch.uint8)
            with archive.open(record) as source:
                # Reading on to the end is what compares the checksum.
                if _fill(flat, source) != len(flat) or source.read(1):
                    raise pickle.UnpicklingError(f"its record {name} is cut off")
            return flat

        return TensorBuilder(read).build_outermost(value, leave_out)


def _fill(flat: Tensor, source: IO[bytes]) -> int:
    """Reads into a flat uint8 tensor; returns the number of bytes read."""
    view, done = memoryview(flat.numpy()), 0
    while done < len(flat) and (count := source.readinto(view[done:])):
        done += count
    return done


def _checked_records(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """An archive's records by name; torch stores them uncompressed, so none is larger than the file."""
    records = archive.infolist()
    if len(records) > MAX_RECORDS:
        raise pickle.UnpicklingError(f"it has {len(records):,} records, expected at most {MAX_RECORDS:,}")
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
            raise pickle.UnpicklingError("its records are compressed, which torch.save never does")
    size = archive.fp.seek(0, io.SEEK_END)
    if sum(record.file_size for record in records) > size:
        raise pickle.UnpicklingError("its records are larger than the file")
    by_name = {record.filename: record for record in records}
    if len(by_name) < len(records):
        raise pickle.UnpicklingError("two of its records have the same name")
    return by_name


def _read_legacy(file: io.BufferedReader, leave_out: Collection[str]) -> object:
    """The legacy format: magic number, protocol, system, the value, the storages' keys, the storages."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    source = _Limited(file)
    for expected in (LEGACY_MAGIC, LEGACY_PROTOCOL):
        found = torch_unpickler(source).read_value()
        if type(found) is not int or found != expected:
            raise pickle.UnpicklingError("it is no file of torch.save")
    system = torch_unpickler(source).read_value()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise pickle.UnpicklingError("it was written by a machine of another byte order")
    storages: dict[str, Storage] = {}
    value = torch_unpickler(source, storages).read_value()
    keys = torch_unpickler(source).read_value()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise pickle.UnpicklingError("its list of storages is damaged")
    places, place = {}, file.tell()
    for key in keys:
        places[key] = place + 8  # the number of elements comes first
        place += 8 + storages[key].numel * storages[key].dtype.itemsize
    if place > size:
        raise pickle.UnpicklingError("its storages are cut off")

    def read(storage: Storage) -> Tensor:
        if storage.key not in places:
            raise pickle.UnpicklingError(f"its storage {storage.key[:40]} is missing")
        flat = torch.empty(storages[storage.key].numel * storage.dtype.itemsize, dtype=torch.uint8)
        file.seek(places[storage.key])
        if _fill(flat, file) != len(flat):
            raise pickle.UnpicklingError(f"its storage {storage.key[:40]} is cut off")
        return flat

    return TensorBuilder(read).build_outermost(value, leave_out)


class _Limited(io.RawIOBase):
    """A file whose pickles may not be larger than ``MAX_PICKLE_BYTES`` in sum."""

    def __init__(self, file: io.BufferedReader):
        self.file, self.left = file, MAX_PICKLE_BYTES

    def _count(self, content: bytes) -> bytes:
        self.left -= len(content)
        if self.left < 0:
            raise pickle.UnpicklingError(f"its pickles have more than {MAX_PICKLE_BYTES >> 20} MiB")
        return content

    def read(self, size: int = -1) -> bytes:
        return self._count(self.file.read(min(size, self.left + 1) if size >= 0 else self.left + 1))

    def readline(self, size: int = -1) -> bytes:
        return self._count(self.file.readline(self.left + 1))

    def readinto(self, buffer) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
