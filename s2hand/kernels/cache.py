"""Whether kernels are compiled already, and where their binaries lie."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

import warp as wp

from s2hand.kernels.launch import start_warp

BLOCK_DIMS = {"cpu": 1, "cuda": 256}
"""Threads a block, which are part of a binary's identity: ours on the CPU, Warp's default on CUDA."""

BINARIES = {"cpu": ("*.o",), "cuda": ("*.ptx", "*.cubin")}


def kernel_cache() -> Path:
    """Warp's folder of compiled kernels."""
    start_warp()
    return Path(wp.config.kernel_cache_dir)


def compiled_kernels(modules: Iterable[str], device_type: str = "cpu") -> dict[str, bool]:
    """Whether each module of kernels, as it stands, has a binary in :func:`kernel_cache`.

    Args:
        modules: of kernels, by their names within s2hand; Warp compiles each as a whole, at first use.
        device_type: "cpu" or "cuda"; of the latter, a binary for any architecture counts.
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
    """The name of a module's folder in the cache, which holds a hash of its source."""
    path = f"s2hand.{name}"
    importlib.import_module(path)
    return wp.get_module(path).get_module_identifier(block_dim=BLOCK_DIMS[device_type])
