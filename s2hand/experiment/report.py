"""Reports of a run: its weights scored on a dataset beside baselines, with samples to look at in 3D."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from s2hand.config import Config
from s2hand.errors import S2HandError
from s2hand.evaluation.baselines import mean_hand_metrics
from s2hand.evaluation.evaluator import REFINED, Evaluation
from s2hand.evaluation.results import TABLE_COLUMNS
from s2hand.evaluation.run_records import holds_training, read_run
from s2hand.experiment.evaluating import SCALE_JOINTS, score_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.report_samples import predicted_samples
from s2hand.experiment.stored_run import config_to_evaluate
from s2hand.geometry.procrustes import similarity_align
from s2hand.pages import Report, spread_samples, write_report
from s2hand.prediction.hand_files import program_version
from s2hand.visualize.charts import Curve

SAMPLES_SHOWN = 60

VERTEX_METRICS = ("mpvpe", "auc_v", "f5", "f15")
"""How the names of metrics end that compare vertices."""

MEAN_HAND = "Always the mean hand"

NO_LOSSES = ("learning_rate", "images_per_second")
"""What is recorded of a training besides its losses."""


@dataclass(frozen=True)
class ReportedRun:
    """What a report says about where its figures come from.

    Attributes:
        weights: the checkpoint that was evaluated.
        epoch: the number of epochs that it was trained for, or None.
        command: that wrote the page.
    """

    weights: str
    epoch: int | None
    command: str = ""


def write_run_report(
    source: str | Path,
    dataset: str | None = None,
    *,
    samples: int = SAMPLES_SHOWN,
    out: str | Path | None = None,
    overrides: dict | None = None,
    command: str = "",
    say=print,
) -> Path:
    """Scores a run's best weights on a dataset and writes the page; the run's own results stay as they are.

    Args:
        source: as for :func:`s2hand.experiment.config_to_evaluate`: a run's folder, usually.
        dataset: what to score on; None for the first of the config's ``val_datasets``.
        samples: how many to show, spread evenly from the best to the worst one.
        out: the HTML file; None for report_DATASET.html in the run's folder.
        overrides: key -> value, in place of stored ones.
        command: that writes the page, to be shown there.
        say: takes each line meant for the user.

    Returns:
        The path written.

    Raises:
        S2HandError: there are no usable weights, they predict no hands, or the dataset is missing or damaged.
    """
    if samples < 1:
        raise S2HandError(f"samples must be 1 or more, got {samples}")
    chosen = {} if dataset is None else {"val_datasets": [dataset]}
    config = config_to_evaluate(source, (overrides or {}) | chosen)
    if not config.val_datasets:
        raise S2HandError(
            f"{source}: was trained without images; name a dataset of images to report on with --dataset, "
            "and its folder, as in --set synthetic_base_path=FOLDER"
        )
    config = config.model_copy(update={"val_datasets": config.val_datasets[:1]})
    (name,) = config.val_datasets
    with Experiment(config, say) as experiment:
        if "hand" not in experiment.evaluation_parts:
            raise S2HandError(
                f"{source}: its network predicts no hands in 3D; give the run of a stage that does"
            )
        score_experiment(experiment)
        run = ReportedRun(config.pretrain_model or "untrained", experiment.start_epoch, command)
        report = _report(experiment, name, run, samples)
        say(report.lead)
    return write_report(_report_file(config, name) if out is None else out, report)


def write_reports(experiment: Experiment, run: ReportedRun) -> None:
    """Writes a report about each dataset that was just scored; what fails is only reported.

    Does nothing where the config wants no reports, or the network predicts no hands in 3D.

    Args:
        experiment: with its evaluations, and the weights that they are of.
        run: what the pages say about them.
    """
    config = experiment.config
    if not (config.write_report and experiment.processes.is_main and "hand" in experiment.evaluation_parts):
        return
    for name in experiment.evaluations:
        try:
            report = _report(experiment, name, run, SAMPLES_SHOWN)
            experiment.say(f"report: {write_report(_report_file(config, name), report)}")
        except Exception as error:  # a page is not worth the end of a training
            reason = " ".join(str(error).split())[:200]
            experiment.say(f"no report of {name}: {type(error).__name__}: {reason}")


def _report_file(config: Config, name: str) -> Path:
    return config.run_dir / f"report_{name}.html"


def _report(experiment: Experiment, name: str, run: ReportedRun, samples: int) -> Report:
    config, found = experiment.config, experiment.evaluations[name]
    foreign = name in experiment.foreign
    count = len(found.index)
    joint_errors = aligned_errors = None
    places = np.linspace(0, count - 1, min(samples, count)).round().astype(int)
    if found.gt_joints is not None:
        joint_errors = _distances_mm(found.joints, found.gt_joints)
        aligned_errors = _distances_mm(similarity_align(found.joints, found.gt_joints), found.gt_joints)
        places = spread_samples(aligned_errors.mean(1), samples)
    rows, training = _metric_rows(experiment, name, foreign), _training_folder(config)
    shown = predicted_samples(experiment, name, found.index[places].tolist(), with_truth=not foreign)
    return Report(
        title=(training or config.run_dir).name,
        dataset=name,
        count=count,
        metrics=rows,
        joint_errors_mm=joint_errors,
        aligned_joint_errors_mm=aligned_errors,
        samples=list(shown),
        curves=[] if training is None else _training_curves(training, name, rows.get(MEAN_HAND, {})),
        lead=_lead(name, found, run.epoch),
        command=run.command,
        versions={
            "s2hand": program_version(),
            "torch": torch.__version__,
            "weights": run.weights,
            "hand_model": config.hand_model,
        },
        config={key: value for key, value in json.loads(config.to_json()).items() if value is not None},
    )


def _distances_mm(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, 21) mm between joints (N, 21, 3) in metres."""
    return 1000 * np.linalg.norm(joints - truth, axis=-1)


