"""Official scores of a prediction file against a dataset's published evaluation labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from s2hand.datasets.json_files import read_json
from s2hand.errors import S2HandError
from s2hand.evaluation.submission import OPENGL_FLIP, load_arrays, to_array
from s2hand.files import write_text_whole
from s2hand.metrics import (
    DEFAULT_SCALE_JOINT,
    THRESHOLDS_M,
    MetricAccumulator,
    area_under_curve,
    check_axes,
    check_handedness,
    check_joint_order,
    check_units,
)
from s2hand.skeleton import HO3D_TO_FREIHAND
from s2hand.visualize.charts import draw_pck

JOINTS_FILE, VERTICES_FILE = "evaluation_xyz.json", "evaluation_verts.json"
SCORES_FILE, PLOT_FILE = "scores.json", "pck.png"


def score_files(
    gt_dir: str | Path,
    pred_path: str | Path,
    out_dir: str | Path | None = None,
    dataset: str | None = None,
) -> dict:
    """Compares predictions with FreiHAND's or HO-3D v2's evaluation labels, both as stored in their files.

    Args:
        gt_dir: the dataset's folder with evaluation_xyz.json and evaluation_verts.json.
        pred_path: pred.json or a zip holding it, in the dataset's own joint order and frame.
        out_dir: takes scores.json and pck.png; made if needed. None writes nothing.
        dataset: "freihand" or "ho3d"; None: told by the folder's files. It only affects the warnings: the
            metrics are those of the official scripts for both.

    Returns:
        The metrics of :func:`s2hand.metrics.hand_metrics`, "num_hands", "dataset", and "warnings": sentences
        about units, joint order or axes that look wrong.

    Raises:
        S2HandError: predictions or ground truth are missing or malformed, or their numbers differ.
    """
    gt_dir, pred_path = Path(gt_dir), Path(pred_path)
    if not gt_dir.is_dir():
        raise S2HandError(f"{gt_dir}: no such folder; expected a dataset's, with {JOINTS_FILE} in it")
    gt_joints = load_labels(gt_dir / JOINTS_FILE)
    gt_vertices = load_labels(gt_dir / VERTICES_FILE)
    pred_joints, pred_vertices = load_arrays(pred_path)
    for name, file, gt, predicted in (
        ("joints", JOINTS_FILE, gt_joints, pred_joints),
        ("vertices", VERTICES_FILE, gt_vertices, pred_vertices),
    ):
        if gt.shape != predicted.shape:
            raise S2HandError(
                f"{pred_path}: {name} of {len(predicted)} hands x {predicted.shape[1]}, but "
                f"{gt_dir / file} has {len(gt)} x {gt.shape[1]}; "
                "predict the whole evaluation split, in its order"
            )
    dataset = dataset or guess_dataset(gt_dir)
    accumulator = MetricAccumulator(DEFAULT_SCALE_JOINT if dataset == "ho3d" else None)
    accumulator.update(gt_joints, pred_joints, gt_vertices, pred_vertices)
    scores = {
        **accumulator.compute(),
        "num_hands": len(gt_joints),
        "dataset": dataset,
        "warnings": suspicions(gt_joints, pred_joints, pred_vertices, dataset),
    }
    if out_dir is not None:
        out_dir = Path(out_dir)
        write_text_whole(out_dir / SCORES_FILE, json.dumps(scores, indent=2) + "\n")
        plot_pck(accumulator.pck_curves(), out_dir / PLOT_FILE)
    return scores


def format_scores(scores: dict) -> str:
    """The metrics as lines of text, mm with three decimals and shares with four, and then the warnings."""
    lines = [f"{scores['num_hands']} hands, {scores['dataset']}"]
    for name, value in scores.items():
        if isinstance(value, float):
            is_length = name.endswith(("mpjpe", "mpvpe"))
            lines.append(f"{name:>9}  " + (f"{value:.3f} mm" if is_length else f"{value:.4f}"))
    return "\n".join([*lines, *(f"warning: {sentence}" for sentence in scores["warnings"])])


def load_labels(path: Path) -> np.ndarray:
    """Reads one of the published label files.

    Returns:
        (N, K, 3) metres, in the file's order and frame.

    Raises:
        S2HandError: missing, with where the labels come from; or not a list of equal lists of points.
    """
    if not path.is_file():
        raise S2HandError(
            f"{path}: ground truth is missing; FreiHAND v2 ships {path.name}, HO-3D v2's is published apart "
            "(HO-3D v3's is not: upload the submission to its server)"
        )
    return to_array(read_json(path, remedy="copy or download it again"), str(path))


def guess_dataset(gt_dir: Path) -> str:
    """HO-3D lists its frames in evaluation.txt; FreiHAND has no such file."""
    return "ho3d" if (gt_dir / "evaluation.txt").is_file() else "freihand"


def suspicions(gt_joints, pred_joints, pred_vertices, dataset: str) -> list[str]:
    """Sentences about what looks wrong with predictions in the dataset's joint order and frame."""
    found = [check_units(pred_joints, "predicted joints"), check_units(pred_vertices, "predicted vertices")]
    if dataset == "ho3d":
        order = list(HO3D_TO_FREIHAND)
        gt_joints, pred_joints = gt_joints[:, order] * OPENGL_FLIP, pred_joints[:, order] * OPENGL_FLIP
        pred_vertices = pred_vertices * OPENGL_FLIP
    found.append(check_joint_order(gt_joints, pred_joints))
    found.append(check_handedness(gt_joints, pred_joints))
    found.append(check_axes(gt_joints, pred_joints, "predicted joints"))
    found.append(check_axes(gt_joints, pred_vertices, "predicted vertices"))
    return [sentence for sentence in found if sentence]


def plot_pck(curves: dict[str, np.ndarray], path: Path) -> None:
    """Draws PCK curves over the error threshold.

    Args:
        curves: name -> (100,) share of points at most ``THRESHOLDS_M`` off.
        path: the PNG to write.
    """
    lines = {}
    for name, curve in curves.items():
        label = name.replace("pa_", "aligned ").replace("st_", "scale- and root-aligned ")
        lines[label] = [*zip(1000 * THRESHOLDS_M, curve, strict=True)], area_under_curve(curve)
    draw_pck(lines, path)
