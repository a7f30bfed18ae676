"""Runs Warp kernels on PyTorch tensors, on the CPU's cores or on PyTorch's CUDA stream."""

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
"""Items of a batch worth waking a thread for, where an item takes some ten microseconds."""


def operator(name: str):
    """Makes a typed function the operator ``s2hand::name``, for CPU and CUDA.

    As torch.library.custom_op does, whose wrapper however loads the whole compiler at the first call (1.5 s).
    """

    def define(function):
        torch.library.define(f"s2hand::{name}", torch.library.infer_schema(function, mutates_args=()))
        torch.library.impl(f"s2hand::{name}", ("cpu", "cuda"), function)
        return getattr(torch.ops.s2hand, name).default

    return define


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPoolExecutor:
    """The threads that share a batch on the CPU; made at first use."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="kernels")


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


def split_batch(batch_size: int, parts: int) -> list[range]:
    """Cuts ``range(batch_size)`` into at most ``parts`` runs of about the same length."""
    parts = max(1, min(parts, batch_size))
    bounds = [batch_size * part // parts for part in range(parts + 1)]
    return [range(first, stop) for first, stop in pairwise(bounds)]


def share_batch(run, batch_size: int, parts: int) -> None:
    """Calls ``run(items)`` with runs of ``range(batch_size)``, each in its own thread.

    Warp runs a launch on the CPU on one core but releases the interpreter's lock.

    Args:
        run: function of a range.
        batch_size: number of items.
        parts: number of threads, this one among them.
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
        kernel: takes the first item's number, then the arguments.
        dimensions: without the batch's.
        arguments: without the leading first item.
        like: a tensor (B, ...) of the batch, on its device.
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
    """The same for a kernel's argument: the bare descriptor, which takes half the time to make."""
    start_warp()
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False, return_ctype=True)
