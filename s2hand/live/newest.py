"""The newest value of a stream, for readers in other threads: whoever is slow misses what lies between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

LONGEST_WAIT_S = 0.5
"""Waiting is interrupted this often, as Ctrl-C does not reach a thread that waits on every system."""


class Newest(Generic[T]):
    """Holds the last value that was put; any number of threads iterate over it.

    An iterator yields the newest value that it has not yielded before, waits for the next one, and ends with
    the stream.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._number, self._value = 0, None
        self._ended, self._error = False, None

    def put(self, value: T) -> None:
        """Replaces the value."""
        with self._condition:
            self._number, self._value = self._number + 1, value
            self._condition.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """Ends the stream.

        Args:
            error: what all iterators raise; None: they just end.
        """
        with self._condition:
            self._ended, self._error = True, error
            self._condition.notify_all()

    def __iter__(self) -> Iterator[T]:
        seen = 0
        while True:
            with self._condition:
                while self._number == seen and not self._ended:
                    self._condition.wait(LONGEST_WAIT_S)
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return
                seen, value = self._number, self._value
            yield value
