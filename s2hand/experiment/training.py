"""Trains an experiment: puts its trainer together, and goes on where an earlier run stopped."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import closing

import torch

from s2hand.checkpoints.checkpoint import CheckpointKeeper
from s2hand.checkpoints.starting import trained_modules
from s2hand.config import Config
from s2hand.experiment.datasets import training_dataset
from s2hand.experiment.evaluating import evaluate_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.hand import HandModel
from s2hand.losses import Objective
from s2hand.runtime.allocator import keep_freed_memory
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.training.reporting import RunRecorder
from s2hand.training.step import TrainingLosses
from s2hand.training.trainer import Trainer


def train_experiment(experiment: Experiment, recorder: RunRecorder) -> None:
    """Trains to the end, evaluating on the way; resumes where an earlier run stopped."""
    trainer = build_trainer(experiment, recorder)
    if experiment.config.resume and trainer.resume():
        place = trainer.progress
        experiment.say(f"resuming after epoch {place.epoch}, batch {place.batch}")
    trainer.run()
    if not experiment.evaluations:  # resumed after its end
        evaluate_experiment(experiment, recorder, trainer.progress)


def build_trainer(experiment: Experiment, recorder: RunRecorder) -> Trainer:
    """The trainer of the config's stage.

    Args:
        experiment: its network learns; it ends the loader's processes.
        recorder: takes losses and metrics.
    """
    config, model, processes = experiment.config, experiment.model, experiment.processes
    if experiment.device.type == "cpu":
        keep_freed_memory()
    with processes.in_turns():
        dataset = training_dataset(config)
    trained = trained_modules(config.trained_parts, model)
    loader = experiment.keep_open(closing(experiment.make_loader(dataset, config.train_batch, shuffle=True)))

    def batches(epoch: int, start_batch: int):
        loader.set_epoch(epoch, start_batch)
        return loader

    if config.compile:
        for name in ("backbone", "keypoint_net"):
            if (module := getattr(model, name)) is not None:
                module.compile()
    for line in (*dataset.summary().splitlines(), _summary(experiment, trained, len(dataset))):
        experiment.say(line)
    objective = build_objective(config, experiment.hand_model, processes).to(experiment.device)
    return Trainer(
        TrainingLosses(model, objective, experiment.precision),
        batches,
        training=config,
        output=config,
        trained=trained,
        recorder=recorder,
        keeper=CheckpointKeeper(config.run_dir, config.keep_checkpoints, experiment.say),
        evaluate=lambda progress: evaluate_experiment(experiment, recorder, progress),
        device=experiment.device,
        # The sizes may come from a published checkpoint; without them nobody could rebuild the network.
        describe=json.loads(config.to_json()) | experiment.network.model_dump(mode="json"),
        best_metric=_best_metric(config),
        batch_images=loader.batch_sampler.batch_size * processes.size,
        processes=processes,
        file_of=dataset.image_path,
    )


def _summary(experiment: Experiment, trained: Collection[str], images: int) -> str:
    """One line: what learns from what, and where."""
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
        hand_model: the arrays of the hand.
        processes: the processes that share each batch.
    """
    return Objective(
        config.resolved_loss_weights(),
        torch.from_numpy(hand_model.faces),
        image_size=config.image_size,
        photometric_background=config.photometric_background,
        average_total=processes.mean if processes.size > 1 else None,
    )


def _best_metric(config: Config) -> str:
    """The metric that the best checkpoint minimises; without labels, the distance to the detections."""
    labelled = config.val_datasets[:1] != ("Folder",) or config.folder_labels is not None
    if config.task == "hm_train":
        return "heatmap_px" if labelled else "heatmap_to_detector_px"
    return "pa_mpjpe" if labelled else "keypoints_to_detector_px"
