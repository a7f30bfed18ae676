"""Directions of bones in space, as a detector guesses them from one image.

Such landmarks come from a network that has seen other hands in 3D. Their lengths are those of its own hand,
but where its bones point is a pseudo label, as good as several looks at the hand agree.
"""

import torch
from torch import Tensor

from s2hand.losses.keypoints import at_joints
from s2hand.skeleton import BONES

LEAST_BONE_M = 1e-4
"""Shorter bones have no direction, and their gradient is bounded."""

_PARENTS, _CHILDREN = zip(*BONES, strict=True)


def world_bone_loss(joints: Tensor, world_joints: Tensor, world_confidence: Tensor) -> Tensor:
    """``world_bones``: mean over bones and batch of w_a w_b |u - v|^2.

    u is the direction of a bone of the hand, v that of the detector's, w the confidences of its two ends.
    Only directions are compared, since the detector's hand has a size and proportions of its own.

    Args:
        joints: (B, 21, 3) metres, camera frame.
        world_joints: (B, 21, 3) metres, any origin, axes as the image's: x right, y down, z away.
        world_confidence: (B, 21) in [0, 1], 0 where there is none.

    Returns:
        () unitless, in [0, 4].
    """
    squared = (_directions(joints) - _directions(world_joints)).square().sum(-1)
    weights = at_joints(world_confidence, _PARENTS) * at_joints(world_confidence, _CHILDREN)
    return (weights * squared).mean()


def _directions(joints: Tensor) -> Tensor:
    """(B, 20, 3) unit vectors from parent to child."""
    bones = at_joints(joints, _CHILDREN) - at_joints(joints, _PARENTS)
    return bones / torch.linalg.vector_norm(bones, dim=-1, keepdim=True).clamp(min=LEAST_BONE_M)
