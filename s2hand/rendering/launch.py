"""Runs Warp kernels over a batch of PyTorch tensors, on the CPU's cores or on PyTorch's CUDA stream."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise

import torch
import warp as wp
from torch import Tensor

wp.config.log_level = wp.LOG_WARNING  # no banner, no line per module that is loaded


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPoolExecutor:
    """The threads that share a batch on the CPU; made at first use."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="rasterizer")


# A forked process (a data loader's worker) has the pool's object but none of its threads.
os.register_at_fork(after_in_child=thread_pool.cache_clear)


@cache
def start_warp() -> None:
    """Finds the devices; at first use, so that importing the package costs nothing."""
    wp.init()


@cache
def compile_for_cpu(kernel) -> None:
    """Compiles a kernel's module, or loads it from Warp's cache on disk, before threads could race for it."""
    kernel.module.load("cpu", block_dim=1)


def split_batch(batch_size: int, parts: int) -> list[tuple[int, int]]:
    """Cuts ``range(batch_size)`` into at most ``parts`` runs: pairs (first item, number of items)."""
    parts = max(1, min(parts, batch_size))
    bounds = [batch_size * part // parts for part in range(parts + 1)]
    return [(first, last - first) for first, last in pairwise(bounds)]


def launch_over_batch(passes, batch_size: int, device: torch.device) -> None:
    """Launches kernels one after the other on every item of a batch.

    Warp runs a launch on the CPU on one core but releases the interpreter's lock, so there the batch is
    split over as many threads as PyTorch uses. On CUDA each kernel takes the whole batch, on PyTorch's
    current stream; nothing waits for the device.

    Args:
        passes: list of (kernel, dimensions without the batch's, arguments without the leading first item).
        batch_size: number of items.
        device: of every tensor among the arguments.
    """
    if batch_size == 0:
        return
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        for kernel, dimensions, arguments in passes:
            wp.launch(kernel, (batch_size, *dimensions), [0, *arguments], stream=stream)
        return

    def run(chunk: tuple[int, int]) -> None:
        first, count = chunk
        for kernel, dimensions, arguments in passes:
            wp.launch(kernel, (count, *dimensions), [first, *arguments], device="cpu")

    for kernel, _, _ in passes:
        compile_for_cpu(kernel)
    chunks = split_batch(batch_size, torch.get_num_threads())
    others = [thread_pool().submit(run, chunk) for chunk in chunks[1:]]
    run(chunks[0])
    for other in others:
        other.result()


def as_warp(tensor: Tensor, dtype=None):
    """Views a contiguous tensor as a Warp array; ``wp.vec3`` takes the last dimension as the vector."""
    start_warp()
    return wp.from_torch(tensor.detach(), dtype=dtype)
