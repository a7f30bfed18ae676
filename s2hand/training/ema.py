"""A moving average of the weights, often better than the weights themselves late in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a model's floating-point state, batch statistics included.

    Args:
        model: its present state starts the average.
        decay: share of the old average that stays at each step; smaller during the first steps,
            (1 + step) / (10 + step), so that the random start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards the model's present state."""
        decay = min(self.decay, (1 + step) / (10 + step))
        present = model.state_dict()
        floating = [name for name, value in present.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.state[name] for name in floating], [present[name] for name in floating], 1 - decay
        )
        for name in present.keys() - floating:
            self.state[name].copy_(present[name])

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Within this context the model holds the average; afterwards its own weights again."""
        own = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.state)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """For checkpoints."""
        return self.state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """From checkpoints."""
        for name, value in state.items():
            self.state[name].copy_(value)
