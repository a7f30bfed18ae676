"""Tensors that a run's folder keeps for a continued run, with what they depend on."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from s2hand.files import written_whole


def read_cache(path: Path, depends_on: str) -> dict[str, Tensor] | None:
    """The tensors of a file by name; None if it is missing, damaged, or depends on something else."""
    try:
        with safe_open(path, "pt") as file:
            if file.metadata() == {"depends_on": depends_on}:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        pass  # made anew
    return None


def write_cache(path: Path, tensors: dict[str, Tensor], depends_on: str) -> None:
    """Writes tensors for :func:`read_cache`, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        partial.write_bytes(save(tensors, metadata={"depends_on": depends_on}))
