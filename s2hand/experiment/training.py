"""Trains an experiment: puts its trainer together, and goes on where an earlier run stopped."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import closing
from functools import partial

import torch

from s2hand.checkpoints.checkpoint import BEST, CheckpointKeeper
from s2hand.checkpoints.starting import trained_modules
from s2hand.config import Config, ConfigError
from s2hand.config.checks import needs_several_samples
from s2hand.config.sections import LIFT
from s2hand.datasets import CombinedDataset
from s2hand.errors import DatasetError
from s2hand.experiment.datasets import training_dataset
from s2hand.experiment.evaluating import PREDICTIONS, draw_sheets, evaluate_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.fitted_hands import give_fits, reads_fits
from s2hand.experiment.lift_training import LIFT_METRIC, build_lift_trainer
from s2hand.hand import HandModel
from s2hand.hand.spheres import HandSpheres
from s2hand.losses import Objective
from s2hand.runtime.allocator import keep_freed_memory
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.training.feature_cache import FeatureCache
from s2hand.training.progress import Progress
from s2hand.training.reporting import METRICS_FILE, RunRecorder
from s2hand.training.step import TrainingLosses
from s2hand.training.trainer import Trainer

BEST_METRICS = {
    "train": ("pa_mpjpe", "keypoints_to_detector_px"),
    "hm_train": ("heatmap_px", "heatmap_to_detector_px"),
    LIFT: (LIFT_METRIC,),
}
"""What the best checkpoint of a task is the best in; without labels, the distance to the detections."""


def train_experiment(experiment: Experiment, recorder: RunRecorder) -> Progress:
    """Trains to the end, evaluating on the way; resumes where an earlier run stopped.

    In the end the network holds the weights that were evaluated last, which are averages under ``ema_decay``.

    Returns:
        Where the training stands in the end.
    """
    config = experiment.config
    build = build_lift_trainer if config.task == LIFT else build_trainer
    trainer = build(experiment, recorder)
    if config.resume and trainer.resume(experiment.say):
        place = trainer.progress
        if place.epoch >= config.total_epochs:
            count = f"{place.epoch} of {config.total_epochs} epochs"
            experiment.say(f"{config.run_dir} is already complete: {count}")
        else:
            experiment.say(f"resuming after epoch {place.epoch}, batch {place.batch}")
    _describe(config, recorder, trainer.progress.step)
    trainer.run()
    if trainer.state.average:
        experiment.model.load_state_dict(trainer.state.average.state_dict())
    for line in _summary_of_end(config, trainer.progress):
        experiment.say(line)
    return trainer.progress


def _describe(config: Config, recorder: RunRecorder, step: int) -> None:
    """Tells TensorBoard what is trained, and which metrics to compare runs by."""
    prefixes = [""] if len(config.val_datasets) < 2 else [f"{name}/" for name in config.val_datasets]
    metrics = [prefix + metric for prefix in prefixes for metric in BEST_METRICS[config.task]]
    chosen = config.model_dump(mode="json", exclude_unset=True)
    recorder.begin(step, json.loads(config.to_json()), chosen, metrics)


def _summary_of_end(config: Config, progress: Progress) -> list[str]:
    """Lines on the best epoch, on where the results are, and on what to do next."""
    run = config.run_dir
    lines = []
    if progress.best_epoch is not None:
        score = f"{progress.best_metric} {progress.best:.4g}"
        lines.append(f"best epoch: {progress.best_epoch}, with {score}; weights: {run / BEST}")
    predictions = f"; predictions: {run / PREDICTIONS}" if config.val_datasets else ""
    lines.append(f"losses and metrics: {run / METRICS_FILE}{predictions}")
    if config.is_write_tb:
        lines.append(f"curves and figures: tensorboard --logdir {run}")
    commands = [f"s2hand evaluate {run}"]
    if config.task != "hm_train":
        commands.append(f"s2hand predict {run} PHOTOS --out FOLDER")
    return [*lines, f"next: {' or '.join(commands)}"]


def build_trainer(experiment: Experiment, recorder: RunRecorder) -> Trainer:
    """The trainer of the config's stage.

    Args:
        experiment: its network learns; it ends the loader's processes.
        recorder: takes losses and metrics.
    """
    config, model, processes = experiment.config, experiment.model, experiment.processes
    if experiment.device.type == "cpu":
        keep_freed_memory()
    dataset = _training_data(experiment)
    trained = trained_modules(config.trained_parts, model, config.backbone_lr_factor == 0)
    loader = experiment.keep_open(closing(experiment.make_loader(dataset, config.train_batch, shuffle=True)))

    batch_images = loader.batch_sampler.batch_size * processes.size

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
    evaluate = draw = None
    if config.val_datasets:
        evaluate = partial(evaluate_experiment, experiment, recorder)
        draw = partial(draw_sheets, experiment, recorder)
    features = None
    if config.cache_features:
        keeps_maps = bool(objective.required_parts & {"texture", "render"})
        features = FeatureCache(model.backbone, len(dataset), keeps_maps)
    return Trainer(
        TrainingLosses(model, objective, experiment.precision, features),
        batches,
        training=config,
        output=config,
        trained=trained,
        recorder=recorder,
        keeper=CheckpointKeeper(config.run_dir, config.keep_checkpoints, experiment.say),
        evaluate=evaluate,
        draw=draw,
        device=experiment.device,
        describe=experiment.description,
        best_metrics=BEST_METRICS[config.task],
        batch_images=batch_images,
        processes=processes,
        file_of=dataset.image_path,
        say=experiment.say,
    )


def _training_data(experiment: Experiment) -> CombinedDataset:
    """What the network learns from, with fitted hands where a loss reads them.

    Raises:
        DatasetError: it is missing or damaged, or a single image.
        ConfigError: features of images that change would be kept.
    """
    config = experiment.config
    with experiment.processes.in_turns():
        dataset = training_dataset(config)
        if len(dataset) == 1 and needs_several_samples(config):
            raise DatasetError(
                f"{config.source}: the only training image is {dataset.image_path(0)}, but batch "
                "normalisation needs 2 or more; add images"
            )
        if config.cache_features and dataset.crops_vary:
            raise ConfigError(
                f"{config.source}: cache_features needs images that stay the same from epoch to epoch, but "
                "HO-3D's crops are drawn anew; set crop_upright to true, or leave cache_features out"
            )
        if reads_fits(experiment):
            give_fits(experiment, dataset)
    return dataset


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
        spheres=HandSpheres(hand_model) if "penetration" in config.losses else None,
    )
