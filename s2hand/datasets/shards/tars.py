"""Tars: written with the same bytes every time, and read by place instead of by name."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from s2hand.errors import DatasetError

MODE = 0o644
END_BYTES = 2 * tarfile.BLOCKSIZE
REMEDY = "write the shards with `s2hand shard`, or copy the folder again"


@dataclass(frozen=True)
class TarMember:
    """A file inside a tar, which can stand where a path is read.

    Attributes:
        tar: the archive.
        name: the member's name.
        offset: where its content begins, bytes.
        size: length of its content, bytes.
        crc32: checksum of its content.
    """

    tar: Path
    name: str
    offset: int
    size: int
    crc32: int

    def __str__(self) -> str:
        return f"{self.tar}: {self.name}"

    def read_bytes(self) -> bytes:
        """The content.

        Raises:
            DatasetError: the tar is missing or cut short, or the content is not what was written.
        """
        try:
            with open(self.tar, "rb", buffering=0) as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise DatasetError(f"cannot read {self} ({error.strerror}): {REMEDY}") from None
        if len(content) != self.size:
            raise DatasetError(f"{self} is cut short ({len(content)} of {self.size} bytes): {REMEDY}")
        if zlib.crc32(content) != self.crc32:
            raise DatasetError(f"{self} is damaged (its checksum is wrong): {REMEDY}")
        return content


class TarWriter:
    """Appends regular files without owner or time, so that the same files give the same bytes.

    Attributes:
        offset: bytes written so far.
        digest: their SHA-256.
    """

    def __init__(self, file: BinaryIO):
        self.file, self.offset, self.digest = file, 0, hashlib.sha256()

    def add(self, name: str, content: bytes) -> int:
        """Appends a file; returns where its content begins."""
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), MODE, 0
        self._write(info.tobuf(tarfile.USTAR_FORMAT))
        start = self.offset
        self._write(content)
        self._write(bytes(-len(content) % tarfile.BLOCKSIZE))
        return start

    def finish(self) -> None:
        """Writes the end marker."""
        self._write(bytes(END_BYTES))

    def _write(self, content: bytes) -> None:
        self.file.write(content)
        self.digest.update(content)
        self.offset += len(content)
