"""Running out of memory, reported with the numbers that matter and the keys that help."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from s2hand.errors import S2HandError

CPU_ALLOCATION_FAILED = "can't allocate memory"
"""PyTorch's message when the system refuses memory; the error is a plain RuntimeError."""


class OutOfMemoryError(S2HandError):
    """A batch does not fit the device's memory."""


@contextmanager
def memory_hint(extent: str, device: torch.device, remedy: str) -> Iterator[None]:
    """A context in which running out of memory becomes an error of one line.

    Args:
        extent: number and size of what is computed at once.
        device: where it is computed.
        remedy: what the user can change.

    Raises:
        OutOfMemoryError: with the extent, the device's memory and the remedy.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"out of memory on {device} with {extent} at once: {memory_in_use(device)}; {remedy}"
        ) from None


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or CPU_ALLOCATION_FAILED in str(error)


def memory_in_use(device: torch.device) -> str:
    """The share of a device's memory that is in use by all processes, as words for a message."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        own = torch.cuda.max_memory_allocated(device)
        return f"{_gib(total - free)} of {_gib(total)} in use, of which this process took up to {_gib(own)}"
    try:
        page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):  # this system does not have these names
        return "its memory cannot be measured here"
    return f"{_gib((total - free) * page)} of {_gib(total * page)} in use"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
