"""Learning-rate schedules as pure functions of progress, and the optimisers they drive."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from s2hand.config.sections import TrainingSection

LR_FACTOR = "lr_factor"
"""The entry of an optimiser's group of parameters that multiplies the learning rate."""

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
    """Sets an optimiser's learning rate from epoch and step; it has no state of its own.

    Args:
        training: the keys of the schedule: ``init_lr``, ``lr_schedule``, ``lr_steps``, ``lr_gamma``,
            ``total_epochs`` and ``warmup_steps``.
    """

    def __init__(self, training: TrainingSection) -> None:
        self.training = training

    def at(self, epoch: float, step: int) -> float:
        """The rate at a fractional epoch and an optimiser step, both counted from 0."""
        keys = self.training
        if keys.lr_schedule == "cosine":
            decay = cosine_factor(epoch, keys.total_epochs)
        else:  # the published schedule changes between epochs, never within one
            decay = step_factor(math.floor(epoch), keys.lr_steps, keys.lr_gamma)
        return keys.init_lr * decay * warmup_factor(step, keys.warmup_steps)

    def apply(self, optimizer: torch.optim.Optimizer, epoch: float, step: int) -> float:
        """Sets the rate, times a group's factor where it has one, and returns it."""
        rate = self.at(epoch, step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get(LR_FACTOR, 1.0)
        return rate


def build_optimizer(training: TrainingSection, model: nn.Module) -> torch.optim.Optimizer:
    """Adam (the published choice) or AdamW with decoupled weight decay.

    Args:
        training: the keys ``optimizer``, ``init_lr``, ``weight_decay`` and ``backbone_lr_factor``.
        model: the network; its parameters that need a gradient are moved.
    """
    groups = [{"params": [value for value in model.parameters() if value.requires_grad]}]
    encoder = getattr(model, "backbone", None)
    if encoder is not None and training.backbone_lr_factor not in (0, 1):
        own = [value for value in encoder.parameters() if value.requires_grad]
        chosen = set(own)
        groups[0]["params"] = [value for value in groups[0]["params"] if value not in chosen]
        groups.append({"params": own, LR_FACTOR: training.backbone_lr_factor})
    # Fused: one pass over all parameters instead of dozens of small operations, the same formula.
    return OPTIMIZERS[training.optimizer](
        groups, lr=training.init_lr, weight_decay=training.weight_decay, fused=True
    )
