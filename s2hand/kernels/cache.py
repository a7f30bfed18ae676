"""Compiled kernels: whether they exist, and where."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

import warp as wp

from s2hand.kernels.launch import start_warp

BLOCK_DIMS = {"cpu": 1, "cuda": 256}
"""Threads per block, a part of the identity of a binary: ours on the CPU, Warp's default on CUDA."""

BINARIES = {"cpu": ("*.o",), "cuda": ("*.ptx", "*.cubin")}


def kernel_cache() -> Path:
    """Warp's folder of compiled kernels."""
    start_warp()
    return Path(wp.config.kernel_cache_dir)


def compiled_kernels(modules: Iterable[str], device_type: str = "cpu") -> dict[str, bool]:
    """Whether :func:`kernel_cache` contains a binary of the present source of each kernel module.

    Args:
        modules: names of modules within s2hand; Warp compiles each one as a whole at first use.
        device_type: "cpu" or "cuda", for which a binary of any architecture counts.
    """
    folder = kernel_cache()
    return {
        name: any(
            found
            for pattern in BINARIES[device_type]
            for found in (folder / _identifier(name, device_type)).glob(pattern)
        )
        for name in modules
    }


def _identifier(name: str, device_type: str) -> str:
    """Name of the folder of a module in the cache; it contains a hash of the source."""
    path = f"s2hand.{name}"
    importlib.import_module(path)
    return wp.get_module(path).get_module_identifier(block_dim=BLOCK_DIMS[device_type])