def _lead(name: str, found: Evaluation, epoch: int | None) -> str:
    """What was evaluated, with which weights; and what there is to say without labels."""
    weights = "" if epoch is None else f" with the weights after epoch {epoch}"
    line = f"Evaluated on {len(found.index):,} samples of {name}{weights}."
    if found.gt_joints is not None:
        return line
    line += " There are no labels to score against"
    distance = found.metrics.get("keypoints_to_detector_px")
    return (
        f"{line}."
        if distance is None
        else f"{line}; joints lie {distance:.1f} px from the detected keypoints."
    )


def _metric_rows(experiment: Experiment, name: str, foreign: bool) -> dict[str, dict[str, float]]:
    """The metrics of the network, of its refined hands, and of the mean hand; none without labels."""
    found = experiment.evaluations[name]
    if found.gt_joints is None:
        return {}
    own = {key: value for key, value in found.metrics.items() if not key.startswith(REFINED)}
    mean_hand = mean_hand_metrics(
        found, experiment.hand_model, SCALE_JOINTS.get(name), with_vertices=not foreign
    )
    rows = {"This run": own, "This run, refined": found.refined_metrics(), MEAN_HAND: mean_hand}
    left_out = VERTEX_METRICS if foreign else ()
    return {
        row: {key: value for key, value in metrics.items() if not key.endswith(left_out)}
        for row, metrics in rows.items()
        if metrics
    }


def _training_folder(config: Config) -> Path | None:
    """The run in which the weights were trained: this one, or the one that they were taken from."""
    if config.stage == "train" or config.pretrain_model is None:
        folder = config.run_dir
    else:
        weights = Path(config.pretrain_model).expanduser()
        folder = weights if weights.is_dir() else weights.parent
    return folder if holds_training(folder) else None


def _training_curves(folder: Path, name: str, baseline: dict[str, float]) -> list[Curve]:
    """The run's metrics on the dataset and its losses, each a chart.

    Args:
        folder: the run's.
        name: the dataset's.
        baseline: metrics of the mean hand.
    """
    run = read_run(folder, folder.name)
    # Metrics are recorded without a dataset's name where a run evaluates on one alone.
    is_alone = run.config is not None and run.config.get("val_datasets") == [name]
    prefix = "evaluation/" if is_alone else f"evaluation/{name}/"
    titles = {prefix + key: title for key, title in TABLE_COLUMNS.items()} | {"train/total": "Total loss"}
    losses = [key.removeprefix("train/") for key in run.curves if key.startswith("train/")]
    titles |= {f"train/{loss}": f"Loss {loss}" for loss in losses if loss not in (*NO_LOSSES, "total")}
    curves = []
    for key, title in titles.items():
        if key in run.curves:
            metric = key.removeprefix(prefix)
            reference = {"mean hand": baseline[metric]} if metric in baseline else {}
            curves.append(Curve(title, {title: sorted(run.curves[key].items())}, reference=reference))
    return curves
