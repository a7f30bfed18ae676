"""The axis-angle vector of a rotation matrix: the inverse of ``axis_angle_to_matrix``, at every angle."""

import torch
from torch import Tensor


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """By way of the unit quaternion, whose largest component is found first, so that nothing cancels.

    Args:
        matrix: (..., 3, 3) rotations.

    Returns:
        (..., 3) radians, of length up to pi; at pi itself either of the two directions.
    """
    quaternion = matrix_to_quaternion(matrix)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sine = torch.linalg.vector_norm(quaternion[..., 1:], dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, quaternion[..., :1])
    # angle / sin(angle / 2) tends to 2 at angle 0.
    tiny = torch.finfo(matrix.dtype).tiny
    return quaternion[..., 1:] * torch.where(sine > tiny, angle / sine.clamp(min=tiny), 2.0)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """A unit quaternion (w, x, y, z) of each rotation; its sign is arbitrary.

    Each row of q q^T times 4, read off the matrix, is a multiple of q; the one with the largest diagonal is
    the best conditioned (Bar-Itzhack 2000 uses the same matrix).

    Args:
        matrix: (..., 3, 3) rotations.

    Returns:
        (..., 4).
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in matrix.unbind(-2))
    outer = torch.stack(
        [
            *(1 + a + e + i, h - f, c - g, d - b),
            *(h - f, 1 + a - e - i, b + d, c + g),
            *(c - g, b + d, 1 - a + e - i, f + h),
            *(d - b, c + g, f + h, 1 - a - e + i),
        ],
        -1,
    ).unflatten(-1, (4, 4))
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    return torch.nn.functional.normalize(outer.gather(-2, largest).squeeze(-2), dim=-1)
