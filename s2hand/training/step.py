"""One training step: forward, losses, backward and, after ``accumulate_steps`` batches, the optimiser."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from s2hand.config.sections import TrainingSection
from s2hand.losses.objective import Objective
from s2hand.models import detections_for
from s2hand.runtime.batch_norm import synchronise_batch_norm
from s2hand.runtime.distributed import Processes
from s2hand.runtime.memory import memory_hint
from s2hand.runtime.precision import autocast
from s2hand.structures import HandBatch
from s2hand.training.feature_cache import FeatureCache

MEMORY_REMEDY = (
    "lower train_batch (accumulate_steps makes up for it), or set precision to bf16 where the device has it"
)


class TrainingLosses(nn.Module):
    """Network and objective as one module, from a batch to its losses.

    They form one module because the processes share the gradients of those parameters that reach the
    *losses*: a part of the prediction that no loss reads gives its parameters no gradient to wait for.

    Args:
        model: takes ``(image, K, parts)`` and returns a HandPrediction.
        objective: what to minimise.
        precision: the network's arithmetic; see :func:`s2hand.runtime.precision.autocast`.
        features: remembers what the backbone makes of each image; None: it looks at each image anew.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        precision: str,
        features: FeatureCache | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.model, self.objective, self.precision = model, objective, precision

    def forward(self, batch: HandBatch) -> dict[str, Tensor]:
        """The losses of a batch by name, with their weighted sum as "total"."""
        with autocast(self.precision, batch.image.device):
            encoded = {} if self.features is None else {"encoded": self.features(batch)}
            known = encoded | detections_for(self.model, batch)
            prediction = self.model(batch.image, batch.K, self.objective.required_parts, **known)
        return self.objective(prediction, batch)


def over_processes(
    losses: TrainingLosses, trained: Collection[str], batch: HandBatch
) -> DistributedDataParallel:
    """Shares gradients between processes, as of one large batch; all processes must call it together.

    Batch normalisations that learn become synchronised. Parameters that the losses do not reach (the shape
    head under ``use_mean_shape``, for example) are frozen: every process would wait for their gradients.

    Args:
        losses: starts from the main process's weights in all processes.
        trained: the network's children that learn.
        batch: any samples, on the device that computes.
    """
    model = losses.model
    model.eval()  # leaves batch statistics and the random state unchanged
    reached = _parameters_behind(losses(_first(batch))["total"])
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.requires_grad and parameter in reached)
    for name in trained:
        synchronise_batch_norm(getattr(model, name), batch.image.device)
    set_training(model, trained)
    with warnings.catch_warnings():
        # Synchronised statistics need no broadcast. Later PyTorch has another name for the argument.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(losses, broadcast_buffers=False)


def _first(batch: HandBatch) -> HandBatch:
    """The first sample."""
    return replace(batch, **{name: value[:1] for name, value in vars(batch).items() if value is not None})


def _parameters_behind(value: Tensor) -> set[nn.Parameter]:
    """The parameters that a value is computed from."""
    found, seen, waiting = set(), set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(node.variable)
        waiting.extend(following for following, _ in node.next_functions)
    return found


class GradientStep:
    """Accumulates the gradients of batches and moves the weights.

    Args:
        losses: from a batch to its losses.
        trained: the network's children that learn.
        optimizer: over the trained parameters only.
        processes: the processes of the run.
        training: the keys ``accumulate_steps`` and ``gradient_clip``.
        scaler: scales the loss for float16.
    """

    def __init__(
        self,
        losses: TrainingLosses,
        trained: Collection[str],
        optimizer: torch.optim.Optimizer,
        processes: Processes,
        training: TrainingSection,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.losses, self.trained = losses, trained
        self.optimizer, self.processes = optimizer, processes
        self.training, self.scaler = training, scaler
        self._shared: DistributedDataParallel | None = None

    def run(self, batch: HandBatch, is_full: bool) -> tuple[dict[str, Tensor], bool]:
        """Computes a batch's losses and their gradient; moves the weights, if both are finite.

        Args:
            batch: this process's share.
            is_full: whether to move the weights now, along all gradients since the last move.

        Returns:
            The losses of this share, and whether they and the gradient are finite in every process. If not,
            all gradients since the last move are dropped, and the weights stay.
        """
        if self.processes.size > 1 and self._shared is None:
            self._shared = over_processes(self.losses, self.trained, batch)
        alone = self._shared is None or is_full
        hint = memory_hint(batch.extent, batch.device, MEMORY_REMEDY)
        with hint, nullcontext() if alone else self._shared.no_sync():
            losses = (self._shared or self.losses)(batch)
            self.scaler.scale(losses["total"] / self.training.accumulate_steps).backward()
            finite = not self.processes.largest(int(not self._is_finite(losses["total"], is_full)))
            if finite and is_full:
                self._move()
        if is_full or not finite:
            self.optimizer.zero_grad(set_to_none=True)
        return losses, finite

    def _is_finite(self, total: Tensor, is_full: bool) -> bool:
        """Whether the loss and the gradient that will move the weights are finite; waits for the device once.

        A finite loss may have a gradient that is not finite. In float16 the scaler deals with gradients: it
        leaves out steps until its scale fits.
        """
        finite = total.isfinite()
        if is_full and not self.scaler.is_enabled():
            gradients = [p.grad for p in self._parameters() if p.grad is not None]
            finite = finite & torch.stack(torch._foreach_norm(gradients)).isfinite().all()
        return bool(finite)

    def _move(self) -> None:
        if clip := self.training.gradient_clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self._parameters(), clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def set_training(model: nn.Module, trained: Collection[str]) -> None:
    """Puts the children that learn into training mode, the others into evaluation mode."""
    for name, child in model.named_children():
        child.train(name in trained)
