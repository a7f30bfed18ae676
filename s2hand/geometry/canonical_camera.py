"""From the camera that a network knows to the true one.

A network sees a square; the focal length of its crops is part of what it has learned. Let f be the true focal
length and f0 the network's, both in sides of the square, with the principal point in the square's middle. An
object answered at (x, y, z) for f0 gives the same picture for f at (x, y, z f / f0), up to the perspective
within the object; one least-squares step on the translation takes what is left of the difference.
"""

import torch
from torch import Tensor

from s2hand.geometry.cameras import MIN_DEPTH


def to_true_camera(points: Tensor, translation: Tensor, canonical_focal: Tensor, focal: Tensor) -> Tensor:
    """Moves an object so that the true camera sees it as the canonical camera did.

    Args:
        points: (B, N, 3) metres, in the canonical camera's frame; their pictures are to agree.
        translation: (B, 3) metres, the object's place; it lies in ``points``.
        canonical_focal: (B,) sides of the square, f0.
        focal: (B,) sides of the square, f.

    Returns:
        (B, 3) metres, the object's place before the true camera. Where both focal lengths are equal it stays.
    """
    moved = torch.cat([translation[:, :2], translation[:, 2:] * (focal / canonical_focal)[:, None]], -1)
    before = canonical_focal[:, None, None] * _rays(points)
    points = points + (moved - translation)[:, None]
    return moved + translation_step(points, before, focal)


def translation_step(points: Tensor, pictures: Tensor, focal: Tensor) -> Tensor:
    """One Gauss-Newton step that brings the pictures of points to given ones by translation alone.

    Args:
        points: (B, N, 3) metres, camera frame; N is at least 2, and no two rays of them all coincide.
        pictures: (B, N, 2) where they are to appear, less the principal point, in the unit of ``focal``.
        focal: (B,).

    Returns:
        (B, 3) metres to add to every point.
    """
    rays = _rays(points)
    gain = (focal[:, None] / points[..., 2].clamp(min=MIN_DEPTH))[..., None, None]
    identity = torch.eye(2, dtype=points.dtype, device=points.device).expand(*rays.shape[:2], 2, 2)
    jacobian = (gain * torch.cat([identity, -rays[..., None]], -1)).flatten(1, 2)
    residual = (pictures - focal[:, None, None] * rays).flatten(1)
    transposed = jacobian.transpose(1, 2)
    return torch.linalg.solve(transposed @ jacobian, (transposed @ residual[..., None]).squeeze(-1))


def _rays(points: Tensor) -> Tensor:
    return points[..., :2] / points[..., 2:].clamp(min=MIN_DEPTH)
