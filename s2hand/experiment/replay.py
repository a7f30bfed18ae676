"""Computes the losses of a batch that was not finite once more, from what the run has saved."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from s2hand.checkpoints.architecture import modules_of
from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.weights import OTHER_VERSION, StoredWeights
from s2hand.config import Config
from s2hand.experiment.stored_run import NO_OTHER_WEIGHTS
from s2hand.experiment.training import build_objective
from s2hand.hand import load_hand_model
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.precision import resolve_channels_last, resolve_precision
from s2hand.training.nonfinite import FILE_NAME, SavedBatch, read_saved_batch
from s2hand.training.step import TrainingLosses, set_training


def replay_losses(path: str | Path, device: str = "cpu", precision: str | None = None) -> dict[str, Tensor]:
    """The losses of a saved batch with the weights that it met, in training mode.

    On the device and in the precision of the run they are those that stopped it; in others they tell whether
    these are the cause. Nothing but the file is read, and the hand model if it is not the generic one.

    Args:
        path: a run's nonfinite_batch.pt, or the run's folder.
        device: where to compute.
        precision: precision of the network; None takes the config's.

    Returns:
        Loss name -> unweighted value with its graph, and "total"; call ``backward`` for gradients.

    Raises:
        S2HandError: the file is missing or damaged, or the hand model is not there.
    """
    saved = read_saved_batch(path)
    losses = losses_of(saved, device, precision)
    return losses(saved.batch.to(resolve_device(device)))


def losses_of(saved: SavedBatch, device: str = "cpu", precision: str | None = None) -> TrainingLosses:
    """Network and objective of a saved batch, ready for batches of that run: ``losses(batch)``."""
    place = resolve_device(device)
    try:
        config = Config.model_validate(saved.config | NO_OTHER_WEIGHTS | {"pretrain_model": None})
    except ValidationError as error:
        where = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        raise CheckpointError(
            f"{FILE_NAME}: its config has unknown or unfit keys ({where}); {OTHER_VERSION}"
        ) from None
    hand_model = load_hand_model(config.hand_model)
    stored = StoredWeights(Path(FILE_NAME), modules_of(saved.model), saved.config)
    model = stored.build(config.network_parts, hand_model)
    set_training(model.to(place), saved.trained)
    arithmetic = resolve_precision(precision or config.precision, place)
    if resolve_channels_last(config.channels_last, arithmetic, place):
        model.to(memory_format=torch.channels_last)
    return TrainingLosses(model, build_objective(config, hand_model).to(place), arithmetic)
