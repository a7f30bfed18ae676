"""What a checkpoint of a training holds, and how a training takes it up again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from s2hand.checkpoints.architecture import checked_modules
from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.errors import reason_of
from s2hand.runtime.distributed import Processes
from s2hand.runtime.random_state import random_state, restore_random_state
from s2hand.training.ema import WeightAverage
from s2hand.training.progress import Progress
from s2hand.training.resuming import describe_differences, differing_keys, named, stored_keys


@dataclass
class TrainingState:
    """Everything that training changes.

    Attributes:
        model: the network.
        optimizer: over the trained parameters only.
        scaler: scales the loss for float16.
        average: the moving average of the weights, if there is one.
        progress: where training stands.
        config: the resolved config, which is stored to rebuild the network.
        device: where this process computes.
        processes: the processes of the run.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: WeightAverage | None
    progress: Progress
    config: dict[str, Any]
    device: torch.device
    processes: Processes

    def as_dict(self) -> dict[str, Any]:
        """The content of a checkpoint, complete in the main process; all processes must call it together."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "progress": vars(self.progress).copy(),
            "rng": self.processes.gather(random_state(self.device)),
            "config": json.dumps(self.config),
        }

    def load(self, stored: dict[str, Any], batch_images: int) -> list[str]:
        """Takes up a checkpoint, which any number of processes may have written.

        Args:
            stored: what :meth:`as_dict` returned.
            batch_images: images of a batch, all processes together; 0: unknown.

        Returns:
            Lines that say which config keys differ from the checkpoint's, and what that changes.

        Raises:
            CheckpointError: the checkpoint is of another network or of other trained parts, or it is damaged.
        """
        differences = differing_keys(stored_keys(stored.get("config")), self.config)
        try:
            self._load(stored, differences)
        except CheckpointError:
            raise
        except Exception as error:  # a damaged file fails in as many ways as it has entries
            reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
            raise CheckpointError(
                f"the checkpoint is damaged ({reason}); delete it to go on from an earlier one, or choose "
                "another base_out_path"
            ) from None
        self.progress.place_among(batch_images)
        return describe_differences(differences)

    def _load(self, stored: dict[str, Any], differences: Mapping[str, tuple[Any, Any]]) -> None:
        """Loads each entry of a checkpoint; one that is damaged may raise anything."""
        for entry in ("model", "average"):
            checked_modules(stored.get(entry) or {}, Path(entry))
        try:
            self.model.load_state_dict(stored["model"])
            self._load_optimizer(stored["optimizer"])
        except (RuntimeError, ValueError) as error:
            cause = named(differences) or reason_of(error)
            raise CheckpointError(
                "the checkpoint is of another network, or of other trained parts; keys that differ: "
                f"{cause}. Restore them, or choose another base_out_path"
            ) from None
        if stored["scaler"]:  # empty unless the run was in fp16
            self.scaler.load_state_dict(stored["scaler"])
        if self.average:  # a run that had no average starts one from its weights
            self.average.load_state_dict(stored.get("average") or stored["model"])
        self.progress = Progress.from_stored(stored["progress"])
        restore_random_state(stored["rng"], self.processes.rank, self.device)

    def _load_optimizer(self, stored: dict[str, Any]) -> None:
        """Loads the optimiser's moments; its settings, such as the weight decay, stay those of the config."""
        groups = self.optimizer.param_groups
        settings = [{name: value for name, value in group.items() if name != "params"} for group in groups]
        self.optimizer.load_state_dict(stored)
        for group, values in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(values)

    @contextmanager
    def for_evaluation(self) -> Iterator[None]:
        """A context in which the model is in evaluation mode, with the averaged weights if there are any."""
        self.model.eval()
        if self.average:
            with self.average.applied_to(self.model):
                yield
        else:
            yield
