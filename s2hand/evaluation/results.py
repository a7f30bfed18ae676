"""What an evaluation leaves: a printed table, and metrics and predictions in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from s2hand.datasets import FolderDataset, HandDataset
from s2hand.evaluation.evaluator import Evaluation
from s2hand.evaluation.submission import write_submission
from s2hand.files import write_text_whole, written_whole
from s2hand.geometry.mirror import mirror_points

SUBMISSION_FORMATS = {"FreiHand": "freihand", "Synthetic": "freihand", "HO3D": "ho3d", "Shards": "freihand"}
PHOTO_PREDICTIONS_FILE = "predictions.npz"
METRICS_FILE = "metrics.json"

TABLE_COLUMNS = {
    "pa_mpjpe": "PA-MPJPE mm",
    "pa_mpvpe": "PA-MPVPE mm",
    "mpjpe": "MPJPE mm",
    "pa_f5": "PA-F@5",
    "pa_f15": "PA-F@15",
    "keypoints_px": "2D error px",
    "expected_px": "expected px",
    "heatmap_px": "2D branch px",
    "detector_px": "detector px",
    "keypoints_to_detector_px": "2D px from detector",
    "heatmap_to_detector_px": "2D branch px from detector",
}
"""The metrics that the printed table shows, and their headings."""


VERTEX_METRICS = ("pa_mpvpe", "pa_f5", "pa_f15")
"""Those of them that compare vertices."""

FOREIGN_NOTE = (
    "PA-MPVPE and F-scores of {names} are left out: the labels are vertices of MANO, to which those of the "
    "generic hand do not correspond"
)


def evaluation_table(evaluations: Mapping[str, Evaluation], title: str, foreign: Collection[str] = ()) -> str:
    """The main metrics as text, with a row for each dataset and another one for its refined hands.

    Args:
        evaluations: dataset name -> evaluation.
        title: the first line.
        foreign: the datasets with vertices of another hand model than the predicted ones.
    """
    rows = {}
    for name, found in evaluations.items():
        left_out = VERTEX_METRICS if name in foreign else ()
        for row, metrics in ((name, found.metrics), (f"{name}, refined", found.refined_metrics())):
            rows[row] = {key: value for key, value in metrics.items() if key not in left_out}
    rows = {name: metrics for name, metrics in rows.items() if metrics}
    if not rows:
        return f"{title}: no labels to score against; the predictions are in the run folder"
    columns = {
        key: heading for key, heading in TABLE_COLUMNS.items() if any(key in row for row in rows.values())
    }
    table = format_table(title, rows, columns)
    shown = [name for name, found in evaluations.items() if name in foreign and "pa_mpvpe" in found.metrics]
    return f"{table}\n{FOREIGN_NOTE.format(names=' and '.join(shown))}" if shown else table


def format_table(title: str, rows: dict[str, dict[str, float]], columns: dict[str, str]) -> str:
    """A plain-text table.

    Args:
        title: the first line.
        rows: row name -> {column key -> value}; a missing value is printed as a dash.
        columns: column key -> heading.
    """
    width = max(len(name) for name in rows)
    heading = " " * width + "".join(f"  {heading:>14}" for heading in columns.values())
    body = []
    for name, values in rows.items():
        cells = "".join(f"  {values[key]:>14.3f}" if key in values else f"  {'-':>14}" for key in columns)
        body.append(f"{name:<{width}}{cells}")
    return "\n".join([title, heading, *body])


def write_predictions(folder: Path, name: str, dataset: HandDataset, found: Evaluation) -> None:
    """Writes metrics.json and the predicted hands; refined hands go into the sub-folder ``refined``.

    The hands are written in the camera frames of their images, and left hands as left hands.

    Args:
        folder: takes the files; made if needed.
        name: the dataset's name in the config.
        dataset: what was predicted.
        found: the predictions.
    """
    write_text_whole(folder / METRICS_FILE, json.dumps(found.metrics, indent=2) + "\n")
    hands = {
        folder: (found.joints, found.vertices),
        folder / "refined": (found.refined_joints, found.refined_vertices),
    }
    for place, (joints, vertices) in hands.items():
        if joints is None:
            continue
        place.mkdir(parents=True, exist_ok=True)
        if found.to_photo is not None:  # the network saw the hands through cameras turned towards them
            joints, vertices = (points @ found.to_photo.swapaxes(1, 2) for points in (joints, vertices))
        if found.mirrored is not None:  # the network saw left hands in a mirror
            left = found.mirrored[:, None, None]
            joints = np.where(left, mirror_points(joints), joints)
            vertices = np.where(left, mirror_points(vertices), vertices)
        if isinstance(dataset, FolderDataset):
            path, confidence = place / PHOTO_PREDICTIONS_FILE, found.confidence if place is folder else None
            write_photo_predictions(path, dataset, found.index, joints, vertices, confidence)
        else:
            write_submission(place / "pred.json", joints, vertices, dataset=SUBMISSION_FORMATS[name])


def write_photo_predictions(
    path: Path,
    dataset: FolderDataset,
    index: np.ndarray,
    joints: np.ndarray,
    vertices: np.ndarray,
    confidence: np.ndarray | None = None,
) -> None:
    """Writes predictions for photos as an .npz, in the camera frame and the pixels of each photo.

    The file holds ``names`` (N,), ``hands`` (N,) left or right, ``K`` (N, 3, 3) px of the upright photo,
    ``joints`` (N, 21, 3) and ``vertices`` (N, 778, 3) in metres, and ``keypoints_2d`` (N, 21, 2), the joints
    projected with K; and ``confidence`` (N, 21) of these, if the network states any.

    Args:
        path: the file.
        dataset: the photos.
        index: (N,) sample numbers.
        joints: (N, 21, 3) metres, camera frame of the photo.
        vertices: (N, 778, 3) metres, in the same frame.
        confidence: (N, 21) probabilities that the projected joints are right, or None.
    """
    K = np.stack([dataset.record(int(number)).K for number in index])
    projected = joints @ K.transpose(0, 2, 1)
    arrays = {
        "K": K,
        "joints": joints,
        "vertices": vertices,
        "keypoints_2d": projected[..., :2] / projected[..., 2:],
    }
    if confidence is not None:
        arrays["confidence"] = confidence
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            names=np.array([dataset.name(int(number)) for number in index]),
            hands=np.array([dataset.hand(int(number)) for number in index]),
            **{name: array.astype(np.float32) for name, array in arrays.items()},
        )
