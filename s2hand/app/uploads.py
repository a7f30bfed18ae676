"""Which browsers uploaded which file, so that no other one gets it; the oldest go when there are too many."""

from __future__ import annotations

import threading
import time
from pathlib import Path

ABANDONED_S = 600
"""Seconds after which what is left of an interrupted upload is removed."""


class Uploads:
    """The uploaded files, in the order in which they came.

    Args:
        root: folder that holds them all; files elsewhere are never touched.
        most_bytes: their size together, beyond which the oldest are removed.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.root, self.most_bytes = root.resolve(), most_bytes
        self._owners: dict[Path, set[str]] = {}
        self._lock = threading.Lock()

    def add(self, path: str | Path, owner: str) -> None:
        """Notes that a browser has sent a file.

        The same content under the same name is one file on the disk; it then belongs to all who sent it.
        """
        path = Path(path).resolve()
        if not (path.is_relative_to(self.root) and path.is_file()):
            return
        with self._lock:
            owners = self._owners.pop(path, set())
            self._owners[path] = owners | {owner}
            while len(self._owners) > 1 and sum(map(_size, self._owners)) > self.most_bytes:
                self._remove(next(iter(self._owners)))

    def sweep(self, abandoned_s: float = ABANDONED_S) -> None:
        """Removes what interrupted uploads have left: files at the root that became no upload."""
        for path in self.root.iterdir():
            if path.is_file() and time.time() - path.stat().st_mtime > abandoned_s:
                path.unlink(missing_ok=True)

    def belongs_to(self, path: Path, owner: str) -> bool:
        """Whether a browser has uploaded this file; ``path`` is resolved."""
        return owner in self._owners.get(path, ())

    def forget(self, owner: str) -> None:
        """Removes all files that only this browser has sent."""
        with self._lock:
            for path, owners in list(self._owners.items()):
                owners.discard(owner)
                if not owners:
                    self._remove(path)

    def _remove(self, path: Path) -> None:
        del self._owners[path]
        path.unlink(missing_ok=True)
        if path.parent != self.root and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
