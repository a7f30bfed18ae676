"""Turns Ctrl-C and SIGTERM into a request that the training loop answers between steps."""

from __future__ import annotations

import signal
import threading


class TrainingInterrupted(KeyboardInterrupt):
    """Training stopped early on request, after its state was saved.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, as shells report them.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StopRequest:
    """A context in which the first SIGINT or SIGTERM is stored instead of raised; the second acts as usual.

    Outside the main thread, where Python cannot set handlers, nothing changes.

    Args:
        launched: whether torchrun started the process. It forwards signals that the process may have received
            already, and kills processes that take too long: after the first signal all others are ignored.
    """

    def __init__(self, launched: bool = False) -> None:
        self.signal: int | None = None
        self._launched = launched
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._restore()

    def _note(self, number: int, frame: object) -> None:
        self.signal = number
        if self._launched:
            for other in self._previous:
                signal.signal(other, signal.SIG_IGN)
            self._previous.clear()
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
