"""Records that survive a kill: one append-only JSON-lines file for each share of the work, a line an image.

The list of images is cut into units of a batch each; unit u belongs to share ``u mod n``. A unit's lines are
appended together and synchronised to the disk, so after a kill a file holds some whole units and at most a
torn end, which the next run cuts off. Because units never change, neither do batches, nor any bit of the
results.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from filelock import FileLock, Timeout

from s2hand.errors import S2HandError
from s2hand.files import errors_named

FORMAT = "s2hand-detection-shard-1"


class DetectionError(S2HandError):
    """A detection run cannot go on as asked."""


@dataclass(frozen=True)
class Share:
    """Which part of the work one process does.

    Attributes:
        index: from 0.
        count: number of processes.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self):
        if not 0 <= self.index < self.count:
            raise DetectionError(f"shard {self.index}/{self.count}: expected i/n with i from 0 to n - 1")

    @classmethod
    def parse(cls, text: str) -> Share:
        """Reads ``i/n``."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise DetectionError(f"shard {text!r}: expected i/n, such as 0/4 for the first of four")
        return cls(int(index), int(count))

    @classmethod
    def from_environment(cls) -> Share:
        """The share of a process that torchrun started; elsewhere all of the work."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def cut_units(total: int, batch: int) -> list[range]:
    """Cuts ``total`` images into units of at most ``batch``."""
    return [range(start, min(start + batch, total)) for start in range(0, total, batch)]


class ShareFile:
    """The records of one share; a context that holds the file's lock.

    Args:
        path: the file.
        header: what the run computes; a file with another header is refused.
        units: this share's units, in order.

    Attributes:
        done: number of units recorded so far.
    """

    def __init__(self, path: Path, header: dict[str, Any], units: list[range]):
        self.path, self.header, self.units = path, header, units
        self.done = 0
        self._file: BinaryIO | None = None
        # The system releases it when the process ends, however it ends.
        self._lock = FileLock(path.with_name(path.name + ".lock"))

    def __enter__(self) -> ShareFile:
        """Opens the file, cuts off a torn end, and counts what is done.

        Raises:
            DetectionError: another process works on it, or it was begun with other settings.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise DetectionError(f"{self.path}: another process is at work on this share") from None
        try:
            self._file = open(self.path, "a+b")
            self._file.seek(0)
            _, self.done, good_bytes = _parse(self._file.read(), self.path, self.header, self.units)
            self._file.truncate(good_bytes)
            if not good_bytes:
                self._append([self.header])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            if self._file is not None:
                with errors_named(self.path):
                    self._file.close()  # tries again what a full disk refused
        finally:
            self._lock.release()

    def append(self, lines: list[dict[str, Any]]) -> None:
        """Records the next unit, one line for each image.

        Raises:
            OSError: the disk is full; what was recorded before stays.
        """
        self._append(lines)
        self.done += 1

    def _append(self, lines: list[dict[str, Any]]) -> None:
        content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        with errors_named(self.path):
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())


def read_share(path: Path, header: dict[str, Any], units: list[range]) -> list[dict[str, Any]] | None:
    """The records of a finished share, in order; None if it is not there or not finished.

    Raises:
        DetectionError: it was begun with other settings.
    """
    if not path.is_file():
        return None
    lines, done, _ = _parse(path.read_bytes(), path, header, units)
    return lines if done == len(units) else None


def _parse(
    content: bytes, path: Path, header: dict[str, Any], units: list[range]
) -> tuple[list[dict[str, Any]], int, int]:
    """Splits a share's file into whole units.

    Returns:
        Their lines, their number, and the bytes that header and whole units take, 0 without a whole header.
    """
    lines = content.splitlines(keepends=True)
    if not lines or not lines[0].endswith(b"\n"):
        return [], 0, 0
    _check_header(_loads(lines[0], path), path, header)
    records, done, good_bytes, at = [], 0, len(lines[0]), 1
    for unit in units:
        part = lines[at : at + len(unit)]
        if len(part) < len(unit) or not part[-1].endswith(b"\n"):
            break
        parsed = [_loads(line, path) for line in part]
        if [record.get("index") for record in parsed] != list(unit):
            raise DetectionError(
                f"{path} is damaged at line {at + 1}: remove it to detect on its images again"
            )
        records += parsed
        done, good_bytes, at = done + 1, good_bytes + sum(map(len, part)), at + len(unit)
    return records, done, good_bytes


def _loads(line: bytes, path: Path) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise DetectionError(f"{path} is damaged: remove it to detect on its images again")
    return record


def _check_header(found: dict[str, Any], path: Path, header: dict[str, Any]) -> None:
    """Refuses a file whose header differs from this run's, and names the first entry that does."""
    header = json.loads(json.dumps(header))
    for key in sorted(header.keys() | found.keys()):
        if found.get(key) == header.get(key):
            continue
        have, want = found.get(key), header.get(key)
        if isinstance(have, dict) and isinstance(want, dict):
            inner = min(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))
            key, have, want = f"{key}.{inner}", have.get(inner), want.get(inner)
        raise DetectionError(
            f"{path} was begun with {key} {json.dumps(have)[:80]}, now it is {json.dumps(want)[:80]}: use "
            "the same settings, remove the folder, or choose another --out"
        )
