"""FreiHAND's and HO-3D's official metrics, computed all at once or batch by batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from s2hand.geometry.procrustes import scale_translation_align, similarity_align
from s2hand.metrics.fscore import THRESHOLDS_M, f_scores
from s2hand.metrics.pck import ErrorStatistics

DEFAULT_SCALE_JOINT = 4
"""HO-3D's script scales by joints 0 and 4 of its own order, where 4 is the middle finger's first joint."""

FREIHAND_SCALE_JOINT = 9
"""The same joint in FreiHAND order."""

HANDS_PER_CHUNK = 512
"""Bounds the working memory of an update to about 100 MB."""


class MetricAccumulator:
    """Computes the metrics of :func:`hand_metrics` from batches; memory does not grow with their number.

    Args:
        scale_joint: see :func:`hand_metrics`.
        workers: threads for F-scores; None takes one per usable core.
    """

    def __init__(self, scale_joint: int | None = DEFAULT_SCALE_JOINT, workers: int | None = None):
        self.scale_joint = scale_joint
        self.workers = workers
        self.num_hands = 0
        versions = ("", "pa_") if scale_joint is None else ("", "pa_", "st_")
        self.joints = {name: ErrorStatistics() for name in versions}
        self.vertices = {"": ErrorStatistics(), "pa_": ErrorStatistics()}
        self.f_score_sums = np.zeros((2, len(THRESHOLDS_M)))

    def update(self, gt_joints, pred_joints, gt_vertices=None, pred_vertices=None) -> None:
        """Adds hands.

        Args:
            gt_joints, pred_joints: (N, 21, 3) metres, arrays or CPU tensors.
            gt_vertices, pred_vertices: (N, V, 3) metres; if either is None, vertices are not scored, and
                this must be so every time.

        Raises:
            ValueError: shapes differ, a number is not finite, or vertices come only at times.
        """
        gt_joints, pred_joints = _check_pair(gt_joints, pred_joints, "joints")
        has_vertices = gt_vertices is not None and pred_vertices is not None
        if self.num_hands and has_vertices != bool(self.vertices[""].count):
            raise ValueError("vertices were given for some hands only; give them for all or for none")
        if has_vertices:
            gt_vertices, pred_vertices = _check_pair(gt_vertices, pred_vertices, "vertices")
            if len(gt_vertices) != len(gt_joints):
                raise ValueError(f"{len(gt_joints)} hands' joints but {len(gt_vertices)} hands' vertices")
        for start in range(0, len(gt_joints), HANDS_PER_CHUNK):
            chunk = slice(start, start + HANDS_PER_CHUNK)
            self._update_joints(gt_joints[chunk], pred_joints[chunk])
            if has_vertices:
                self._update_vertices(gt_vertices[chunk], pred_vertices[chunk])
        self.num_hands += len(gt_joints)

    def _update_joints(self, gt: np.ndarray, predicted: np.ndarray) -> None:
        versions = {"": predicted, "pa_": similarity_align(predicted, gt)}
        if self.scale_joint is not None:
            versions["st_"] = scale_translation_align(predicted, gt, scale_point=self.scale_joint)
        for name, joints in versions.items():
            self.joints[name].update(np.linalg.norm(joints - gt, axis=-1))

    def _update_vertices(self, gt: np.ndarray, predicted: np.ndarray) -> None:
        aligned = similarity_align(predicted, gt)
        for name, vertices in {"": predicted, "pa_": aligned}.items():
            self.vertices[name].update(np.linalg.norm(vertices - gt, axis=-1))
        self.f_score_sums += f_scores(gt, (predicted, aligned), self.workers).sum(1)

    def compute(self) -> dict[str, float]:
        """The metrics of all hands so far, with the keys of :func:`hand_metrics`.

        Raises:
            ValueError: no hand was added.
        """
        if not self.num_hands:
            raise ValueError("no hands to evaluate")
        metrics = {}
        for name, statistics in self.joints.items():
            metrics[f"{name}mpjpe"] = statistics.mean_mm()
            metrics[f"{name}auc_j"] = statistics.auc()
        if self.vertices[""].count:
            for name, statistics in self.vertices.items():
                metrics[f"{name}mpvpe"] = statistics.mean_mm()
                metrics[f"{name}auc_v"] = statistics.auc()
            for name, (f5, f15) in zip(("", "pa_"), self.f_score_sums / self.num_hands, strict=True):
                metrics[f"{name}f5"], metrics[f"{name}f15"] = float(f5), float(f15)
        return metrics

    def pck_curves(self) -> dict[str, np.ndarray]:
        """PCK (100,) at ``THRESHOLDS_M`` of "joints", "pa_joints", "st_joints", and vertices alike."""
        groups = {"joints": self.joints, "vertices": self.vertices}
        return {
            f"{prefix}{kind}": statistics.pck()
            for kind, group in groups.items()
            for prefix, statistics in group.items()
            if statistics.count
        }


def hand_metrics(
    gt_joints: ArrayLike,
    pred_joints: ArrayLike,
    gt_vertices: ArrayLike | None = None,
    pred_vertices: ArrayLike | None = None,
    *,
    scale_joint: int | None = DEFAULT_SCALE_JOINT,
    workers: int | None = None,
) -> dict[str, float]:
    """The official metrics of FreiHAND and HO-3D, equal to those of their scripts.

    Everything but the scale-translation alignment is the same in every joint order.

    Args:
        gt_joints: (N, 21, 3) metres, camera frame.
        pred_joints: (N, 21, 3) metres in the same frame and joint order.
        gt_vertices: (N, V, 3) metres; None where unknown.
        pred_vertices: (N, V, 3) metres in the same vertex order; None where unknown.
        scale_joint: joint whose distance from joint 0 gives the scale of the st_ metrics. 4, as in HO-3D's
            script, means HO-3D's order; pass ``FREIHAND_SCALE_JOINT`` for joints in FreiHAND's, or None to
            leave the st_ metrics out, which are official for HO-3D alone.
        workers: threads for F-scores; None takes one per usable core.

    Returns:
        Millimetres: mpjpe, pa_mpjpe (after Procrustes with scale), st_mpjpe (after scale and translation),
        mpvpe, pa_mpvpe. In [0, 1]: auc_j, pa_auc_j, st_auc_j, auc_v, pa_auc_v, f5, f15, pa_f5, pa_f15.
        Those of vertices are left out if either is None.

    Raises:
        ValueError: no hands, shapes differ, or a number is not finite.
    """
    accumulator = MetricAccumulator(scale_joint, workers)
    accumulator.update(gt_joints, pred_joints, gt_vertices, pred_vertices)
    return accumulator.compute()


def keypoint_error_px(gt_keypoints, pred_keypoints) -> float:
    """Mean distance of 2D keypoints.

    Args:
        gt_keypoints, pred_keypoints: (N, K, 2) px.

    Returns:
        Pixels.

    Raises:
        ValueError: no keypoints, shapes differ, or a number is not finite.
    """
    gt_keypoints, pred_keypoints = _check_pair(gt_keypoints, pred_keypoints, "keypoints", dimensions=2)
    if not gt_keypoints.size:
        raise ValueError("no keypoints to evaluate")
    return float(np.linalg.norm(gt_keypoints - pred_keypoints, axis=-1).mean())


def _check_pair(gt, predicted, name: str, dimensions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 arrays (N, K, dimensions) of one shape with finite numbers, or a ValueError."""
    gt, predicted = np.asarray(gt, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if gt.ndim != 3 or gt.shape[-1] != dimensions:
        raise ValueError(f"gt_{name} has shape {gt.shape}; expected (N, number of {name}, {dimensions})")
    if gt.shape != predicted.shape:
        raise ValueError(f"pred_{name} has shape {predicted.shape}; expected that of gt_{name}, {gt.shape}")
    for array, owner in ((gt, "gt"), (predicted, "pred")):
        bad = np.flatnonzero(~np.isfinite(array).all((1, 2)))
        if bad.size:
            raise ValueError(f"{owner}_{name} of hand {bad[0]} is not finite ({bad.size} such hands)")
    return gt, predicted
