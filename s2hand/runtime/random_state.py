"""The random state of each process of a run, as stored in checkpoints.

Samples and their order depend only on seed, epoch and sample number (:mod:`s2hand.datasets`); this is
PyTorch's own state, which networks with dropout use.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The random state of this process."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(
    states: list[dict[str, Tensor]] | dict[str, Tensor], rank: int, device: torch.device
) -> None:
    """Restores this process's state; a process without a stored state keeps its own.

    Args:
        states: the state of each process that wrote the checkpoint, or of one process in older checkpoints.
        rank: this process's number.
        device: where this process computes.
    """
    states = [states] if isinstance(states, dict) else states
    if rank >= len(states):
        return
    torch.set_rng_state(states[rank]["cpu"])
    if device.type == "cuda" and "cuda" in states[rank]:
        torch.cuda.set_rng_state(states[rank]["cuda"], device)
