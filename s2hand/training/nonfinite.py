"""Losses and gradients that are NaN or infinite: names them and their samples, and saves the batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from s2hand.checkpoints.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from s2hand.errors import S2HandError
from s2hand.losses.objective import find_non_finite
from s2hand.runtime.distributed import Processes
from s2hand.structures import HandBatch
from s2hand.training.progress import Progress
from s2hand.training.resuming import stored_keys

FILE_NAME = "nonfinite_batch.pt"
"""The saved batch in the run's folder."""

KINDS = {
    **{"batch": dict, "files": list, "losses": dict, "model": dict, "trained": list, "config": str},
    **{"epoch": int, "number": int},
}
"""Entries of that file, and their types."""

FILES_NAMED = 8
"""Number of files that a message names; the saved batch lists all of them."""

REMEDY = 'lower init_lr, set gradient_clip, or set nonfinite to "skip"'


class NonFiniteLossError(S2HandError):
    """A loss or its gradient became NaN or infinite."""


@dataclass(frozen=True)
class SavedBatch:
    """A batch with a loss or gradient that was not finite, and the weights at that moment.

    Attributes:
        batch: the samples, of all processes.
        files: the samples' image files, in the batch's order.
        losses: loss name -> value, the mean over the processes.
        model: the network's state.
        trained: the network's children that were learning.
        config: the resolved config, under the present names of its keys.
        epoch: the epoch's number, from 1.
        number: the batch's number within the epoch, from 1.
    """

    batch: HandBatch
    files: list[str]
    losses: dict[str, float]
    model: dict[str, Tensor]
    trained: frozenset[str]
    config: dict[str, Any]
    epoch: int
    number: int


def describe_non_finite(
    losses: dict[str, Tensor],
    batch: HandBatch,
    *,
    model: nn.Module,
    trained: Collection[str],
    progress: Progress,
    config: dict[str, Any],
    file_of: Callable[[int], Path | str],
    path: Path | None,
    processes: Processes,
) -> str:
    """Saves the batch of all processes and describes what happened; all processes must call it together.

    Args:
        losses: the losses of this process's share.
        batch: this process's share.
        model: the network as it was for this batch.
        trained: the network's children that learn.
        progress: where training stands.
        config: the resolved config.
        file_of: sample number -> image file.
        path: where to save; None does not save.
        processes: the processes of the run.

    Returns:
        The message, the same in all processes.
    """
    shares = processes.gather((batch.to("cpu"), find_non_finite(losses)))
    means = {name: float(processes.mean(value.detach())) for name, value in losses.items()}
    if not processes.is_main:
        return processes.share("")
    whole = _joined([share for share, _ in shares])
    names = dict.fromkeys(name for _, found in shares for name in found)
    files = [str(file_of(index)) for index in whole.index.tolist()]
    what = f"loss {', '.join(names)}" if names else "the losses' gradient"
    where = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
    message = f"{what} is not finite in {where}{_causes(whole, files)}; samples: {_some(files)}"
    if path is not None:
        state = {
            **{"batch": _tensors(whole), "files": files, "losses": means, "model": model.state_dict()},
            **{"trained": sorted(trained), "config": json.dumps(config)},
            **{"epoch": progress.epoch + 1, "number": progress.batch + 1},
        }
        try:
            write_checkpoint(path, state)
            message += f"; saved with the weights as {path}"
        except CheckpointError as error:
            message += f"; not saved: {error}"
    return processes.share(f"{message}; {REMEDY}")


def lasting_damage(model: nn.Module) -> str:
    """Describes damage that a batch did to the network, as the end of a message; "" if there is none.

    A batch with a loss that is not finite never moves the weights, but batch normalisation has updated its
    running statistics before the loss is known.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            return f"; it cannot be skipped: {name} is not finite any more, as it still is in the checkpoints"
    return ""


def read_saved_batch(path: Path | str) -> SavedBatch:
    """Reads the batch that a run saved when a loss was not finite.

    Args:
        path: the file, or the run's folder.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    path = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    state = read_checkpoint(path)
    if "batch" not in state:
        raise CheckpointError(f"{path}: holds no batch; expected a run's {FILE_NAME}")
    if damaged := [entry for entry, kind in KINDS.items() if type(state.get(entry)) is not kind]:
        expected, found = KINDS[damaged[0]].__name__, type(state.get(damaged[0])).__name__
        raise CheckpointError(f"{path}: damaged, its {damaged[0]} is of type {found}, expected {expected}")
    known = {entry.name: entry.default for entry in fields(HandBatch)}
    missing = {name for name, default in known.items() if default is MISSING} - state["batch"].keys()
    tensors = all(isinstance(value, Tensor) for value in state["batch"].values())
    if missing or state["batch"].keys() - known or not tensors:
        raise CheckpointError(f"{path}: damaged, its batch is not one of images")
    return SavedBatch(
        batch=HandBatch(**state["batch"]),
        files=state["files"],
        losses=state["losses"],
        model=state["model"],
        trained=frozenset(state["trained"]),
        config={key: value for key, value in stored_keys(state["config"]).items() if value is not None},
        epoch=state["epoch"],
        number=state["number"],
    )


def _tensors(batch: HandBatch) -> dict[str, Tensor]:
    """The fields that are not None."""
    return {name: value for name, value in vars(batch).items() if value is not None}


def _joined(shares: list[HandBatch]) -> HandBatch:
    """The shares of several processes as one batch."""
    return HandBatch(**{name: torch.cat([getattr(s, name) for s in shares]) for name in _tensors(shares[0])})


def _causes(batch: HandBatch, files: list[str]) -> str:
    """Names the inputs that are not finite themselves, if there are any."""
    for field in fields(batch):
        value = getattr(batch, field.name)
        if value is None:
            continue
        finite = value.reshape(len(value), -1).isfinite().all(1).tolist()
        if not all(finite):
            bad = [file for file, is_finite in zip(files, finite, strict=True) if not is_finite]
            return f", because {field.name} is not finite in {_some(bad)}"
    return ""


def _some(files: list[str]) -> str:
    left = len(files) - FILES_NAMED
    return ", ".join(files[:FILES_NAMED]) + (f" and {left} more" if left > 0 else "")
