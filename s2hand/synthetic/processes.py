"""An ordered map over processes of one thread each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import cv2
import torch


@contextmanager
def ordered_map(processes: int) -> Iterator[Callable]:
    """An ordered ``map`` over this many processes, each on one thread."""
    if processes == 1:
        threads = torch.get_num_threads(), cv2.getNumThreads()
        _use_one_thread()
        try:
            yield map
        finally:
            torch.set_num_threads(threads[0])
            cv2.setNumThreads(threads[1])
        return
    # Spawned, not forked: a forked copy of the renderer's runtime and its threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_use_one_thread) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _use_one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
