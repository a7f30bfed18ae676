"""Runs a network over a dataset and scores it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.errors import S2HandError
from s2hand.losses.likelihood import confidence_of_error
from s2hand.metrics import DEFAULT_SCALE_JOINT, hand_metrics, keypoint_error_px
from s2hand.models import detections_for
from s2hand.progress_bar import ProgressBar
from s2hand.runtime.distributed import ALONE, Processes
from s2hand.runtime.memory import memory_hint
from s2hand.structures import HandBatch, HandPrediction

REFINED = "refined_"
"""The prefix of metrics and arrays of refined hands."""

SOURCES_2D = {
    "keypoints_2d": "keypoints",
    f"{REFINED}keypoints_2d": f"{REFINED}keypoints",
    "heatmap": "heatmap",
}
"""Columns of predicted keypoints, and how the names of their metrics begin."""

MEMORY_REMEDY = "lower val_batch"


class NonFinitePredictionError(S2HandError):
    """A network predicts NaN or infinity."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions for a dataset, in the dataset's order, and their metrics.

    With several processes the main one holds the arrays of all.

    Attributes:
        metrics: name -> value: those of :func:`s2hand.metrics.hand_metrics` in mm and [0, 1], and mean 2D
            errors in px of the image: ``keypoints_px`` (projected joints), ``heatmap_px`` (2D branch) and
            ``detector_px`` (the detections used in training, without missed keypoints); ``expected_px`` is
            the error of projected joints that the network expects of itself. Metrics of refined hands begin
            with ``refined_``. Without labels errors are unknown, and there are only the mean
            distances to detected keypoints: ``keypoints_to_detector_px`` and ``heatmap_to_detector_px``.
        index: (N,) sample numbers.
        joints: (N, 21, 3) metres, camera frame of the network's input, or None without the hand branch.
        vertices: (N, 778, 3) metres, camera frame, or None.
        mirrored: (N,) bool; True for left hands, which were mirrored and have the coordinates of right ones.
        to_photo: (N, 3, 3) rotation from that frame to the images' own, see
            :class:`s2hand.structures.HandBatch`; or None.
        confidence: (N, 21) of the projected joints, or None: the probability that each is right, see
            :func:`s2hand.losses.likelihood.confidence_of_error`.
        gt_joints: (N, 21, 3) metres, or None without labels.
        gt_vertices: (N, 778, 3) metres, or None without labels.
        refined_joints: (N, 21, 3) metres, camera frame, or None without refinement.
        refined_vertices: (N, 778, 3) metres, camera frame, or None without refinement.
    """

    metrics: dict[str, float]
    index: np.ndarray
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None
    mirrored: np.ndarray | None = None
    to_photo: np.ndarray | None = None
    confidence: np.ndarray | None = None
    gt_joints: np.ndarray | None = None
    gt_vertices: np.ndarray | None = None
    refined_joints: np.ndarray | None = None
    refined_vertices: np.ndarray | None = None

    def refined_metrics(self) -> dict[str, float]:
        """The metrics of the refined hands without their prefix; empty without refinement."""
        return {key[len(REFINED) :]: self.metrics[key] for key in self.metrics if key.startswith(REFINED)}


class _Columns:
    """Collects tensors by name, batch after batch."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor | None) -> None:
        if value is not None:
            self._parts.setdefault(name, []).append(value.detach().float().cpu())

    def get(self, name: str) -> np.ndarray | None:
        return torch.cat(self._parts[name]).double().numpy() if name in self._parts else None

    def require_finite(self, *names: str) -> None:
        """Raises:
        NonFinitePredictionError: a column holds NaN or infinity.
        """
        for name in names:
            if (found := self.get(name)) is not None:
                finite = np.isfinite(found).reshape(len(found), -1).all(1)
                if not finite.all():
                    first = int(self.get("index")[~finite][0])
                    raise NonFinitePredictionError(
                        f"the network's {name} are not finite for {(~finite).sum()} of {len(found)} images "
                        f"(first: number {first}), as its weights have diverged; train again with a lower "
                        "init_lr, or with gradient_clip"
                    )

    def gathered(self, processes: Processes) -> _Columns:
        """The columns of all processes, sorted by index, in the main process; empty ones in the others.

        Loaders repeat samples to give every process the same number; here every sample occurs once.
        """
        if processes.size == 1:
            return self
        shares = processes.gather({name: torch.cat(parts) for name, parts in self._parts.items()})
        whole = _Columns()
        if shares is not None:
            index = torch.cat([share["index"] for share in shares]).numpy()
            _, first = np.unique(index, return_index=True)
            for name in shares[0]:
                whole.add(name, torch.cat([share[name] for share in shares])[first])
        return whole


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[HandBatch],
    *,
    parts: Collection[str] = ("hand",),
    refine: Callable[[HandPrediction, HandBatch], HandPrediction] | None = None,
    scale_joint: int | None = DEFAULT_SCALE_JOINT,
    device: torch.device | str = "cpu",
    title: str = "evaluation",
    progress: bool = True,
    processes: Processes = ALONE,
) -> Evaluation:
    """Predicts every batch and scores the predictions against the labels that the batches carry.

    Args:
        model: takes ``(image, K, parts)`` and returns a HandPrediction; in evaluation mode already.
        batches: a loader with a length, unshuffled.
        parts: what the model should compute.
        refine: fits predicted hands to their images, as :class:`s2hand.prediction.refine.HandRefiner` does;
            the hands are scored before and after.
        scale_joint: the joint that scales the st_ metrics, see :func:`s2hand.metrics.hand_metrics`.
        device: where to compute.
        title: the progress bar's title.
        progress: whether to show the bar.
        processes: the processes of the run, each with its own batches.

    Returns:
        The evaluation; in all processes but the main one without arrays.

    Raises:
        OutOfMemoryError: a batch does not fit the device.
        NonFinitePredictionError: predictions hold NaN or infinity, in the main process.
    """
    columns = _Columns()
    hidden = not (progress and processes.is_main)
    for batch in ProgressBar(batches, desc=title, unit="batch", leave=False, disable=hidden):
        batch = batch.to(device)
        with memory_hint(batch.extent, batch.device, MEMORY_REMEDY):
            prediction = model(batch.image, batch.K, parts, **detections_for(model, batch))
            refined = None if refine is None else refine(prediction, batch)
        _add_batch(columns, batch, prediction, refined)
    columns = columns.gathered(processes)
    columns.require_finite("joints", "vertices", "keypoints_2d", "heatmap", "joint_error_px")
    if not processes.is_main:
        return Evaluation(metrics=processes.share({}), index=np.zeros(0, dtype=int))
    expected_px = columns.get("joint_error_px")
    metrics = {
        **_metrics_3d(columns, "", scale_joint),
        **_metrics_3d(columns, REFINED, scale_joint),
        **_metrics_2d(columns),
        **({} if expected_px is None else {"expected_px": float(expected_px.mean())}),
    }
    arrays = ("joints", "vertices", "gt_joints", "gt_vertices", "refined_joints", "refined_vertices")
    return Evaluation(
        metrics=processes.share(metrics),
        index=columns.get("index").astype(int),
        mirrored=None if (mirrored := columns.get("mirrored")) is None else mirrored > 0,
        to_photo=columns.get("to_photo"),
        confidence=columns.get("joint_confidence"),
        **{name: columns.get(name) for name in arrays},
    )


