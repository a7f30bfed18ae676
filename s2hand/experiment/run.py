"""Runs what a config says: trains, evaluates, and leaves everything in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from s2hand.config import Config
from s2hand.evaluation.evaluator import Evaluation
from s2hand.experiment.evaluating import evaluate_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.training import train_experiment
from s2hand.runtime.distributed import join_processes


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        folder: the run's folder.
        metrics: dataset -> metric -> value, of the last evaluation.
        evaluations: dataset -> the last evaluation.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    evaluations: dict[str, Evaluation]


def run(config: Config, say=print) -> RunResult:
    """Runs an experiment: what ``s2hand train FILE`` and examples/train.py do, under torchrun as without.

    Args:
        config: the experiment.
        say: takes each line meant for the user.

    Returns:
        Where the results lie, and the last evaluation. With several processes only the main one's evaluation
        holds the arrays of the predictions.

    Raises:
        S2HandError: something named by the config is missing, damaged or does not fit.
        TrainingInterrupted: stopped by a signal, after saving.
        PeerFailedError: another process of the run failed.
    """
    with (
        join_processes() as processes,
        Experiment(config, say, processes) as experiment,
        experiment.open_recorder() as recorder,
    ):
        if config.stage == "train":
            train_experiment(experiment, recorder)
        else:
            evaluate_experiment(experiment, recorder)
        processes.wait()  # the main process is still writing
    metrics = {name: found.metrics for name, found in experiment.evaluations.items()}
    return RunResult(config.run_dir, metrics, experiment.evaluations)
