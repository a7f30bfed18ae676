"""Losses: pure functions of tensors, their names and weights, and the objective that sums them."""

from s2hand.losses.objective import Objective, check_loss_names, find_non_finite
from s2hand.losses.registry import DEFAULT_WEIGHTS, LOSSES, LossSpec

__all__ = ["DEFAULT_WEIGHTS", "LOSSES", "LossSpec", "Objective", "check_loss_names", "find_non_finite"]
