"""Scores an experiment's evaluation datasets and leaves the results in the run's folder."""

from __future__ import annotations

from contextlib import closing

import torch

from s2hand.datasets import HandDataset
from s2hand.evaluation.evaluator import Evaluation, evaluate
from s2hand.evaluation.results import evaluation_table, write_predictions
from s2hand.experiment.experiment import Experiment
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.metrics import DEFAULT_SCALE_JOINT, FREIHAND_SCALE_JOINT
from s2hand.prediction.refine import REFINEMENT_LOSSES, HandRefiner
from s2hand.training.progress import Progress
from s2hand.training.reporting import RunRecorder

SCALE_JOINTS = {"HO3D": FREIHAND_SCALE_JOINT}
"""HO-3D's official st_ metrics scale by the middle finger's first joint. Other datasets keep the official
script's joint number, so that a run's metrics equal those of ``s2hand score``."""


def evaluate_experiment(
    experiment: Experiment, recorder: RunRecorder, progress: Progress | None = None
) -> dict[str, float]:
    """Scores every evaluation dataset; writes metrics, predictions and sheets of samples.

    The evaluations are also kept in ``experiment.evaluations``.

    Args:
        experiment: its network is evaluated.
        recorder: takes metrics and sheets.
        progress: where training stands; None before any.

    Returns:
        The metrics of the first dataset.
    """
    progress = progress or Progress()
    config = experiment.config
    experiment.model.eval()
    for name, dataset in experiment.val_datasets.items():
        found = experiment.evaluations[name] = _evaluate_dataset(experiment, name, dataset)
        prefix = "" if len(experiment.val_datasets) == 1 else f"{name}/"
        recorder.record(
            "evaluation",
            {prefix + key: value for key, value in found.metrics.items()},
            epoch=progress.epoch,
            step=progress.step,
        )
        if experiment.processes.is_main:
            write_predictions(config.run_dir / "predictions" / name, name, dataset, found)
            sheet = experiment.panel_maker.spread_sheet(dataset)
            recorder.figure(f"{name}_epoch{progress.epoch:04d}", sheet, step=progress.step)
    experiment.say(evaluation_table(experiment.evaluations, f"after epoch {progress.epoch}"))
    return next(iter(experiment.evaluations.values())).metrics


def _evaluate_dataset(experiment: Experiment, name: str, dataset: HandDataset) -> Evaluation:
    config = experiment.config
    with closing(experiment.make_loader(dataset, config.val_batch, shuffle=False)) as loader:
        return evaluate(
            experiment.model,
            loader,
            parts=experiment.evaluation_parts,
            refine=_build_refiner(experiment) if config.test_refinement else None,
            scale_joint=SCALE_JOINTS.get(name, DEFAULT_SCALE_JOINT),
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
