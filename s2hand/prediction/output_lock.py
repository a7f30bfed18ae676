"""One prediction at a time writes into a folder: a second one would replace the first one's index."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from s2hand.errors import S2HandError


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """A context in which no other prediction of this machine's user writes into a folder.

    The lock lies among the system's temporary files, so that nothing but results is in the folder. Where it
    cannot be made, there is none.

    Args:
        out: the folder, which need not exist.

    Raises:
        S2HandError: another prediction is at work there.
    """
    lock = FileLock(lock_file(out))  # the system releases it when the process ends, however it ends
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise S2HandError(
            f"{out}: another prediction is writing there; wait for its end, or name another folder with --out"
        ) from None
    except (OSError, NotImplementedError):
        pass  # read-only temporary files, or a file system without locks
    try:
        yield
    finally:
        lock.release()


def lock_file(out: Path) -> Path:
    """Where the lock of a folder lies."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"s2hand-{user}-{name}.lock"
