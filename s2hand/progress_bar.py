"""Progress bars: a moving bar on a terminal, and lines in a log, soon at first, then one a minute."""

from __future__ import annotations

import sys
import threading
import time

from tqdm import tqdm

LOG_INTERVAL_S = 60.0
"""Seconds between lines where the output is not a terminal but a file or a pipe."""

FIRST_INTERVAL_S = 5.0
"""Seconds before the first line; each interval is twice the last one, until they are LOG_INTERVAL_S."""


class ProgressBar(tqdm):
    """A tqdm bar that writes whole lines where the output is not a terminal.

    The intervals between lines are those of all bars of a process together.

    Args: those of tqdm.
    """

    _last_line_s = time.monotonic()
    _interval_s = FIRST_INTERVAL_S

    # tqdm's own lock is also a semaphore shared by forked processes: one killed while it draws would leave it
    # locked for all that follow. Only one process of a run draws.
    _lock = threading.RLock()

    def __init__(self, *args, **kwargs) -> None:
        self.in_log = not getattr(kwargs.get("file") or sys.stderr, "isatty", lambda: False)()
        if self.in_log:
            kwargs |= {"leave": False, "dynamic_ncols": False, "ncols": 100}
        super().__init__(*args, **kwargs)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        """Draws the bar; in a log, writes a line if enough time has passed since the last one."""
        if not self.in_log:
            return super().display(msg, pos)
        now = time.monotonic()
        if msg is None and self.n and now - ProgressBar._last_line_s >= ProgressBar._interval_s:
            ProgressBar._last_line_s = now
            ProgressBar._interval_s = min(2 * ProgressBar._interval_s, LOG_INTERVAL_S)
            self.fp.write(f"{self}\n")
            self.fp.flush()
        return None
