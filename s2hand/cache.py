"""Where slow-to-read labels are kept in a form that loads at once, and when such a copy is stale."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from s2hand.errors import DatasetError

CACHE_FOLDER = ".s2hand_cache"


def cached_file(source: Path, stamp: str, suffix: str, write: Callable[[Path], None]) -> Path:
    """Returns the cached form of ``source``, writing it first if there is none of this stamp.

    It lies beside the source, or in the user's cache folder where that is read-only. Copies with other
    stamps are deleted. Several processes may call this at once: each writes its own temporary file, and
    the last to finish wins with the same content.

    Args:
        source: what is cached; a file or a folder.
        stamp: changes whenever the source does.
        suffix: of the cached file, such as ``.npy``.
        write: writes the cached form to the path it is given.

    Raises:
        DatasetError: no place for the cache can be written.
    """
    digest = hashlib.sha256(stamp.encode()).hexdigest()[:16]
    folders = (source.parent / CACHE_FOLDER, _user_folder(source))
    for folder in folders:
        if (found := folder / f"{source.name}.{digest}{suffix}").is_file():
            return found
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{source.name}.", suffix=suffix, dir=folder)
        except OSError:
            continue
        os.close(handle)
        return _write(Path(name), folder / f"{source.name}.{digest}{suffix}", write)
    raise DatasetError(
        f"cannot write a cache of {source} to {folders[0]} or {folders[1]}: make one of them writable"
    )


def file_stamp(path: Path) -> str:
    """Size and modification time, which tell a replaced file."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _user_folder(source: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "s2hand" / hashlib.sha256(str(source.parent.resolve()).encode()).hexdigest()[:16]


def _write(temporary: Path, target: Path, write: Callable[[Path], None]) -> Path:
    try:
        write(temporary)
        temporary.chmod(0o644)  # mkstemp's files are their owner's alone
        stem = target.name[: -len(target.suffix)].rpartition(".")[0]
        for stale in target.parent.glob(f"{stem}.*{target.suffix}"):
            if stale != target:
                stale.unlink(missing_ok=True)
        os.replace(temporary, target)
    except OSError as error:
        raise DatasetError(f"cannot write the cache {target} ({error.strerror}): free the disk") from None
    finally:
        temporary.unlink(missing_ok=True)
    return target
