"""Priors on the hand itself: joint angles, size, shape, smoothness. They need no image.

Joint angles are MANO's axis-angle vectors in MANO's order: root, then index, middle, little, ring and thumb,
three joints each from base to tip. Component 3 is flexion for the four fingers.
"""

import math

import torch
from torch import Tensor

from s2hand.geometry.laplacian import cotangent_laplacian
from s2hand.hand.pose_sampling import JOINT_RANGES_DEG
from s2hand.losses.constants import constant
from s2hand.skeleton import SCALE_BONE

MEAN_SCALE_M = 0.0282
"""Metres, the mean length of bone 9-10 (S2HAND)."""

FLEXION_WEIGHT = 2.0
"""Factor on the third component's excess (S2HAND)."""

_FREE = ((-math.inf, math.inf),) * 3
ANGLE_RANGES_DEG = (
    _FREE,  # root: a constant rotation, never penalised
    *(tuple(map(tuple, joint)) for joint in JOINT_RANGES_DEG.tolist()),
)
"""(lowest, highest) degrees of each axis-angle component, 16 joints in MANO order (S2HAND)."""


def joint_angle_loss(pose_axis_angle: Tensor) -> Tensor:
    """``tsa_poses``: mean over (B, 16, 3) of how far each component leaves its range, the third twice.

    Args:
        pose_axis_angle: (B, 16, 3) radians, MANO order. The root counts in the mean with value 0.

    Returns:
        () radians.
    """
    dtype, device = pose_axis_angle.dtype, pose_axis_angle.device
    lowest, highest = torch.deg2rad(constant(ANGLE_RANGES_DEG, dtype, device)).unbind(-1)
    excess = (pose_axis_angle - pose_axis_angle.clamp(lowest, highest)).abs()
    return (excess * constant((1.0, 1.0, FLEXION_WEIGHT), dtype, device)).mean()


def bone_length(joints: Tensor) -> Tensor:
    """Length of bone 9-10, FreiHAND's ``scale``.

    Args:
        joints: (B, 21, 3) metres.

    Returns:
        (B,) metres.
    """
    first, second = SCALE_BONE
    return torch.linalg.vector_norm(joints[:, first] - joints[:, second], dim=-1)


def mean_scale_loss(joints: Tensor) -> Tensor:
    """``mscale``: mean of | |J9 - J10| - 0.0282 m |; fixes the size, which a single image does not determine.

    Args:
        joints: (B, 21, 3) metres.

    Returns:
        () metres.
    """
    return (bone_length(joints) - MEAN_SCALE_M).abs().mean()


def scale_loss(joints: Tensor, gt_scale: Tensor) -> Tensor:
    """``scale``: mean of (|J9 - J10| - s)^2, s being the labelled length.

    Args:
        joints: (B, 21, 3) metres.
        gt_scale: (B,) metres.

    Returns:
        () m^2.
    """
    return (bone_length(joints) - gt_scale).square().mean()


def mean_shape_loss(betas: Tensor) -> Tensor:
    """``mshape``: mean of beta^2.

    Args:
        betas: (B, 10).

    Returns:
        () unitless.
    """
    return betas.square().mean()


def laplacian_loss(vertices: Tensor, faces: Tensor) -> Tensor:
    """``triangle``: mean over vertices of |L x|, L each mesh's own cotangent Laplacian, held constant.

    The published code takes L from the batch's first mesh; with one mesh in the batch both agree.

    Args:
        vertices: (B, V, 3) metres.
        faces: (F, 3) int64.

    Returns:
        () metres.
    """
    return torch.linalg.vector_norm(cotangent_laplacian(vertices, faces), dim=-1).mean()
