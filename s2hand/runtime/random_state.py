"""The random state of each process of a run, as checkpoints keep it.

Samples and their order depend on seed, epoch and number alone (:mod:`s2hand.datasets`); what is kept here is
PyTorch's own state, which networks with dropout draw from.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_state(device: torch.device) -> dict[str, Tensor]:
    """This process's state."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(
    states: list[dict[str, Tensor]] | dict[str, Tensor], rank: int, device: torch.device
) -> None:
    """Takes up this process's state; a process that was not there then keeps the one it started with.

    Args:
        states: of each process that wrote the checkpoint; or of one alone, as older checkpoints have it.
        rank: this process's number.
        device: where it computes.
    """
    states = [states] if isinstance(states, dict) else states
    if rank >= len(states):
        return
    torch.set_rng_state(states[rank]["cpu"])
    if device.type == "cuda" and "cuda" in states[rank]:
        torch.cuda.set_rng_state(states[rank]["cuda"], device)
