"""Runs what a config says: trains, evaluates, and leaves everything in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from s2hand.checkpoints.checkpoint import LAST
from s2hand.config import Config
from s2hand.config.sections import LIFT
from s2hand.evaluation.evaluator import Evaluation
from s2hand.experiment.evaluating import (
    PREDICTIONS,
    draw_sheets,
    evaluate_experiment,
    stored_metrics,
)
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.lift_training import evaluate_lift
from s2hand.experiment.report import ReportedRun, write_reports
from s2hand.experiment.run_lock import exclusive
from s2hand.experiment.stored_run import apart_from_training
from s2hand.experiment.training import train_experiment
from s2hand.runtime.distributed import join_processes

GENERIC_WARNING = (
    'WARNING: hand_model is "generic", but {names} is labelled with MANO, with other vertices and bones. '
    "Set hand_model to the path of MANO_RIGHT.pkl for results that compare with published ones."
)


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        folder: the run's folder.
        metrics: dataset -> metric -> value, of the last evaluation.
        evaluations: dataset -> the last evaluation; empty if the training was complete before.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    evaluations: dict[str, Evaluation]


def run(config: Config, say=print, command: str = "") -> RunResult:
    """Runs an experiment: what ``s2hand train FILE`` and examples/train.py do, under torchrun as without.

    Args:
        config: the experiment.
        say: takes each line meant for the user.
        command: what was typed, for the reports.

    Returns:
        Where the results lie, and the last evaluation. With several processes only the main one's evaluation
        holds the arrays of the predictions.

    Raises:
        S2HandError: something named by the config is missing, damaged or does not fit.
        RunInUseError: another process writes into the run's folder.
        TrainingInterrupted: stopped by a signal, after saving.
        PeerFailedError: another process of the run failed.
    """
    config = apart_from_training(config)
    with (
        join_processes() as processes,
        exclusive(config.run_dir, processes, say),
        Experiment(config, say, processes) as experiment,
        experiment.open_recorder() as recorder,
    ):
        if experiment.foreign:
            experiment.say(GENERIC_WARNING.format(names=" and ".join(experiment.foreign)))
        if config.stage == "train":
            epoch = train_experiment(experiment, recorder).epoch
            write_reports(experiment, ReportedRun(str(config.run_dir / LAST), epoch, command))
        elif config.task == LIFT and not config.val_datasets:
            evaluate_lift(experiment, recorder)
        else:
            evaluate_experiment(experiment, recorder)
            draw_sheets(experiment, recorder)
            experiment.say(f"metrics and predictions: {config.run_dir / PREDICTIONS}")
            weights = config.pretrain_model or "untrained"
            write_reports(experiment, ReportedRun(weights, experiment.start_epoch, command))
        processes.wait()  # the main process is still writing
    metrics = {name: found.metrics for name, found in experiment.evaluations.items()}
    return RunResult(config.run_dir, metrics or stored_metrics(config), experiment.evaluations)
