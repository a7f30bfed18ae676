"""The demo's page of figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from s2hand.config import Config
from s2hand.datasets import HandDataset
from s2hand.evaluation.evaluator import Evaluation
from s2hand.evaluation.panels import PanelMaker
from s2hand.evaluation.run_records import read_run
from s2hand.experiment import Experiment
from s2hand.geometry.procrustes import similarity_align
from s2hand.structures import HandPrediction
from s2hand.visualize import (
    Curve,
    Figure,
    Table,
    contact_sheet,
    hero_strip,
    turntable,
    viewer_mesh,
    write_gif,
    write_image,
    write_page,
)

HERO_SAMPLES = 4
SHEET_SAMPLES = 6
TRAINING_IMAGES = 24
TITLE = "A 3D hand from one photo, learned without a single label"


def write_demo_page(
    path: Path,
    experiment: Experiment,
    stages: Sequence[Config],
    rows: dict[str, dict[str, float]],
    seconds: float,
) -> Path:
    """Writes the page, a turning hand (turntable.gif) and the hero figure (hero.png) beside it.

    Args:
        path: the HTML file.
        experiment: the last stage, trained and evaluated.
        stages: the configs of all stages in their order.
        rows: name -> metrics, the trained network first.
        seconds: duration of the demo, with data, evaluation and interrupted calls.

    Returns:
        The HTML file.
    """
    dataset = experiment.val_datasets["Synthetic"]
    evaluation = experiment.evaluations["Synthetic"]
    faces = torch.from_numpy(experiment.hand_model.faces)
    ranked = np.argsort(joint_errors_mm(evaluation))
    # Spread evenly from the 10th to the 70th percentile: good and mediocre results, stated as such.
    chosen = [int(ranked[round(share * (len(ranked) - 1))]) for share in np.linspace(0.1, 0.7, HERO_SAMPLES)]
    batch, prediction = experiment.panel_maker.predict(dataset, chosen)
    hero = hero_strip(batch, prediction, range(len(chosen)), faces)
    write_image(path.parent / "hero.png", hero)
    write_gif(path.parent / "turntable.gif", turning_hand(prediction, faces))
    return write_page(
        path,
        title=TITLE,
        lead=(
            f"The network saw {experiment.config.synthetic_train_size:,} generated images and the noisy 2D "
            "keypoints of a simulated detector: no 3D, no mask, no label. "
            f"It took {seconds / 60:.0f} minutes."
        ),
        table=results_table(rows, len(evaluation.index)),
        hero=Figure(
            hero,
            "Input, predicted hand over it, and the same hand from the side, for four unseen images at the "
            "10th, 30th, 50th and 70th percentile of the error.",
        ),
        mesh=viewer_mesh(prediction, 0, faces, "A predicted hand. Drag to turn it."),
        sheets=_sheets(experiment.panel_maker, dataset, ranked),
        curves=training_curves(stages, rows),
        settings=experiment.config.model_dump(exclude_unset=True),
    )


def joint_errors_mm(evaluation: Evaluation) -> np.ndarray:
    """(N,) mean joint error of each sample after Procrustes alignment, mm."""
    aligned = similarity_align(evaluation.joints, evaluation.gt_joints)
    return 1000 * np.linalg.norm(aligned - evaluation.gt_joints, axis=-1).mean(-1)


def turning_hand(prediction: HandPrediction, faces: torch.Tensor) -> list[np.ndarray]:
    """Frames of the first sample's hand turning."""
    texture = None if prediction.face_textures is None else prediction.face_textures[0]
    light = None if prediction.light is None else prediction.light[0]
    return turntable(prediction.vertices[0], faces, face_textures=texture, light=light)


def results_table(rows: dict[str, dict[str, float]], samples: int) -> Table:
    """The headline metrics."""
    keys = ("pa_mpjpe", "pa_mpvpe", "keypoints_px")
    return Table(
        columns=("", "PA-MPJPE (mm)", "PA-MPVPE (mm)", "2D error (px)"),
        rows=[(name, *(metrics.get(key) for key in keys)) for name, metrics in rows.items()],
        note=(
            f"On {samples} images of hands, poses, lights and backgrounds that training did not see. "
            "Lower is better; PA is after Procrustes alignment. The detector's error leaves out what "
            "it missed."
        ),
    )


def training_curves(stages: Sequence[Config], rows: dict[str, dict[str, float]]) -> list[Curve]:
    """2D losses and the 3D error over the epochs of all stages, the error beside the mean hand's."""
    names = ("train/open_2dj", "train/hm_integral", "evaluation/pa_mpjpe")
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
            {"projected joints": series[names[0]], "2D branch": series[names[1]]},
        ),
        Curve(
            "PA-MPJPE on unseen images (mm)",
            {"trained network": series[names[2]]},
            reference={"mean hand": rows["always the mean hand"]["pa_mpjpe"]},
        ),
    ]


def _sheets(panels: PanelMaker, dataset: HandDataset, ranked: np.ndarray) -> list[Figure]:
    count = min(SHEET_SAMPLES, len(dataset))
    random = np.random.default_rng(0).choice(len(dataset), count, replace=False)
    choices = {
        "Random samples": (random, "Drawn at random, not chosen."),
        "Best": (ranked[: count // 2], "Smallest error of all unseen images."),
        "Worst": (ranked[-(count // 2) :], "Largest error of all unseen images."),
    }
    figures = [
        Figure(panels.sheet(dataset, [int(index) for index in indices]), caption, title)
        for title, (indices, caption) in choices.items()
    ]
    images = [dataset[index]["image"] for index in range(min(TRAINING_IMAGES, len(dataset)))]
    figures.append(Figure(contact_sheet(images, 8), "Examples of the images.", "The generated data"))
    return figures
