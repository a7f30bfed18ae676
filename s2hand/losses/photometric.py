"""Losses between the rendered hand and the image, and a prior on the texture.

I' is the rendering with its background, I the image, c the photometric weight of a sample, and
[sil > 0] the pixels that the hand touches. The mask passes no gradient.

What is compared is a pair (shown, target), made by one of two functions:

* :func:`masked_pair` (default): I' and I are blackened outside the silhouette: only the inside counts.
* :func:`published_pair`: only I is blackened, as in the published code. I' keeps its white background, so
  every pixel outside adds 1 to the error, whatever the hand does inside.

Sums still run over the whole frame in both, so the default weights mean the same.
"""

import math

import torch
from torch import Tensor

from s2hand.losses.keypoints import weighted_mean

SSIM_WINDOW = 11
SSIM_SIGMA_PX = 1.5
SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2
"""Constants of Wang et al. 2004 for images in [0, 1]."""

OUTLIER_DEVIATIONS = 2.0
"""Texture colours further than this many standard deviations from the mean are penalised (S2HAND)."""


def masked_pair(rgb: Tensor, silhouette: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """(I' [sil > 0], I [sil > 0]): compares inside the silhouette only.

    Args:
        rgb: (B, 3, S, S) rendered.
        silhouette: (B, S, S) in [0, 1].
        image: (B, 3, S, S) in [0, 1].

    Returns:
        shown and target, (B, 3, S, S) each.
    """
    mask = (silhouette > 0).unsqueeze(1)
    return torch.where(mask, rgb, 0), torch.where(mask, image, 0)


def published_pair(rgb: Tensor, silhouette: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """(I', I [sil > 0]): as published, the rendering keeps its background.

    Args and returns: as :func:`masked_pair`.
    """
    return rgb, torch.where((silhouette > 0).unsqueeze(1), image, 0)


PHOTOMETRIC_PAIRS = {"masked": masked_pair, "published": published_pair}


def texture_loss(shown: Tensor, target: Tensor, weight: Tensor, average_total=None) -> Tensor:
    """``texture``: sum of c^2 |shown - target|_1 over sum of c^2, |.|_1 the mean over pixels and channels.

    The published value is that of :func:`published_pair`.

    Args:
        shown: (B, 3, S, S).
        target: (B, 3, S, S).
        weight: (B,) photometric weight c.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () in units of colour.
    """
    return weighted_mean((shown - target).abs().mean((1, 2, 3)), weight.square(), average_total)


def mean_colour_loss(shown: Tensor, target: Tensor, weight: Tensor, average_total=None) -> Tensor:
    """``mrgb``: sum of c^2 |mean shown - mean target| over sum of c^2; means over pixels **and** channels.

    The published value is that of :func:`published_pair`.

    Args:
        shown: (B, 3, S, S).
        target: (B, 3, S, S).
        weight: (B,) photometric weight c.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () in units of colour.
    """
    return weighted_mean((shown - target).mean((1, 2, 3)).abs(), weight.square(), average_total)


def blur_matrix(size: int, reference: Tensor) -> Tensor:
    """The Gaussian window as a matrix: ``blur_matrix(n) @ column`` blurs n pixels, zeros beyond the border.

    Args:
        size: number of pixels n.
        reference: gives dtype and device.

    Returns:
        (n, n), 11 diagonals of weights that sum to 1.
    """
    pixel = torch.arange(size, device=reference.device)
    offset = pixel - pixel.unsqueeze(1)
    radius = SSIM_WINDOW // 2
    weights = torch.exp(-offset.square().to(reference.dtype) / (2 * SSIM_SIGMA_PX**2))
    total = sum(math.exp(-(step**2) / (2 * SSIM_SIGMA_PX**2)) for step in range(-radius, radius + 1))
    return torch.where(offset.abs() <= radius, weights, 0) / total


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of every pixel (Wang et al. 2004), window 11 x 11, zero padding.

    The Gaussian is separable: one matrix blurs the columns, one the rows, of the five moments at once. As
    matrix products this takes a tenth of the time of convolutions with one channel.

    Args:
        first: (B, C, H, W) in [0, 1].
        second: (B, C, H, W) in [0, 1].

    Returns:
        (B, C, H, W) in [-1, 1].
    """
    moments = torch.stack([first, second, first * first, second * second, first * second])
    height, width = first.shape[-2:]
    blurred = blur_matrix(height, first) @ moments @ blur_matrix(width, first)
    mean_a, mean_b, square_a, square_b, product = blurred
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
    return luminance * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)


def ssim_loss(shown: Tensor, target: Tensor) -> Tensor:
    """``ssim_tex``: 1 - mean SSIM; samples are not weighted, as published.

    The published value is that of :func:`published_pair`.

    Args:
        shown: (B, 3, S, S) in [0, 1].
        target: (B, 3, S, S) in [0, 1].

    Returns:
        () unitless, in [0, 2].
    """
    return 1 - ssim_map(shown, target).mean()


def texture_outlier_loss(face_textures: Tensor, weight: Tensor, average_total=None) -> Tensor:
    """``mtex``: sum of c^2 m over sum of c^2, m the mean over faces and channels of a sample's outliers.

    A face's channel C is an outlier if |C - mean| exceeds two standard deviations; it then adds |C - mean|,
    else 0. Mean and deviation are a sample's own, per channel, over its faces. Differs from the published
    code, which mixes samples by broadcasting and weighs them by 2 c.

    Args:
        face_textures: (B, F, 3) RGB before light.
        weight: (B,) photometric weight c.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () in units of colour.
    """
    distance = (face_textures - face_textures.mean(1, keepdim=True)).abs()
    limit = OUTLIER_DEVIATIONS * face_textures.detach().std(1, keepdim=True)
    outliers = torch.where(distance > limit, distance, 0)
    return weighted_mean(outliers.mean((1, 2)), weight.square(), average_total)


def silhouette_loss(silhouette: Tensor, mask: Tensor) -> Tensor:
    """``sil``: mean of |silhouette - mask| over pixels and batch.

    Args:
        silhouette: (B, S, S) rendered, in [0, 1].
        mask: (B, S, S) labelled, in [0, 1].

    Returns:
        () in [0, 1].
    """
    return (silhouette - mask).abs().mean()
