"""Integral regression: keypoints as expected positions under heat maps (Sun et al., ECCV 2018).

A heat map h (n x n) is upsampled bilinearly with aligned corners to N x N, U = A h A^T, and turned into a
distribution, P = softmax(U). The keypoint is (sum P u, sum P v) with column u and row v counted 0..N-1.

Held in memory, U and P of a published batch (64 images, 21 joints, 256 px) would take 350 MB each per stage.
Here a few maps at a time are expanded, reduced and discarded; the backward pass expands them again. From
dU = P ((u - E u) g_u + (v - E v) g_v) follows dh = A^T dU A.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Number of upsampled values held at once: on the CPU as many as its caches hold (1 MB), on CUDA enough to
fill the device."""


def integral_keypoints(heatmaps: Tensor, size: int) -> Tensor:
    """Expected keypoint positions.

    Args:
        heatmaps: (..., n, n) unnormalised log-probabilities.
        size: N, side in pixels of the square that the maps span.

    Returns:
        (..., 2) (u, v) in pixels, float32 (float64 for float64 input). As published, the expectation runs
        over pixel indices: the first pixel counts as 0, the last as N - 1.

    Raises:
        ValueError: the maps are not square.
    """
    if heatmaps.shape[-1] != heatmaps.shape[-2]:
        raise ValueError(f"heat maps must be square, got {tuple(heatmaps.shape[-2:])}")
    if heatmaps.dtype != torch.float64:
        heatmaps = heatmaps.float()
    flat = heatmaps.flatten(0, -3)
    if torch.onnx.is_in_onnx_export():  # ONNX knows no operators of ours, and chunks would fix the batch size
        expected = _expectation(_probabilities(flat, upsampling_matrix(flat.shape[-1], size, flat)))
    else:
        expected = _IntegralKeypoints.apply(flat, size)
    return expected.unflatten(0, heatmaps.shape[:-2])


def upsampling_matrix(source: int, target: int, like: Tensor) -> Tensor:
    """Bilinear interpolation with aligned corners along one axis, as a matrix.

    Args:
        source: n, number of samples given.
        target: N, number of samples wanted.
        like: a tensor with the dtype and device of the result.

    Returns:
        (N, n); every row has at most two weights, which sum to 1.
    """
    identity = torch.eye(source, dtype=like.dtype, device=like.device)[None]
    upsampled = torch.nn.functional.interpolate(identity, size=target, mode="linear", align_corners=True)
    return upsampled[0].T.contiguous()


class _IntegralKeypoints(torch.autograd.Function):
    """Maps (M, n, n) to expectations (M, 2), a chunk of maps at a time."""

    @staticmethod
    def forward(ctx, heatmaps: Tensor, size: int) -> Tensor:
        matrix = upsampling_matrix(heatmaps.shape[-1], size, heatmaps)
        ctx.size = size
        with torch.autocast(heatmaps.device.type, enabled=False):
            parts = [_expectation(_probabilities(chunk, matrix)) for chunk in _chunks(heatmaps, size)]
        expected = torch.cat(parts) if parts else heatmaps.new_zeros(0, 2)
        ctx.save_for_backward(heatmaps, expected)
        return expected

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_expected: Tensor):
        heatmaps, expected = ctx.saved_tensors
        matrix = upsampling_matrix(heatmaps.shape[-1], ctx.size, heatmaps)
        index = torch.arange(ctx.size, dtype=heatmaps.dtype, device=heatmaps.device)
        # (M, N) each: g (index - E) along columns and along rows.
        along_u, along_v = (grad_expected[..., None] * (index - expected[..., None])).unbind(1)
        grad = torch.empty_like(heatmaps, memory_format=torch.contiguous_format)
        start = 0
        with torch.autocast(heatmaps.device.type, enabled=False):
            for chunk in _chunks(heatmaps, ctx.size):
                rows = slice(start, start + len(chunk))
                probabilities = _probabilities(chunk, matrix)
                grad_upsampled = probabilities.mul_(along_u[rows, None, :] + along_v[rows, :, None])
                grad[rows] = matrix.T @ (grad_upsampled @ matrix)
                start = rows.stop
        return grad, None


def _chunks(heatmaps: Tensor, size: int) -> tuple[Tensor, ...]:
    budget = CHUNK_ELEMENTS.get(heatmaps.device.type, CHUNK_ELEMENTS["cpu"])
    return heatmaps.split(max(1, budget // size**2)) if len(heatmaps) else ()


def _probabilities(heatmaps: Tensor, matrix: Tensor) -> Tensor:
    """(m, n, n) heat maps to (m, N, N) distributions."""
    upsampled = matrix @ (heatmaps @ matrix.T)
    return upsampled.flatten(1).softmax(-1).view_as(upsampled)


def _expectation(probabilities: Tensor) -> Tensor:
    """(m, N, N) distributions to (m, 2) expected (column, row)."""
    index = torch.arange(probabilities.shape[-1], dtype=probabilities.dtype, device=probabilities.device)
    return torch.stack([probabilities.sum(1) @ index, probabilities.sum(2) @ index], -1)
