"""Runs Warp kernels on PyTorch tensors, on the cores of the CPU or on PyTorch's CUDA stream."""

from __future__ import annotations

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

ITEMS_A_THREAD = 64
"""Number of items that justifies a thread, where an item takes about ten microseconds."""


def operator(name: str):
    """Registers a typed function as the operator ``s2hand::name`` for CPU and CUDA.

    torch.library.custom_op does the same, but its first call imports the whole compiler (1.5 s).
    """

    def define(function):
        torch.library.define(f"s2hand::{name}", torch.library.infer_schema(function, mutates_args=()))
        torch.library.impl(f"s2hand::{name}", ("cpu", "cuda"), function)
        return getattr(torch.ops.s2hand, name).default

    return define


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPoolExecutor:
    """The threads that share a batch on the CPU, started at first use."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="kernels")


# A forked process (a worker of a data loader) inherits the pool object without its threads.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


@cache
def start_warp() -> None:
    """Initialises Warp, at first use rather than at import."""
    if torch.cuda.is_available():
        wp.init()
    else:
        with _silent_stderr():
            wp.init()


@contextmanager
def _silent_stderr():
    """Hides the message of Warp's native library that there is no CUDA driver."""
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
    """Compiles the module of a kernel, or loads it from Warp's cache on disk; safe with threads."""
    if kernel in _compiled:
        return
    with _compiling:
        kernel.module.load("cpu", block_dim=1)
        _compiled.add(kernel)


def split_batch(batch_size: int, parts: int) -> list[range]:
    """Splits ``range(batch_size)`` into at most ``parts`` ranges of about the same length."""
    parts = max(1, min(parts, batch_size))
    bounds = [batch_size * part // parts for part in range(parts + 1)]
    return [range(first, stop) for first, stop in pairwise(bounds)]


def share_batch(run, batch_size: int, parts: int) -> None:
    """Calls ``run(items)`` with parts of ``range(batch_size)``, each in its own thread.

    On the CPU a Warp launch uses one core and releases the interpreter lock.

    Args:
        run: function of a range.
        batch_size: number of items.
        parts: number of threads, including this one.
    """
    chunks = split_batch(batch_size, parts)
    others = [thread_pool().submit(run, chunk) for chunk in chunks[1:]]
    run(chunks[0])
    for other in others:
        other.result()


def launch_once(kernel, arguments: list) -> None:
    """Launches one thread of a kernel on the CPU."""
    compile_for_cpu(kernel)
    wp.launch(kernel, 1, arguments, device="cpu")


def launch_over_items(kernel, dimensions: tuple[int, ...], arguments: list, like: Tensor) -> None:
    """Launches a kernel on every item of a batch; on CUDA nothing waits for the device.

    Args:
        kernel: takes the number of the first item, then the arguments.
        dimensions: without the batch dimension.
        arguments: without the leading first item.
        like: any tensor (B, ...) of the batch, for its size and device.
    """
    batch_size, device = len(like), like.device
    if batch_size == 0:
        return
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        wp.launch(kernel, (batch_size, *dimensions), [0, *arguments], stream=stream)
        return
    compile_for_cpu(kernel)

    def run(items: range) -> None:
        wp.launch(kernel, (len(items), *dimensions), [items.start, *arguments], device="cpu")

    share_batch(run, batch_size, min(torch.get_num_threads(), batch_size // ITEMS_A_THREAD))


def as_warp(tensor: Tensor, dtype=None):
    """Views a tensor as a Warp array, for a struct; ``wp.vec3`` takes the last dimension as the vector."""
    start_warp()
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False)


def as_argument(tensor: Tensor, dtype=None):
    """The same for an argument of a kernel, as a bare descriptor, which takes half the time."""
    start_warp()
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False, return_ctype=True)
