"""Tensors that a run's folder keeps for a continued run, with what they depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from s2hand.files import written_whole


def read_cache(path: Path, depends_on: str) -> dict[str, Tensor] | None:
    """The tensors of a file by name; None if it is missing, damaged, or depends on something else."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("depends_on") == depends_on:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return tensors if metadata.get("sha256") == checksum(tensors) else None
    except (OSError, SafetensorError):
        pass  # made anew
    return None


def write_cache(path: Path, tensors: Mapping[str, Tensor], depends_on: str) -> None:
    """Writes tensors for :func:`read_cache`, whole or not at all; makes the folder."""
    metadata = {"depends_on": depends_on, "sha256": checksum(tensors)}
    with written_whole(path, durable=True) as partial:
        partial.write_bytes(save(dict(tensors), metadata=metadata))


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and values of tensors on any device."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
