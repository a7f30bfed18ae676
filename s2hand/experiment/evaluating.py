"""Scores an experiment's evaluation datasets, and leaves the results in the run's folder."""

from __future__ import annotations

import json
from contextlib import closing, suppress

import torch

from s2hand.config import Config
from s2hand.datasets import HandDataset
from s2hand.errors import reason_of
from s2hand.evaluation.evaluator import Evaluation, evaluate
from s2hand.evaluation.results import METRICS_FILE, evaluation_table, write_predictions
from s2hand.experiment.experiment import Experiment
from s2hand.fitting.refine import REFINEMENT_LOSSES, HandRefiner
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.metrics import FREIHAND_SCALE_JOINT
from s2hand.training.progress import Progress
from s2hand.training.reporting import RunRecorder

PREDICTIONS = "predictions"
"""The sub-folder of predictions and metrics, with a folder for each dataset."""

SCALE_JOINTS = {"HO3D": FREIHAND_SCALE_JOINT}
"""HO-3D's official st_ metrics scale by the middle finger's first joint; other datasets have none."""


def evaluate_experiment(
    experiment: Experiment, recorder: RunRecorder, progress: Progress | None = None
) -> dict[str, float]:
    """Scores every evaluation dataset, and writes metrics and predictions.

    Args:
        experiment: its network is evaluated.
        recorder: takes the metrics.
        progress: where training stands; None outside of a training.

    Returns:
        The metrics of the first dataset.
    """
    title = _title(experiment) if progress is None else f"after epoch {progress.epoch}"
    progress = progress or Progress(epoch=experiment.start_epoch or 0)
    score_experiment(experiment)
    for name, found in experiment.evaluations.items():
        prefix = "" if len(experiment.evaluations) == 1 else f"{name}/"
        recorder.record(
            "evaluation",
            {prefix + key: value for key, value in found.metrics.items()},
            epoch=progress.epoch,
            step=progress.step,
        )
        if experiment.processes.is_main:
            folder = experiment.config.run_dir / PREDICTIONS / name
            write_predictions(folder, name, experiment.val_datasets[name], found)
    experiment.say(evaluation_table(experiment.evaluations, title, experiment.foreign))
    return next(iter(experiment.evaluations.values())).metrics


def score_experiment(experiment: Experiment) -> None:
    """Scores every evaluation dataset into ``experiment.evaluations``, and writes nothing."""
    experiment.model.eval()
    for name, dataset in experiment.val_datasets.items():
        experiment.evaluations[name] = _evaluate_dataset(experiment, name, dataset)


def draw_sheets(experiment: Experiment, recorder: RunRecorder, progress: Progress | None = None) -> None:
    """Draws a sheet of samples of every evaluation dataset; what cannot be drawn is only reported."""
    if not experiment.processes.is_main:
        return
    progress = progress or Progress(epoch=experiment.start_epoch or 0)
    for name, dataset in experiment.val_datasets.items():
        try:
            sheet = experiment.panel_maker.spread_sheet(dataset)
            recorder.figure(name, f"{name}_epoch{progress.epoch:04d}", sheet, step=progress.step)
        except Exception as error:  # a figure is not worth the end of a training
            reason = reason_of(error)
            experiment.say(f"no figure of {name}: {type(error).__name__}: {reason}")


def stored_metrics(config: Config) -> dict[str, dict[str, float]]:
    """Dataset -> metric -> value, as the last evaluation of a run has left them; without missing files."""
    found = {}
    for name in config.val_datasets:
        with suppress(FileNotFoundError, ValueError):
            found[name] = json.loads((config.run_dir / PREDICTIONS / name / METRICS_FILE).read_text())
    return found


def _title(experiment: Experiment) -> str:
    """Heads the table of an evaluation outside of a training."""
    path, epoch = experiment.config.pretrain_model, experiment.start_epoch
    if path is None:
        return "untrained network"
    return path if epoch is None else f"{path}, after epoch {epoch}"


def _evaluate_dataset(experiment: Experiment, name: str, dataset: HandDataset) -> Evaluation:
    config = experiment.config
    with closing(experiment.make_loader(dataset, config.val_batch, shuffle=False)) as loader:
        return evaluate(
            experiment.model,
            loader,
            parts=experiment.evaluation_parts,
            refine=_build_refiner(experiment) if config.test_refinement else None,
            scale_joint=SCALE_JOINTS.get(name),
            device=experiment.device,
            title=f"evaluating {name}",
            processes=experiment.processes,
        )


def _build_refiner(experiment: Experiment) -> HandRefiner:
    """The fit to the 2D branch's keypoints, with the config's loss weights."""
    config = experiment.config
    weights = DEFAULT_WEIGHTS | config.loss_weights()
    objective = Objective(
        {name: weights[name] for name in REFINEMENT_LOSSES},
        torch.from_numpy(experiment.hand_model.faces),
        image_size=config.image_size,
    )
    return HandRefiner(experiment.model.place_hand, objective.to(experiment.device), config.refine_steps)
