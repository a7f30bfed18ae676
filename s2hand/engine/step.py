"""One training step: forward, losses, backward, and at every so many batches the optimiser."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from s2hand.engine.batch_norm import synchronise_batch_norm
from s2hand.engine.distributed import Processes
from s2hand.engine.memory import memory_hint
from s2hand.engine.precision import autocast
from s2hand.losses.objective import Objective
from s2hand.structures import HandBatch

MEMORY_REMEDY = (
    "lower train_batch (accumulate_steps makes up for it), or set precision to bf16 where the device has it"
)


class TrainingLosses(nn.Module):
    """Network and objective as one module, from a batch to its losses.

    Together, because what is shared between processes depends on which parameters reach the *losses*: a part
    of the prediction that no loss reads gives its parameters no gradient, and nobody must wait for it.

    Args:
        model: takes ``(image, K, parts)`` and returns a HandPrediction.
        objective: what to minimise.
        precision: of the network; see :func:`s2hand.engine.precision.autocast`.
    """

    def __init__(self, model: nn.Module, objective: Objective, precision: str) -> None:
        super().__init__()
        self.model, self.objective, self.precision = model, objective, precision

    def forward(self, batch: HandBatch) -> dict[str, Tensor]:
        """The losses of a batch by name, with their weighted sum as "total"."""
        with autocast(self.precision, batch.image.device):
            prediction = self.model(batch.image, batch.K, self.objective.required_parts)
        return self.objective(prediction, batch)


def over_processes(
    losses: TrainingLosses, trained: Iterable[str], device: torch.device, processes: Processes
) -> nn.Module:
    """Makes the gradients those of all processes' batches together.

    Args:
        losses: starts from the main process's weights in all processes.
        trained: the network's children that learn; their batch normalisations become synchronised.
        device: where it computes.
        processes: of the run; with one, nothing changes.
    """
    if processes.size == 1:
        return losses
    for name in trained:
        if (child := getattr(losses.model, name, None)) is not None:
            synchronise_batch_norm(child, device)
    # Some stages leave parameters without a gradient (the shape head under use_mean_shape, say), which must
    # be looked for at each step. PyTorch warns where there are none, as if the search were a mistake.
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    # Synchronised statistics are the same everywhere already.
    return DistributedDataParallel(losses, find_unused_parameters=True, broadcast_buffers=False)


class GradientStep:
    """Accumulates gradients of batches and moves the weights.

    Args:
        losses: from a batch to its losses, see :func:`over_processes`.
        optimizer: over the trained parameters only.
        processes: of the run.
        accumulate: batches whose gradients make one step.
        clip: largest norm of the gradient; None: no limit.
        scaler: of the loss, for float16.
    """

    def __init__(
        self,
        losses: nn.Module,
        optimizer: torch.optim.Optimizer,
        processes: Processes,
        *,
        accumulate: int,
        clip: float | None,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.losses, self.optimizer, self.processes = losses, optimizer, processes
        self.accumulate, self.clip, self.scaler = accumulate, clip, scaler

    def run(self, batch: HandBatch, is_full: bool) -> tuple[dict[str, Tensor], bool]:
        """Computes a batch's losses and, if they are finite, its gradient; then moves the weights.

        Args:
            batch: this process's share.
            is_full: whether to move the weights now, with all gradients since the last time.

        Returns:
            The losses of this share, and whether they are finite in every process. If not, all gradients
            since the last move are dropped, and the weights stay.
        """
        waits = not is_full and isinstance(self.losses, DistributedDataParallel)
        with memory_hint(batch.image, MEMORY_REMEDY), self.losses.no_sync() if waits else nullcontext():
            losses = self.losses(batch)
            if self.processes.largest(int(not losses["total"].isfinite())):
                self.optimizer.zero_grad(set_to_none=True)
                return losses, False
            self.scaler.scale(losses["total"] / self.accumulate).backward()
            if is_full:
                self._move()
        return losses, True

    def _move(self) -> None:
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)


def set_training(model: nn.Module, trained: Collection[str]) -> None:
    """Puts the children that learn into training mode, the others into evaluation mode."""
    for name, child in model.named_children():
        child.train(name in trained)
