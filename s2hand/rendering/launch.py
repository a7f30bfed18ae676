"""Runs Warp kernels over a batch of PyTorch tensors, on the CPU's cores or on PyTorch's CUDA stream."""

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import pairwise

import torch
import warp as wp
from torch import Tensor

wp.config.log_level = wp.LOG_WARNING  # no banner, no line per module that is loaded

PIXELS_AT_A_TIME = 2**20
"""Raster pixels that a thread works on between two launches: some 35 MB of scratch buffers."""

LARGEST_KEPT_BYTES = 2**26
"""Scratch buffers beyond 64 MB are given back after use."""

_kept = threading.local()


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPoolExecutor:
    """The threads that share a batch on the CPU; made at first use."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="rasterizer")


# A forked process (a data loader's worker) has the pool's object but none of its threads.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


@cache
def start_warp() -> None:
    """Finds the devices; at first use, so that importing the package costs nothing."""
    if torch.cuda.is_available():
        wp.init()
    else:
        with _silent_stderr():
            wp.init()


@contextmanager
def _silent_stderr():
    """Warp's library itself writes to stderr that there is no CUDA driver: no news without a GPU."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(null)
        os.close(kept)


_compiled = set()
_compiling = threading.Lock()


def compile_for_cpu(kernel) -> None:
    """Compiles a kernel's module, or loads it from Warp's cache on disk; threads do not race for it."""
    if kernel in _compiled:
        return
    with _compiling:
        kernel.module.load("cpu", block_dim=1)
        _compiled.add(kernel)


class Scratch:
    """Buffers for intermediate results of a few items.

    On the CPU a thread's buffers stay for its next call: fresh memory costs more to map than to fill. On CUDA
    PyTorch's allocator does that by itself.
    """

    def __init__(self, items: int, device: torch.device):
        self.items = items
        self.device = device

    def empty(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, warp_dtype=None):
        """A Warp array (items, *shape) of anything; ``name`` tells a thread's buffers apart."""
        shape = (self.items, *shape)
        size = math.prod(shape)
        if self.device.type == "cuda" or size * dtype.itemsize > LARGEST_KEPT_BYTES:
            return as_warp(torch.empty(shape, dtype=dtype, device=self.device), warp_dtype)
        buffer, kept_shape, array = _kept.__dict__.get(name, (None, None, None))
        if kept_shape != shape:
            if buffer is None or buffer.numel() < size:
                buffer = torch.empty(size, dtype=dtype)
            array = as_warp(buffer[:size].view(shape), warp_dtype)
            _kept.__dict__[name] = buffer, shape, array
        return array


def split_batch(batch_size: int, parts: int) -> list[range]:
    """Cuts ``range(batch_size)`` into at most ``parts`` runs of about the same length."""
    parts = max(1, min(parts, batch_size))
    bounds = [batch_size * part // parts for part in range(parts + 1)]
    return [range(first, stop) for first, stop in pairwise(bounds)]


def launch_once(kernel, arguments: list) -> None:
    """Launches one thread of a kernel on the CPU."""
    compile_for_cpu(kernel)
    wp.launch(kernel, 1, arguments, device="cpu")


def launch_over_batch(plan, batch_size: int, raster_size: int, device: torch.device) -> None:
    """Launches kernels one after the other on every item of a batch.

    Warp runs a launch on the CPU on one core but releases the interpreter's lock, so there the batch is
    split over as many threads as PyTorch uses, and each takes a few items at a time, which keeps the scratch
    buffers in the cache. On CUDA each kernel takes the whole batch, on PyTorch's current stream; nothing
    waits for the device.

    Args:
        plan: function of a :class:`Scratch` that returns a list of passes: (kernel, dimensions without the
            batch's, arguments without the leading first item).
        batch_size: number of items.
        raster_size: R, the raster's side in pixels.
        device: of every tensor among the arguments.
    """
    if batch_size == 0:
        return
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        for kernel, dimensions, arguments in plan(Scratch(batch_size, device)):
            wp.launch(kernel, (batch_size, *dimensions), [0, *arguments], stream=stream)
        return
    step = max(1, PIXELS_AT_A_TIME // raster_size**2)

    def run(items: range) -> None:
        passes = plan(Scratch(min(step, len(items)), device))
        for first in items[::step]:
            count = min(step, items.stop - first)
            for kernel, dimensions, arguments in passes:
                compile_for_cpu(kernel)
                wp.launch(kernel, (count, *dimensions), [first, *arguments], device="cpu")

    chunks = split_batch(batch_size, torch.get_num_threads())
    others = [thread_pool().submit(run, chunk) for chunk in chunks[1:]]
    run(chunks[0])
    for other in others:
        other.result()


def as_warp(tensor: Tensor, dtype=None):
    """Views a tensor as a Warp array, for a struct; ``wp.vec3`` takes the last dimension as the vector."""
    start_warp()
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False)


def as_argument(tensor: Tensor, dtype=None):
    """The same for a kernel's argument: the bare descriptor, which takes half the time to make."""
    start_warp()
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False, return_ctype=True)
