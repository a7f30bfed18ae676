"""Losses: pure functions of tensors, and the objective that sums them with their weights."""

from s2hand.config.loss_table import DEFAULT_WEIGHTS
from s2hand.losses.objective import Objective, check_loss_names, find_non_finite

__all__ = ["DEFAULT_WEIGHTS", "Objective", "check_loss_names", "find_non_finite"]
