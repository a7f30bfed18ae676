"""The open pages of the app: what each works on, and its folder, which goes when the page is closed."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2hand.app.limits import Limits

FOLDER_MARK = "page-"
"""Start of the names of pages' folders."""

KEPT_PICTURES = 3
"""Renderings of a page that stay on the disk; the browser shows the last one."""


@dataclass
class Session:
    """One open page.

    Attributes:
        owner: the browser's secret.
        folder: its files; nobody else gets them.
        used: when it was last heard of, seconds of a monotonic clock.
        work: the photo at hand, see :class:`s2hand.app.work.PhotoWork`.
        stream: the webcam's hands, see :class:`s2hand.app.webcam.WebcamWork`.
        textures: (F, 3) textures before tanh that can be put on any hand, by what the page calls them.
    """

    owner: str
    folder: Path
    used: float
    work: Any = None
    stream: Any = None
    textures: dict[str, Any] = field(default_factory=dict)
    _pictures: list[Path] = field(default_factory=list)

    @contextmanager
    def place_for(self, kind: str) -> Iterator[Path]:
        """A fresh folder inside of the page's own.

        It replaces the one of the same kind before it if the context ends without an error; else that one
        stays and this one goes.
        """
        parent = self.folder / kind
        folder = parent / secrets.token_hex(4)
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for other in parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def next_picture(self, ending: str) -> Path:
        """Where to write the next rendering, under a new name, so that browsers load it; old ones go."""
        path = self.folder / f"picture-{secrets.token_hex(8)}{ending}"
        self._pictures.append(path)
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.pop(0).unlink(missing_ok=True)
        return path


class Sessions:
    """All open pages, by the name that Gradio gives each.

    Args:
        root: where their folders are made.
        limits: how many there may be, and for how long they may be silent.
        left: called with the owner when a browser's last page is gone.
        clock: seconds.
    """

    def __init__(
        self,
        root: Path,
        limits: Limits,
        left: Callable[[str], None] = lambda owner: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root, self.limits, self.left, self.clock = root.resolve(), limits, left, clock
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def claim(self, name: str, owner: str) -> bool:
        """Opens a page for a browser, or finds it open.

        Returns:
            Whether the page is this browser's; another one's stays closed to it.
        """
        with self._lock:
            session = self._open.get(name)
            if session is None:
                self._make_room()
                folder = self.root / f"{FOLDER_MARK}{secrets.token_hex(16)}"
                folder.mkdir(parents=True)
                session = self._open[name] = Session(owner, folder, self.clock())
            if session.owner != owner:
                return False
            session.used = self.clock()
            return True

    def get(self, name: str) -> Session | None:
        """An open page."""
        return self._open.get(name)

    def belongs_to(self, path: Path, owner: str) -> bool:
        """Whether a file lies in the folder of one of a browser's pages; ``path`` is resolved."""
        return any(
            session.owner == owner and path.is_relative_to(session.folder)
            for session in list(self._open.values())
        )

    def close(self, name: str) -> None:
        """Forgets a page and removes its folder."""
        with self._lock:
            self._close(name)

    def _make_room(self) -> None:
        """Forgets pages that have been silent for too long, and the most silent one if there are too many."""
        now = self.clock()
        for name in [name for name, page in self._open.items() if now - page.used > self.limits.idle_s]:
            self._close(name)
        while len(self._open) >= self.limits.sessions:
            self._close(min(self._open, key=lambda name: self._open[name].used))

    def _close(self, name: str) -> None:
        session = self._open.pop(name, None)
        if session is None:
            return
        shutil.rmtree(session.folder, ignore_errors=True)
        if all(other.owner != session.owner for other in self._open.values()):
            self.left(session.owner)
