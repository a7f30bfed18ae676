"""Refinement of a mixed batch: to detections where there are some, else to the network's 2D branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from s2hand.prediction.hand_views import NetworkView
from s2hand.prediction.refine import HandRefiner
from s2hand.skeleton import NUM_JOINTS
from s2hand.structures import HandBatch, HandPrediction


def refine_hands(
    refiner: HandRefiner, prediction: HandPrediction, batch: HandBatch, seen: Sequence[NetworkView]
) -> tuple[HandPrediction, tuple[bool, ...]]:
    """Fits every hand that there are keypoints for.

    Args:
        refiner: does it.
        prediction: the network's answer.
        batch: what it was asked.
        seen: the same with detections, where there are any.

    Returns:
        The prediction, and whether each hand was refined.
    """
    targets = [_target(view, prediction, row) for row, view in enumerate(seen)]
    keypoints, confidence = (torch.stack(values).to(batch.K) for values in zip(*targets, strict=True))
    refined = tuple((confidence > 0).any(-1).tolist())
    return refiner.fit(prediction, replace(batch, keypoints_2d=keypoints, confidence=confidence)), refined


def _target(view: NetworkView, prediction: HandPrediction, row: int) -> tuple[Tensor, Tensor]:
    """Keypoints (21, 2) in px of the network's picture and their confidences (21,), 0 if there are none."""
    if view.keypoints is not None and (view.confidence > 0).any():
        return torch.from_numpy(view.keypoints).float(), torch.from_numpy(view.confidence).float()
    if prediction.heatmap_keypoints is not None:
        keypoints = prediction.heatmap_keypoints[-1, row].float().cpu()
        return keypoints, torch.ones_like(keypoints[:, 0])
    return torch.zeros(NUM_JOINTS, 2), torch.zeros(NUM_JOINTS)
