"""Rotations as axis-angle vectors r = angle * axis and as matrices.

Near angle 0 the formulas' quotients are 0/0; their Taylor series take over there, so values and all
derivatives stay finite and smooth.
"""

import torch
from torch import Tensor

SMALL_HALF_ANGLE_SQUARED = 1e-8
"""Below this square of half the angle (0.1 mrad) series of first order are exact to float64's last digit."""


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula by way of the unit quaternion (c, v), smooth at zero: R = I + 2 c [v]x + 2 [v]x^2.

    With h half the angle, c = cos h and v = (sin h / h) r / 2. Unlike 1 - cos(angle), no term cancels, and
    few operations are needed: a hand layer on a GPU waits for their launches, not for their arithmetic.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    half = 0.5 * axis_angle
    squared = half.square().sum(-1, keepdim=True)
    small = squared < SMALL_HALF_ANGLE_SQUARED
    # The safe value keeps the unused branch's gradient finite: torch.where would pass its NaN on.
    angle = squared.clamp(min=SMALL_HALF_ANGLE_SQUARED).sqrt()
    sine_quotient = torch.where(small, torch.rsub(squared, 1, alpha=1 / 6), angle.sin() / angle)
    cosine = torch.where(small, torch.rsub(squared, 1, alpha=1 / 2), angle.cos())
    cross = cross_matrix(sine_quotient * half)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return torch.addcmul(identity, cosine[..., None], cross, value=2).add(cross @ cross, alpha=2)


def cross_matrix(vector: Tensor) -> Tensor:
    """The matrix [v]x with ``[v]x w = v x w``.

    Args:
        vector: (..., 3).

    Returns:
        (..., 3, 3) skew-symmetric matrices.
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    minus_x, minus_y, minus_z = (-vector).unbind(-1)
    return torch.stack([zero, minus_z, y, z, zero, minus_x, minus_y, x, zero], -1).unflatten(-1, (3, 3))