def _add_batch(
    columns: _Columns, batch: HandBatch, prediction: HandPrediction, refined: HandPrediction | None
) -> None:
    columns.add("index", batch.index)
    for prefix, hands in (("", prediction), (REFINED, refined)):
        if hands is not None:
            for name in ("joints", "vertices", "keypoints_2d"):
                columns.add(prefix + name, getattr(hands, name))
    if prediction.heatmap_keypoints is not None:
        columns.add("heatmap", prediction.heatmap_keypoints[-1])
    if (expected_px := prediction.joint_error_px) is not None:
        columns.add("joint_error_px", expected_px)
        columns.add("joint_confidence", confidence_of_error(expected_px, prediction.keypoints_2d))
    for name in ("gt_joints", "gt_vertices", "gt_keypoints_2d", "confidence", "mirrored", "to_photo"):
        columns.add(name, getattr(batch, name))
    columns.add("detected", batch.keypoints_2d)


def _metrics_3d(columns: _Columns, prefix: str, scale_joint: int | None) -> dict[str, float]:
    """The official metrics of the hands in columns with ``prefix``, named with that prefix."""
    gt_joints, joints = columns.get("gt_joints"), columns.get(f"{prefix}joints")
    if gt_joints is None or joints is None:
        return {}
    vertices = columns.get("gt_vertices"), columns.get(f"{prefix}vertices")
    found = hand_metrics(gt_joints, joints, *vertices, scale_joint=scale_joint)
    return {prefix + name: value for name, value in found.items()}


def _metrics_2d(columns: _Columns) -> dict[str, float]:
    truth = columns.get("gt_keypoints_2d")
    if truth is None:
        return _distances_to_detector(columns)
    metrics = {}
    for source, name in SOURCES_2D.items():
        if (found := columns.get(source)) is not None:
            metrics[f"{name}_px"] = keypoint_error_px(truth, found)
    detected, confidence = columns.get("detected"), columns.get("confidence")
    if detected is not None and confidence is not None and (confidence > 0).any():
        seen = confidence > 0
        metrics["detector_px"] = float(np.linalg.norm(detected - truth, axis=-1)[seen].mean())
    return metrics


def _distances_to_detector(columns: _Columns) -> dict[str, float]:
    """Mean distances of predicted keypoints to the detected ones, without those that were missed."""
    detected, confidence = columns.get("detected"), columns.get("confidence")
    if detected is None or not (confidence > 0).any():
        return {}
    distances = {
        name: np.linalg.norm(found - detected, axis=-1)[confidence > 0]
        for source, name in SOURCES_2D.items()
        if (found := columns.get(source)) is not None
    }
    return {f"{name}_to_detector_px": float(values.mean()) for name, values in distances.items()}
