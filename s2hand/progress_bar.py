"""Progress bars: a moving bar on a terminal, and a line a minute in a log."""

from __future__ import annotations

import sys
import threading
import time

from tqdm import tqdm

LOG_INTERVAL_S = 60.0
"""Seconds between lines where the output is not a terminal but a file or a pipe."""


class ProgressBar(tqdm):
    """A tqdm bar that writes whole lines where the output is not a terminal, one a minute for all bars.

    Args: those of tqdm.
    """

    _last_line_s = time.monotonic()

    # tqdm's own lock is also a semaphore shared by forked processes: one killed while it draws would leave it
    # locked for all that follow. Only one process of a run draws.
    _lock = threading.RLock()

    def __init__(self, *args, **kwargs) -> None:
        self.in_log = not getattr(kwargs.get("file") or sys.stderr, "isatty", lambda: False)()
        if self.in_log:
            kwargs |= {"leave": False, "dynamic_ncols": False, "ncols": 100}
        super().__init__(*args, **kwargs)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        """Draws the bar; in a log, writes a line if a minute has passed since the last one."""
        if not self.in_log:
            return super().display(msg, pos)
        now = time.monotonic()
        if msg is None and self.n and now - ProgressBar._last_line_s >= LOG_INTERVAL_S:
            ProgressBar._last_line_s = now
            self.fp.write(f"{self}\n")
            self.fp.flush()
        return None
