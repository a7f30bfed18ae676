"""What an evaluation is compared with: the errors of an answer that has not looked at the image."""

from __future__ import annotations

import numpy as np
import torch

from s2hand.evaluation.evaluator import Evaluation
from s2hand.hand import HandModel, ManoLayer
from s2hand.hand.assets import NUM_BETAS
from s2hand.metrics import hand_metrics


def mean_hand_metrics(
    found: Evaluation, model: HandModel, scale_joint: int | None, *, with_vertices: bool = True
) -> dict[str, float]:
    """The errors of answering every image with the same hand: mean pose, mean shape, unturned.

    All of them are put at the mean of the true hands' centres, the best place for an answer that is always
    the same.

    Args:
        found: an evaluation with labels.
        model: the hand.
        scale_joint: see :func:`s2hand.metrics.hand_metrics`.
        with_vertices: whether the vertices of the labels are those of the hand model, and are compared.

    Returns:
        Metrics with the keys of :func:`s2hand.metrics.hand_metrics`.
    """
    zeros = torch.zeros
    hand = ManoLayer(model, num_pca=1).plain(zeros(1, 1), zeros(1, NUM_BETAS), zeros(1, 3))
    joints, vertices = hand.joints.double().numpy(), hand.vertices.double().numpy()
    shift = found.gt_joints.mean((0, 1)) - joints.mean((0, 1))
    joints = np.broadcast_to(joints + shift, found.gt_joints.shape)
    if not with_vertices or found.gt_vertices is None:
        return hand_metrics(found.gt_joints, joints, scale_joint=scale_joint)
    vertices = np.broadcast_to(vertices + shift, found.gt_vertices.shape)
    return hand_metrics(found.gt_joints, joints, found.gt_vertices, vertices, scale_joint=scale_joint)
