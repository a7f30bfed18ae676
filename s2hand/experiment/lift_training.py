"""Trains the hand head that lifts landmarks, and scores it: the task "lift_train".

It learns from random hands, and from the hands of generated images and photos where the config names some.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from s2hand.checkpoints.checkpoint import CheckpointKeeper
from s2hand.checkpoints.starting import trained_modules
from s2hand.config import ConfigError
from s2hand.datasets.loader import start_worker
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.seen_hands import seen_hands
from s2hand.hand.joint_chain import JointChain
from s2hand.losses import find_non_finite
from s2hand.runtime.allocator import keep_freed_memory
from s2hand.training.lift import LiftLosses, LiftObjective, lift_errors
from s2hand.training.lift_batches import LiftBatch, LiftBatches, SeenHands
from s2hand.training.progress import Progress
from s2hand.training.reporting import RunRecorder
from s2hand.training.trainer import Trainer

LIFT_METRIC = "pa_mpjpe"
"""What the best checkpoint is the best in."""


def build_lift_trainer(experiment: Experiment, recorder: RunRecorder) -> Trainer:
    """The trainer of a lift.

    Args:
        experiment: its network's hand head learns; the rest stays as it is.
        recorder: takes losses and metrics.

    Raises:
        ConfigError: there are several processes.
    """
    config, model, device = experiment.config, experiment.model, experiment.device
    if experiment.processes.size > 1:
        raise ConfigError(
            f"{config.source}: task lift_train runs in one process, got {experiment.processes.size}; start "
            "it without torchrun"
        )
    if device.type == "cpu":
        keep_freed_memory()
    hands, chain = _batches(experiment, seen_hands(experiment)), _chain(experiment)
    batches_per_epoch = config.random_hands_train_size // config.train_batch

    def batches(epoch: int, start_batch: int) -> DataLoader:
        first = epoch * batches_per_epoch
        return DataLoader(
            hands,
            batch_size=None,  # an item is a batch already
            sampler=range(first + start_batch, first + batches_per_epoch),
            num_workers=config.num_workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=start_worker,
            # The workers' own seeds, which nothing uses, leave torch's global random state alone.
            generator=torch.Generator().manual_seed(config.seed),
        )

    experiment.say(
        f"training hand_head on {batches_per_epoch * config.train_batch:,} random hands an epoch"
        f"{_others(hands.seen)}; {device}, fp32; run folder {config.run_dir}"
    )
    return Trainer(
        LiftLosses(model, LiftObjective(chain)),
        batches,
        training=config,
        output=config,
        trained=trained_modules(config.trained_parts, model, keeps_backbone=True),
        recorder=recorder,
        keeper=CheckpointKeeper(config.run_dir, config.keep_checkpoints, experiment.say),
        evaluate=lambda progress: evaluate_lift(experiment, recorder, progress),
        device=device,
        describe=experiment.description,
        best_metrics=(LIFT_METRIC,),
        batch_images=config.train_batch,
        describe_failure=describe_failure,
        say=experiment.say,
    )


def evaluate_lift(
    experiment: Experiment, recorder: RunRecorder, progress: Progress | None = None
) -> dict[str, float]:
    """Scores the hand head on random hands that no training sees, and records the errors.

    Args:
        experiment: its network is evaluated.
        recorder: takes the metrics.
        progress: where training stands; None outside of a training.

    Returns:
        The errors, see :func:`s2hand.training.lift.lift_errors`.
    """
    progress = progress or Progress(epoch=experiment.start_epoch or 0)
    hands = _batches(experiment).held_out(experiment.config.random_hands_eval_size).to(experiment.device)
    errors = lift_errors(experiment.model.eval().hand_head, hands, _chain(experiment))
    recorder.record("evaluation", errors, epoch=progress.epoch, step=progress.step)
    others = {"with_all": "with depths and world landmarks", "with_2d": "from 2D alone", "tips": "fingertips"}
    details = ", ".join(f"{errors[name]:.2f} {what}" for name, what in others.items() if name in errors)
    experiment.say(
        f"after epoch {progress.epoch}: PA-MPJPE {errors[LIFT_METRIC]:.2f} mm on {len(hands):,} random hands "
        f"held out{f' ({details})' if details else ''}"
    )
    return errors


def describe_failure(
    losses: dict[str, Tensor], batch: LiftBatch, *, progress: Progress, **others: Any
) -> str:
    """Says which losses are not finite, and where; the batch need not be saved, as its number tells it."""
    names = ", ".join(find_non_finite(losses))
    what = f"loss {names}" if names else "the losses' gradient"
    return (
        f"{what} is not finite in epoch {progress.epoch + 1}, batch {progress.batch + 1}; lower init_lr, set "
        'gradient_clip, or set nonfinite to "skip"'
    )


def _batches(experiment: Experiment, seen: SeenHands | None = None) -> LiftBatches:
    config = experiment.config
    fingertips = experiment.network.fingertips
    return LiftBatches(experiment.hand_model, fingertips, config.train_batch, config.seed, seen)


def _others(seen: SeenHands) -> str:
    """What a line says of the hands that are not random."""
    text = ""
    if seen.generated is not None:
        text += f", {len(seen.generated):,} of generated images"
    if seen.photos is not None:
        text += f", {len(seen.photos.rays):,} of photos"
    return text


def _chain(experiment: Experiment) -> JointChain:
    """The joints of the hands that are drawn, on the device."""
    return JointChain(experiment.hand_model, experiment.network.fingertips).to(experiment.device)
