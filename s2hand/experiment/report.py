"""The report of a run: its best weights scored on a dataset, with samples to look at in 3D."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from s2hand.config import Config
from s2hand.datasets import CombinedDataset, HandDataset
from s2hand.errors import S2HandError
from s2hand.evaluation.evaluator import REFINED, Evaluation
from s2hand.evaluation.results import TABLE_COLUMNS
from s2hand.evaluation.run_records import read_run
from s2hand.experiment.datasets import sample_name
from s2hand.experiment.evaluating import score_experiment
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.stored_run import config_to_evaluate
from s2hand.geometry.mirror import mirror_camera, mirror_faces, mirror_points
from s2hand.geometry.procrustes import similarity_align
from s2hand.pages import (
    HandShape,
    Report,
    ReportSample,
    SceneHand,
    report_sample,
    spread_samples,
    vertex_colors,
    write_report,
)
from s2hand.prediction.hand_files import program_version
from s2hand.prediction.reconstruction import LIGHT_DIRECTION
from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.charts import Curve
from s2hand.visualize.photo import Overlay
from s2hand.visualize.pixels import to_array, to_image

VERTEX_METRICS = ("mpvpe", "auc_v", "f5", "f15")
"""How the names of metrics end that compare vertices."""


def write_run_report(
    source: str | Path,
    dataset: str | None = None,
    *,
    samples: int = 60,
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
    config = config.model_copy(update={"val_datasets": config.val_datasets[:1]})
    (name,) = config.val_datasets
    with Experiment(config, say) as experiment:
        if "hand" not in experiment.evaluation_parts:
            raise S2HandError(
                f"{source}: its network predicts no hands in 3D; give the run of a stage that does"
            )
        score_experiment(experiment)
        report = _report(experiment, name, samples, command)
        say(report.lead)
    return write_report(config.run_dir / f"report_{name}.html" if out is None else out, report)


def _report(experiment: Experiment, name: str, samples: int, command: str) -> Report:
    config, found = experiment.config, experiment.evaluations[name]
    foreign = name in experiment.foreign
    count = len(found.index)
    joint_errors = aligned_errors = None
    places = np.linspace(0, count - 1, min(samples, count)).round().astype(int)
    if found.gt_joints is not None:
        joint_errors = _distances_mm(found.joints, found.gt_joints)
        aligned_errors = _distances_mm(similarity_align(found.joints, found.gt_joints), found.gt_joints)
        places = spread_samples(aligned_errors.mean(1), samples)
    return Report(
        title=config.run_dir.name,
        dataset=name,
        count=count,
        metrics=_metric_rows(found, foreign),
        joint_errors_mm=joint_errors,
        aligned_joint_errors_mm=aligned_errors,
        samples=list(_samples(experiment, name, found.index[places].tolist(), with_truth=not foreign)),
        curves=_training_curves(config, name),
        lead=_lead(experiment, name, found),
        command=command,
        versions={
            "s2hand": program_version(),
            "torch": torch.__version__,
            "weights": config.pretrain_model or "untrained",
            "hand_model": config.hand_model,
        },
        config={key: value for key, value in json.loads(config.to_json()).items() if value is not None},
    )


def _distances_mm(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, 21) mm between joints (N, 21, 3) in metres."""
    return 1000 * np.linalg.norm(joints - truth, axis=-1)


def _lead(experiment: Experiment, name: str, found: Evaluation) -> str:
    """What was evaluated, with which weights; and what there is to say without labels."""
    epoch = experiment.start_epoch
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


def _metric_rows(found: Evaluation, foreign: bool) -> dict[str, dict[str, float]]:
    """The metrics of the network and of its refined hands; none without labels."""
    if found.gt_joints is None:
        return {}
    own = {key: value for key, value in found.metrics.items() if not key.startswith(REFINED)}
    rows = {"This run": own, "This run, refined": found.refined_metrics()}
    left_out = VERTEX_METRICS if foreign else ()
    return {
        row: {key: value for key, value in metrics.items() if not key.endswith(left_out)}
        for row, metrics in rows.items()
        if metrics
    }


