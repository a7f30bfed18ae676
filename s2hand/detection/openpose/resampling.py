"""Cubic resizing as OpenCV's ``INTER_CUBIC``, on tensors: Keys' kernel with a = -0.75, borders repeated.

OpenCV resamples without smoothing first, and takes the factor it is given rather than the quotient of the
rounded sizes; the published detector's peaks depend on both. Resizing is linear and separable: along one
axis it is four taps per target pixel, or a (target, source) matrix, and matrices of successive resizings
multiply into one.
"""

from __future__ import annotations

import torch
from torch import Tensor

KEYS_A = -0.75
"""The slope of the kernel (Keys, IEEE TASSP 1981) that OpenCV uses."""

TAPS = 4


def cubic_taps(source: int, target: int, factor: float) -> tuple[Tensor, Tensor]:
    """The source pixels that make up each target pixel, and their weights.

    Args:
        source: pixels of the source.
        target: pixels of the target.
        factor: target over source, before the target's size was rounded.

    Returns:
        (4, target) int64 indices and (4, target) float64 weights, which sum to 1.
    """
    centre = (torch.arange(target, dtype=torch.float64) + 0.5) / factor - 0.5
    first = centre.floor()
    offsets = torch.arange(-1, TAPS - 1, dtype=torch.float64)[:, None]
    indices = (first + offsets).clamp(0, source - 1).long()
    return indices, _keys_kernel((centre - first - offsets).abs())


def _keys_kernel(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel at distances up to 2."""
    a, x = KEYS_A, distance
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return torch.where(x <= 1, near, far)


def cubic_matrix(source: int, target: int, factor: float) -> Tensor:
    """The resizing along one axis as a matrix, (target, source) float64."""
    indices, weights = cubic_taps(source, target, factor)
    return torch.zeros(target, source, dtype=torch.float64).scatter_add_(1, indices.T, weights.T)


def resize_uint8(images: Tensor, height: int, width: int, factor: float) -> Tensor:
    """Resizes images as OpenCV resizes uint8 ones (on x86; its portable code rounds the weights to 1 / 2048).

    Args:
        images: (B, C, H, W) uint8.
        height: rows of the result.
        width: columns of the result.
        factor: result's size over the images' size along both axes, before rounding.

    Returns:
        (B, C, height, width) float32 of whole numbers in [0, 255].
    """
    rows = _taps_like(images, images.shape[-2], height, factor)
    columns = _taps_like(images, images.shape[-1], width, factor)
    resized = _blend(_blend(images, columns, -1), rows, -2)
    return resized.round_().clamp_(0, 255)


def _taps_like(images: Tensor, source: int, target: int, factor: float) -> tuple[Tensor, Tensor]:
    indices, weights = cubic_taps(source, target, factor)
    return indices.to(images.device), weights.to(images.device, torch.float32)


def _blend(images: Tensor, taps: tuple[Tensor, Tensor], axis: int) -> Tensor:
    """Sums the four taps along an axis."""
    blended = None
    for index, weight in zip(*taps, strict=True):
        part = images.index_select(axis, index) * (weight if axis == -1 else weight[:, None])
        blended = part if blended is None else blended.add_(part)
    return blended
