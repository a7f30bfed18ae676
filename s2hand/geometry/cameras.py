"""Pinhole cameras: x right, y down, z forward; pixel i covers [i, i + 1).

Normalised device coordinates (NDC) of an S x S image have x right and y **up** in [-1, 1] between the
image's borders, and keep the camera's z in metres.
"""

import torch
from torch import Tensor

MIN_DEPTH = 1e-4
"""Metres. Points nearer than this project as if they were here, so nothing divides by zero."""


def project_points(points: Tensor, K: Tensor) -> Tensor:
    """Projects camera-frame points to pixels: u = fx x / z + cx.

    Args:
        points: (B, N, 3) metres, camera frame.
        K: (B, 3, 3) pixels.

    Returns:
        (B, N, 2) pixels.
    """
    homogeneous = points @ K.transpose(-1, -2)
    return homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=MIN_DEPTH)


def camera_to_ndc(points: Tensor, K: Tensor, image_size: int) -> Tensor:
    """Projects camera-frame points to the rasterizer's coordinates.

    Args:
        points: (B, N, 3) metres, camera frame.
        K: (B, 3, 3) pixels of an ``image_size`` x ``image_size`` image.
        image_size: side of the image in pixels.

    Returns:
        (B, N, 3): NDC x, y (up) and the camera's z.
    """
    homogeneous = points @ K.transpose(-1, -2)
    pixels = homogeneous[..., :2] / homogeneous[..., 2:]
    ndc = 2 * pixels / image_size - 1
    return torch.cat([ndc[..., :1], -ndc[..., 1:], points[..., 2:]], -1)