def _training_curves(config: Config, name: str) -> list[Curve]:
    """The run's metrics on the dataset and its losses, each a chart."""
    if not config.run_dir.is_dir():
        return []
    run = read_run(config.run_dir, config.run_dir.name)
    recorded = run.curves
    # Metrics are recorded without a dataset's name where a run evaluates on one alone.
    is_alone = run.config is not None and run.config.get("val_datasets") == [name]
    prefix = "evaluation/" if is_alone else f"evaluation/{name}/"
    titles = {prefix + key: title for key, title in TABLE_COLUMNS.items()}
    titles |= {"train/total": "Total loss"} | {f"train/{loss}": f"Loss {loss}" for loss in config.losses}
    return [
        Curve(title, {title: sorted(recorded[key].items())})
        for key, title in titles.items()
        if key in recorded
    ]


def _samples(
    experiment: Experiment, name: str, indices: Sequence[int], with_truth: bool
) -> Iterator[ReportSample]:
    """Predicts samples, a few at a time.

    Args:
        experiment: its network predicts.
        name: the dataset's.
        indices: the samples' numbers.
        with_truth: whether true vertices correspond to the predicted ones, and are shown.
    """
    dataset, size = experiment.val_datasets[name], experiment.config.val_batch
    faces = experiment.hand_model.faces
    for start in range(0, len(indices), size):
        chunk = indices[start : start + size]
        batch, prediction = experiment.panel_maker.predict(dataset, chunk)
        for row, index in enumerate(chunk):
            yield _sample(dataset, index, row, batch, prediction, faces, with_truth)


def _sample(
    dataset: HandDataset | CombinedDataset,
    index: int,
    row: int,
    batch: HandBatch,
    prediction: HandPrediction,
    faces: np.ndarray,
    with_truth: bool,
) -> ReportSample:
    """A sample as the network sees it, but with left hands, which it sees in a mirror, as left ones.

    Args:
        dataset: names the sample.
        index: its number there.
        row: its place in the batch.
        batch: image, camera and labels.
        prediction: the network's answer.
        faces: (F, 3) of the right hand's mesh.
        with_truth: whether to show the true vertices.
    """

    def values(source: HandBatch | HandPrediction, field: str) -> np.ndarray | None:
        found = getattr(source, field)
        return None if found is None else to_array(found[row])

    image, K = to_image(batch.image[row]), values(batch, "K")
    still = Overlay.of_photo(image).with_hand(prediction.vertices[row], torch.from_numpy(faces), batch.K[row])
    still = still.image
    points = {
        "vertices": values(prediction, "vertices"),
        "joints": values(prediction, "joints"),
        "gt_vertices": values(batch, "gt_vertices") if with_truth else None,
        "gt_joints": values(batch, "gt_joints"),
    }
    textures, light = values(prediction, "face_textures"), values(prediction, "light")
    # The renderer's colours: textures pass through tanh before they are lit.
    colors = None if textures is None else vertex_colors(np.tanh(textures), faces)
    mirrored = batch.mirrored is not None and bool(batch.mirrored[row])
    if mirrored:
        image, still = (np.ascontiguousarray(pixels[:, ::-1]) for pixels in (image, still))
        K, faces = mirror_camera(K, image.shape[1]), mirror_faces(faces)
        points = {field: None if array is None else mirror_points(array) for field, array in points.items()}
        if light is not None:
            light[LIGHT_DIRECTION] = mirror_points(light[LIGHT_DIRECTION])
    hand = SceneHand("Left hand" if mirrored else "Right hand", faces, colors, light)
    shape = HandShape(**points, confidence=values(batch, "confidence"))
    return report_sample(
        sample_name(dataset, index), image, (image.shape[1], image.shape[0]), K, hand, shape, still
    )
