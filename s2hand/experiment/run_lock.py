"""One process, or group of processes, at a time writes into a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from s2hand.errors import S2HandError
from s2hand.runtime.distributed import Processes

LOCK_FILE = ".lock"

PATIENCE_S = 15.0
"""How long to wait for another run's end: after a kill its loader processes keep the lock for seconds."""


class RunInUseError(S2HandError):
    """Another process works in the run's folder."""


@contextmanager
def exclusive(folder: Path, processes: Processes, say: Callable[[str], None]) -> Iterator[None]:
    """A context in which no other run writes into a folder.

    Args:
        folder: the run's folder; made if missing.
        processes: the processes of the run, of which the main one holds the lock.
        say: is told if the lock must be waited for.

    Raises:
        RunInUseError: another run holds the lock.
    """
    lock = FileLock(folder / LOCK_FILE)  # the system releases it when the process ends, however it ends
    free = _acquire(lock, folder, say) if processes.is_main else True
    if not processes.share(free):
        raise RunInUseError(
            f"{folder}: another s2hand process is writing there; wait for its end, or choose another "
            "base_out_path"
        )
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, folder: Path, say: Callable[[str], None]) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"{folder} is in use; waiting {PATIENCE_S:.0f} s for it")
    except NotImplementedError:
        say(f"{folder}: its file system has no locks; take care that no other run writes there")
    else:
        return True
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout:
        return False
    except NotImplementedError:
        pass
    return True
