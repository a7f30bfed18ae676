"""Reading and writing in threads of their own, while the networks compute.

Decoders, encoders and array operations let other threads run; what is written stays in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_READ = 2
"""Items that are read before they are asked for: photos may be large."""

MOST_WAITING = 16
"""Tasks that wait to be done, each with a photo or a frame; as many hands make a batch by default."""


def read_ahead(
    function: Callable[[Item], Answer], items: Iterable[Item]
) -> Iterator[tuple[Item, Future[Answer]]]:
    """Calls a function with each item, in another thread, a few items ahead.

    Yields:
        Each item with what will hold the function's answer or raise its error.
    """
    with ThreadPoolExecutor(1, "read ahead") as pool:
        begun: deque[tuple[Item, Future[Answer]]] = deque()
        for item in items:
            begun.append((item, pool.submit(function, item)))
            if len(begun) > MOST_READ:
                yield begun.popleft()
        yield from begun


class DoneLater:
    """Does tasks one after the other in another thread; a context manager, which ends when all are done.

    An error of a task is raised by the next call, or at the end; tasks after it are left out.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "done later")
        self._waiting: deque[Future] = deque()

    def __enter__(self) -> DoneLater:
        return self

    def __call__(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Does ``task(*arguments)`` after the tasks before it; waits while too many are waiting."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(task, *arguments))

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
