"""Rotations as axis-angle vectors r = angle * axis and as matrices.

Near angle 0 the formulas' quotients are 0/0; their Taylor series take over there, so values and all
derivatives stay finite and smooth.
"""

import torch
from torch import Tensor

SMALL_ANGLE_SQUARED = 1e-4
"""Below this squared angle (0.01 rad) the series to third order is exact to float32's last digit."""


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, smooth at zero.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    squared = axis_angle.square().sum(-1)
    small = squared < SMALL_ANGLE_SQUARED
    # The safe value keeps the unused branch's gradient finite: torch.where would pass its NaN on.
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine_term = torch.where(small, 1 - squared / 6 + squared.square() / 120, angle.sin() / angle)
    cosine_term = torch.where(small, 0.5 - squared / 24 + squared.square() / 720, (1 - angle.cos()) / safe)
    cross = cross_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine_term[..., None, None] * cross + cosine_term[..., None, None] * (cross @ cross)


def cross_matrix(vector: Tensor) -> Tensor:
    """The matrix [v]x with ``[v]x w = v x w``.

    Args:
        vector: (..., 3).

    Returns:
        (..., 3, 3) skew-symmetric matrices.
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
