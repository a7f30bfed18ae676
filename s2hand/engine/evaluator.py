"""Runs a network over a dataset and scores it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from s2hand.metrics import hand_metrics, keypoint_error_px
from s2hand.structures import HandBatch


@dataclass(frozen=True)
class Evaluation:
    """Predictions for a dataset, in its order, and their figures.

    Attributes:
        metrics: name -> value: those of :func:`s2hand.metrics.hand_metrics` in mm and [0, 1], and mean 2D
            errors in px of the image: ``keypoints_px`` (projected joints), ``heatmap_px`` (2D branch) and
            ``detector_px`` (the detections that were learned from, missed ones left out). Empty without
            labels.
        index: (N,) dataset indices.
        joints: (N, 21, 3) metres, camera frame, or None without the hand branch.
        vertices: (N, 778, 3) metres, camera frame, or None.
        gt_joints: (N, 21, 3) metres, or None without labels.
        gt_vertices: (N, 778, 3) metres, or None without labels.
    """

    metrics: dict[str, float]
    index: np.ndarray
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None
    gt_joints: np.ndarray | None = None
    gt_vertices: np.ndarray | None = None


class _Columns:
    """Collects tensors by name, batch after batch."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor | None) -> None:
        if value is not None:
            self._parts.setdefault(name, []).append(value.detach().float().cpu())

    def get(self, name: str) -> np.ndarray | None:
        return torch.cat(self._parts[name]).double().numpy() if name in self._parts else None


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[HandBatch],
    *,
    parts: Collection[str] = ("hand",),
    device: torch.device | str = "cpu",
    title: str = "evaluation",
    progress: bool = True,
) -> Evaluation:
    """Predicts every batch and scores the predictions against the labels that the batches carry.

    Args:
        model: takes ``(image, K, parts)`` and returns a HandPrediction; in evaluation mode already.
        batches: a loader with a length, unshuffled.
        parts: what the model should compute.
        device: where to compute.
        title: of the progress bar.
        progress: show the bar.

    Returns:
        The evaluation.
    """
    columns = _Columns()
    for batch in tqdm(batches, desc=title, unit="batch", leave=False, disable=not progress):
        batch = batch.to(device)
        prediction = model(batch.image, batch.K, parts)
        columns.add("index", batch.index)
        for name in ("joints", "vertices", "keypoints_2d"):
            columns.add(name, getattr(prediction, name))
        if prediction.heatmap_keypoints is not None:
            columns.add("heatmap", prediction.heatmap_keypoints[-1])
        for name in ("gt_joints", "gt_vertices", "gt_keypoints_2d", "confidence"):
            columns.add(name, getattr(batch, name))
        columns.add("detected", batch.keypoints_2d)
    return Evaluation(
        metrics=_metrics_3d(columns) | _metrics_2d(columns),
        index=columns.get("index").astype(int),
        **{name: columns.get(name) for name in ("joints", "vertices", "gt_joints", "gt_vertices")},
    )


def _metrics_3d(columns: _Columns) -> dict[str, float]:
    gt_joints, joints = columns.get("gt_joints"), columns.get("joints")
    if gt_joints is None or joints is None:
        return {}
    return hand_metrics(gt_joints, joints, columns.get("gt_vertices"), columns.get("vertices"))


def _metrics_2d(columns: _Columns) -> dict[str, float]:
    truth = columns.get("gt_keypoints_2d")
    if truth is None:
        return {}
    figures = {}
    for source, name in (("keypoints_2d", "keypoints_px"), ("heatmap", "heatmap_px")):
        if (found := columns.get(source)) is not None:
            figures[name] = keypoint_error_px(truth, found)
    detected, confidence = columns.get("detected"), columns.get("confidence")
    if detected is not None and confidence is not None and (confidence > 0).any():
        seen = confidence > 0
        figures["detector_px"] = float(np.linalg.norm(detected - truth, axis=-1)[seen].mean())
    return figures
