"""Converted copies of files that are slow to read, and when such a copy is stale."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from s2hand.errors import DatasetError
from s2hand.files import written_whole

CACHE_FOLDER = ".s2hand_cache"


def cached_file(source: Path, stamp: str, suffix: str, write: Callable[[Path], None]) -> Path:
    """Returns the cached form of ``source``, writing it first if there is none with this stamp.

    It lies beside the source, or in the user's cache folder where that is read-only. Copies with other
    stamps are deleted. Several processes may call this at once: each writes a temporary file of its own, and
    the last to finish wins with the same content.

    Args:
        source: the file or folder that is cached.
        stamp: changes whenever the source does.
        suffix: ending of the cached file, such as ``.npy``.
        write: writes the cached form to the path it is given.

    Raises:
        DatasetError: the cache cannot be written.
    """
    name = f"{source.name}.{hashlib.sha256(stamp.encode()).hexdigest()[:16]}{suffix}"
    folders = (source.parent / CACHE_FOLDER, _user_folder(source))
    for folder in folders:
        if (found := folder / name).is_file():
            return found
    target = next((folder / name for folder in folders if _is_writable(folder)), None)
    if target is None:
        raise DatasetError(
            f"cannot write a cache of {source} to {folders[0]} or {folders[1]}: make one of them writable"
        )
    try:
        with written_whole(target) as partial:
            write(partial)
    except OSError as error:
        raise DatasetError(f"cannot write the cache {target} ({error.strerror}): free the disk") from None
    for other in target.parent.iterdir():
        stale = other.name.startswith(f"{source.name}.") and other.name.endswith(suffix)
        if stale and len(other.name) == len(name) and other != target:
            other.unlink(missing_ok=True)
    return target


def file_stamp(path: Path) -> str:
    """Size and modification time, which tell a replaced file."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _user_folder(source: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "s2hand" / hashlib.sha256(str(source.parent.resolve()).encode()).hexdigest()[:16]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
