"""The trainer of a config's stage, put together from an experiment's parts."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING

import torch

from s2hand.checkpoints.checkpoint import CheckpointKeeper
from s2hand.checkpoints.starting import trained_modules
from s2hand.config import Config
from s2hand.experiment.datasets import dataset_summaries, training_dataset
from s2hand.hand import HandModel
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.runtime.allocator import keep_freed_memory
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.training.ema import WeightAverage
from s2hand.training.reporting import RunRecorder
from s2hand.training.schedule import LearningRate, build_optimizer
from s2hand.training.trainer import Trainer, TrainSettings

if TYPE_CHECKING:
    from s2hand.experiment.run import Experiment


def build_trainer(experiment: Experiment, recorder: RunRecorder) -> Trainer:
    """The trainer of the config's stage.

    Args:
        experiment: whose network learns; it ends the loader's processes.
        recorder: where figures go.
    """
    config, processes = experiment.config, experiment.processes
    if experiment.device.type == "cpu":
        keep_freed_memory()
    with processes.in_turns():
        dataset = training_dataset(config)
    trained = trained_modules(config.trained_parts, experiment.model)
    loader = experiment.keep_open(closing(experiment.make_loader(dataset, config.train_batch, shuffle=True)))

    def batches(epoch: int, start_batch: int):
        loader.set_epoch(epoch, start_batch)
        return loader

    if config.compile:
        for name in ("backbone", "keypoint_net"):
            if (module := getattr(experiment.model, name)) is not None:
                module.compile()
    for line in (*dataset_summaries(dataset), _summary(experiment, trained, len(dataset))):
        experiment.say(line)
    parameters = [value for value in experiment.model.parameters() if value.requires_grad]
    return Trainer(
        experiment.model,
        build_objective(config, experiment.hand_model, processes).to(experiment.device),
        batches,
        build_optimizer(config.optimizer, parameters, config.init_lr, config.weight_decay),
        _learning_rate(config),
        trained=trained,
        settings=TrainSettings(
            total_epochs=config.total_epochs,
            save_interval=config.save_interval,
            eval_interval=config.eval_interval,
            precision=experiment.precision,
            gradient_clip=config.gradient_clip,
            accumulate_steps=config.accumulate_steps,
            nonfinite=config.nonfinite,
            batch_images=loader.batch_sampler.batch_size * processes.size,
        ),
        recorder=recorder,
        keeper=CheckpointKeeper(config.run_dir, config.keep_checkpoints, experiment.say),
        evaluate=lambda progress: experiment.evaluate(recorder, progress),
        device=experiment.device,
        # A published checkpoint may have brought sizes of its own: without them no one could rebuild it.
        describe=json.loads(config.to_json()) | experiment.network.model_dump(mode="json"),
        best_metric=_best_metric(config),
        average=WeightAverage(experiment.model, config.ema_decay) if config.ema_decay else None,
        processes=processes,
        file_of=dataset.image_path,
    )


def _summary(experiment: Experiment, trained: Collection[str], images: int) -> str:
    """One line: what learns from what, where."""
    config, count = experiment.config, experiment.processes.size
    places = f"{count} processes on " if count > 1 else ""
    return (
        f"training {', '.join(sorted(trained))} on {images:,} images with {', '.join(config.losses)}; "
        f"{places}{experiment.device}, {experiment.precision}; run folder {config.run_dir}"
    )


def build_objective(config: Config, hand_model: HandModel, processes: Processes = ALONE) -> Objective:
    """The weighted sum of the config's losses.

    Args:
        config: the experiment.
        hand_model: arrays of the hand.
        processes: those whose shares of a batch make the whole.
    """
    return Objective(
        config.resolved_loss_weights(DEFAULT_WEIGHTS),
        torch.from_numpy(hand_model.faces),
        image_size=config.image_size,
        photometric_background=config.photometric_background,
        average_total=processes.mean if processes.size > 1 else None,
    )


def _best_metric(config: Config) -> str:
    """What the best checkpoint is the best in; without labels, agreement with the detections."""
    labelled = config.val_datasets[:1] != ("Folder",) or config.folder_labels is not None
    if config.task == "hm_train":
        return "heatmap_px" if labelled else "heatmap_to_detector_px"
    return "pa_mpjpe" if labelled else "keypoints_to_detector_px"


def _learning_rate(config: Config) -> LearningRate:
    return LearningRate(
        config.init_lr,
        kind=config.lr_schedule,
        lr_steps=config.lr_steps,
        lr_gamma=config.lr_gamma,
        total_epochs=config.total_epochs,
        warmup_steps=config.warmup_steps,
    )
