"""Learning-rate schedules as pure functions of progress, and the optimisers they drive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch

OPTIMIZERS = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def step_factor(epoch: float, lr_steps: Sequence[float], lr_gamma: float) -> float:
    """``lr_gamma`` to the power of how many of ``lr_steps`` (epochs) have passed."""
    return lr_gamma ** sum(epoch >= milestone for milestone in lr_steps)


def cosine_factor(epoch: float, total_epochs: float) -> float:
    """Half a cosine from 1 at the start to 0 at ``total_epochs``."""
    return 0.5 * (1 + math.cos(math.pi * min(epoch / total_epochs, 1.0)))


def warmup_factor(step: int, warmup_steps: int) -> float:
    """A linear rise from near 0 to 1 over the first ``warmup_steps`` optimiser steps."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


class LearningRate:
    """Sets an optimiser's learning rate from epoch and step; keeps no state of its own.

    Args:
        init_lr: rate at factor 1.
        kind: "step" (the published decay) or "cosine".
        lr_steps: epochs at which "step" decays.
        lr_gamma: factor of each decay.
        total_epochs: where "cosine" reaches 0.
        warmup_steps: length of the linear rise.
    """

    def __init__(
        self,
        init_lr: float,
        *,
        kind: str = "step",
        lr_steps: Sequence[float] = (),
        lr_gamma: float = 0.5,
        total_epochs: float = 1,
        warmup_steps: int = 0,
    ) -> None:
        self.init_lr = init_lr
        self.warmup_steps = warmup_steps
        if kind == "cosine":
            self._decay = lambda epoch: cosine_factor(epoch, total_epochs)
        else:
            # The published schedule changes between epochs, never within one.
            self._decay = lambda epoch: step_factor(math.floor(epoch), lr_steps, lr_gamma)

    def at(self, epoch: float, step: int) -> float:
        """The rate at a fractional epoch and an optimiser step, both from 0."""
        return self.init_lr * self._decay(epoch) * warmup_factor(step, self.warmup_steps)

    def apply(self, optimizer: torch.optim.Optimizer, epoch: float, step: int) -> float:
        """Sets and returns the rate."""
        rate = self.at(epoch, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return rate


def build_optimizer(
    name: str, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Adam (the published choice) or AdamW with decoupled weight decay."""
    # Fused: one pass over all parameters instead of dozens of small operations, the same formula.
    return OPTIMIZERS[name](list(parameters), lr=lr, weight_decay=weight_decay, fused=True)
