"""Refinement of a mixed batch: to detections where there are some, else to the network's 2D branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from s2hand.engine.refine import HandRefiner
from s2hand.experiment.hand_views import NetworkView
from s2hand.structures import HandBatch, HandParameters, HandPrediction


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
    rows = [row for row, target in enumerate(targets) if target is not None]
    refined = tuple(target is not None for target in targets)
    if not rows:
        return prediction, refined
    keypoints, confidence = zip(*(targets[row] for row in rows), strict=True)
    target = HandBatch(
        image=batch.image[rows],
        K=batch.K[rows],
        index=batch.index[rows],
        keypoints_2d=torch.stack(keypoints).to(batch.K),
        confidence=torch.stack(confidence).to(batch.K),
    )
    chosen = {name: value[rows] for name, value in vars(prediction.parameters).items()}
    fitted = refiner.fit(HandPrediction(parameters=HandParameters(**chosen)), target).parameters
    merged = {}
    for name, value in vars(prediction.parameters).items():
        merged[name] = value.float().clone()
        merged[name][rows] = getattr(fitted, name)
    hand = refiner.place_hand(HandParameters(**merged), batch.K)
    return replace(prediction, **hand), refined


def _target(view: NetworkView, prediction: HandPrediction, row: int) -> tuple[Tensor, Tensor] | None:
    """Keypoints (21, 2) in px of the network's picture and their confidences (21,), or None."""
    if view.keypoints is not None and (view.confidence > 0).any():
        return torch.from_numpy(view.keypoints).float(), torch.from_numpy(view.confidence).float()
    if prediction.heatmap_keypoints is not None:
        keypoints = prediction.heatmap_keypoints[-1, row].cpu()
        return keypoints, torch.ones_like(keypoints[:, 0])
    return None
