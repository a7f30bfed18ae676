"""Files that are written whole or not at all, checks of paths, and what tells one file from another."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2hand.errors import DatasetError

BLOCK_BYTES = 1 << 20

MAX_NAME_BYTES = 255
"""Longest part of a path on the usual file systems; asking for a longer one is an OSError."""

MAX_PATH_BYTES = 4000
"""Longest path, a little below the 4,096 bytes of Linux."""


@contextmanager
def errors_named(path: str | Path) -> Iterator[None]:
    """Adds the file's name to errors that come without one, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def written_whole(path: str | Path, *, durable: bool = False, alone: bool = False) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` when the context ends without an error.

    Args:
        path: the file; its folder is made.
        durable: wait until the content is on the disk, so that not even a power failure leaves a part.
        alone: no other process writes this file. What a kill leaves then always has the same name, and the
            next writer removes it.

    Yields:
        A hidden path beside it with the same ending, which writers that look at endings need.

    Raises:
        FileExistsError: there is something else than a file.
    """
    path = Path(path)
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    process = "" if alone else f".{os.getpid()}"
    partial = path.with_name(f".{path.stem}{process}.partial{path.suffix}")
    partial.unlink(missing_ok=True)
    try:
        with errors_named(path):
            yield partial
            if durable:
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_replaceable(path: str | Path) -> None:
    """Refuses to write in place of a folder, a pipe or a device: root would replace even ``/dev/null``.

    Raises:
        FileExistsError: there is something else than a file.
        NotADirectoryError: there is a file where the path needs a folder.
    """
    path = Path(path)
    check_folder(path.parent)
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "not a file, so it cannot be replaced by one", str(path))


def check_folder(path: str | Path) -> None:
    """Refuses what is no folder and cannot become one.

    Raises:
        NotADirectoryError: it, or something that it would lie in, is a file.
    """
    path = Path(path)
    nearest = next((one for one in (path, *path.parents) if one.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file, where a folder is needed", str(nearest))


def write_text_whole(path: str | Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; its folder is made."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def inside_folder(name: str) -> str | None:
    """The normalised form of a file's name relative to a folder, if the file lies inside of the folder.

    Args:
        name: as read from a file, with ``/`` between its parts.

    Returns:
        The name without ``.`` and ``..``; None if it is absolute, climbs out of the folder, is empty, is
        longer than file systems allow, or holds a NUL or half of a surrogate pair, as no file's name can.
    """
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return None
    if len(encoded) > MAX_PATH_BYTES or max(map(len, encoded.split(b"/"))) > MAX_NAME_BYTES:
        return None
    parts = []
    for part in name.split("/"):
        if part not in ("", ".", ".."):
            parts.append(part)
        elif part == ".." and not parts:
            return None
        elif part == "..":
            parts.pop()
    return None if name.startswith("/") or "\0" in name else "/".join(parts) or None


def sha256_of_file(path: str | Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def require_folder(path: str | Path, *, key: str, expected: str) -> Path:
    """Returns ``path`` if it is a folder.

    Args:
        path: the dataset's folder.
        key: the config key that names it.
        expected: what should lie there, for the message.

    Raises:
        DatasetError: it is not a folder; the message says which key to set.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DatasetError(f'no folder {folder}: set "{key}" to {expected}')
    return folder


def require_file(path: str | Path, *, remedy: str) -> Path:
    """Returns ``path`` if it is a file.

    Raises:
        DatasetError: it is not a file; the message ends with ``remedy``.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DatasetError(f"no file {file}: {remedy}")
    return file
