"""The demo's page, and its figures as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from s2hand.config import Config
from s2hand.datasets import HandDataset
from s2hand.evaluation.evaluator import Evaluation
from s2hand.evaluation.run_records import read_run
from s2hand.experiment import Experiment
from s2hand.experiment.datasets import build_dataset
from s2hand.experiment.report_samples import predicted_samples
from s2hand.geometry.procrustes import similarity_align
from s2hand.pages import ComparedPhoto, Demonstration, TrainingImage, write_demonstration
from s2hand.structures import HandPrediction
from s2hand.visualize import Curve, hero_strip, render_from, turntable, write_gif, write_image
from s2hand.visualize.panels import OTHER_VIEW_DEG

DATASET = "Synthetic"

FINDINGS = 4
FINDING_PX = 320
RANDOM_SAMPLES = 6
EXTREME_SAMPLES = 3
TRAINING_IMAGES = 24
TITLE = "A 3D hand from one photo, learned from 2D keypoints alone"


def write_demo_page(
    path: Path,
    experiment: Experiment,
    stages: Sequence[Config],
    rows: dict[str, dict[str, float]],
    photos: Sequence[ComparedPhoto],
    seconds: float,
) -> Path:
    """Writes the page, a turning hand (turntable.gif) and the hero figure (hero.png) beside it.

    Args:
        path: the HTML file.
        experiment: the last stage, trained and evaluated.
        stages: the configs of all stages in their order.
        rows: name -> metrics, the trained network first.
        photos: real photos before and after training.
        seconds: duration of the demo, with data, evaluation and interrupted calls.

    Returns:
        The HTML file.
    """
    dataset, evaluation = experiment.val_datasets[DATASET], experiment.evaluations[DATASET]
    faces = torch.from_numpy(experiment.hand_model.faces)
    ranked = np.argsort(joint_errors_mm(evaluation)).tolist()
    # Spread evenly from the 10th to the 70th percentile: good and mediocre results, stated as such.
    chosen = [ranked[round(share * (len(ranked) - 1))] for share in np.linspace(0.1, 0.7, FINDINGS)]
    batch, prediction = experiment.panel_maker.predict(dataset, chosen)
    write_image(path.parent / "hero.png", hero_strip(batch, prediction, range(len(chosen)), faces))
    write_gif(path.parent / "turntable.gif", turning_hand(prediction, faces))
    few = min(RANDOM_SAMPLES, len(dataset))
    groups = {
        "Drawn at random": np.random.default_rng(0).choice(len(dataset), few, replace=False).tolist(),
        "Best": ranked[:EXTREME_SAMPLES],
        "Worst": ranked[-EXTREME_SAMPLES:],
    }
    shown = list(dict.fromkeys([*chosen, *(index for group in groups.values() for index in group)]))
    page = Demonstration(
        title=TITLE,
        lead=(
            f"The network saw {experiment.config.synthetic_train_size:,} generated images, the noisy 2D "
            "keypoints of a simulated detector, and hands that were fitted to these: no 3D, no mask, no "
            "label of theirs. Its encoder and the start of its hand head come with the package. "
            f"It took {seconds / 60:.0f} minutes."
        ),
        metrics=rows,
        note=(
            f"On {len(evaluation.index)} images of hands, poses, lights and backgrounds that training did "
            "not see. Lower is better; PA is after Procrustes alignment. The detector's error leaves out "
            "what it missed."
        ),
        samples=list(predicted_samples(experiment, DATASET, shown, with_truth=True)),
        turned=[seen_from_the_side(prediction, row, faces) for row in range(len(chosen))],
        findings_note="Each image, the predicted hand over it, and the same hand from the side: four unseen "
        "images, at the 10th, 30th, 50th and 70th percentile of the error.",
        groups={title: [shown.index(index) for index in group] for title, group in groups.items()},
        photos=photos,
        training=training_images(build_dataset(experiment.config, DATASET, "training", ())),
        curves=training_curves(stages, rows),
        settings=experiment.config.model_dump(exclude_unset=True),
    )
    return write_demonstration(path, page)


def joint_errors_mm(evaluation: Evaluation) -> np.ndarray:
    """(N,) mean joint error of each sample after Procrustes alignment, mm."""
    aligned = similarity_align(evaluation.joints, evaluation.gt_joints)
    return 1000 * np.linalg.norm(aligned - evaluation.gt_joints, axis=-1).mean(-1)


def turning_hand(prediction: HandPrediction, faces: torch.Tensor) -> list[np.ndarray]:
    """Frames of the first sample's hand turning."""
    texture = None if prediction.face_textures is None else prediction.face_textures[0]
    light = None if prediction.light is None else prediction.light[0]
    return turntable(prediction.vertices[0], faces, face_textures=texture, light=light)


def training_curves(stages: Sequence[Config], rows: dict[str, dict[str, float]]) -> list[Curve]:
    """2D losses and the 3D error over the epochs of all stages, the error beside the mean hand's."""
    names = ("train/open_2dj", "evaluation/pa_mpjpe")
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    done = 0
    for config in stages:
        curves = read_run(config.run_dir, config.base_out_path).curves
        for name, points in series.items():
            points += [(done + epoch, value) for epoch, value in sorted(curves.get(name, {}).items())]
        done += config.total_epochs
    return [
        Curve(
            "Distance to the detections in training (px of a 224 px image)",
            {"projected hand": series[names[0]]},
        ),
        Curve(
            "PA-MPJPE on unseen images (mm)",
            {"trained network": series[names[1]]},
            reference={"mean hand": rows["always the mean hand"]["pa_mpjpe"]},
        ),
    ]


def seen_from_the_side(prediction: HandPrediction, index: int, faces: torch.Tensor) -> np.ndarray:
    """A predicted hand, turned, on a transparent background: (S, S, 4) uint8."""
    textures, light = (
        None if values is None else values[index] for values in (prediction.face_textures, prediction.light)
    )
    view = render_from(prediction.vertices[index], faces, FINDING_PX, OTHER_VIEW_DEG, textures, light)
    opacity = view.silhouette[..., None]
    # The view lies over white, which is taken away again where it shines through the edge.
    colors = np.clip(1 - (1 - view.smooth) / np.maximum(opacity, 1e-3), 0, 1)
    return np.rint(255 * np.concatenate([colors, opacity], -1)).astype(np.uint8)


def training_images(dataset: HandDataset) -> list[TrainingImage]:
    """The first images of training with their detections."""
    samples = (dataset[index] for index in range(min(TRAINING_IMAGES, len(dataset))))
    return [TrainingImage(each["image"], each["keypoints_2d"], each["confidence"]) for each in samples]
