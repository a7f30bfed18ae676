"""Runs the rasterizer's kernels one after the other over a batch, with buffers for what lies between."""

from __future__ import annotations

import math
import threading

import torch
import warp as wp

from s2hand.kernels.launch import as_warp, compile_for_cpu, share_batch

PIXELS_AT_A_TIME = 2**20
"""Raster pixels that a thread works on between two launches: some 35 MB of scratch buffers."""

LARGEST_KEPT_BYTES = 2**26
"""Scratch buffers beyond 64 MB are given back after use."""

_kept = threading.local()


class Scratch:
    """Buffers for intermediate results of a few items.

    On the CPU a thread's buffers stay for its next call: fresh memory costs more to map than to fill. On CUDA
    PyTorch's allocator does that by itself.
    """

    def __init__(self, items: int, device: torch.device):
        self.items = items
        self.device = device

    def empty(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, warp_dtype=None):
        """An uninitialised Warp array (items, *shape); ``name`` tells a thread's buffers apart."""
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


def launch_over_batch(plan, batch_size: int, raster_size: int, device: torch.device) -> None:
    """Launches kernels one after the other on every item of a batch.

    On the CPU the batch is split over as many threads as PyTorch uses, and each takes a few items at a time,
    which keeps the scratch buffers in the cache. On CUDA each kernel takes the whole batch, on PyTorch's
    current stream; nothing waits for the device.

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

    share_batch(run, batch_size, torch.get_num_threads())
