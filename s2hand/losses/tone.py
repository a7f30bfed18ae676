"""Skin tone: the colour of the rendered hand as a whole against that of the hand in the image.

The pixels that the rendered hand covers wholly are compared; the mask passes no gradient. Some of them may
show something else in the image, a background beside a hand that is not in its place yet or an object, so
the image's colour is a robust mean.
"""

import torch
from torch import Tensor

from s2hand.losses.keypoints import weighted_mean

WHOLLY_COVERED = 0.999
"""Silhouette from which a pixel holds no background; anti-aliased ones below mix it in."""

INLIER_COLOUR = 0.1
"""Distance in RGB, each in [0, 1], from the mean beyond which a pixel's pull no longer grows (Huber): light
and skin vary by about as much on a hand."""

ITERATIONS = 5
"""Reweighted means; the colours of five are within 0.01 of those of fifty."""

GRID = 64
"""The image's colour is taken from about so many pixels in a row and column, which is enough for a mean."""


def tone_loss(rgb: Tensor, silhouette: Tensor, image: Tensor, weight: Tensor, average_total=None) -> Tensor:
    """``tone``: sum of c^2 |m' - m|_1 over sum of c^2, |.|_1 the mean over channels.

    m' is the mean colour of the wholly covered pixels in the rendering, m their robust mean in the image.
    Other than ``mrgb``, it compares each channel by itself, and a hand that fills little of the image counts
    as much as another one.

    Args:
        rgb: (B, 3, S, S) rendered.
        silhouette: (B, S, S) rendered, in [0, 1].
        image: (B, 3, S, S) in [0, 1].
        weight: (B,) photometric weight c.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () in units of colour; a sample without such pixels adds 0.
    """
    inside = (silhouette.detach() >= WHOLLY_COVERED).to(rgb.dtype).flatten(1)
    shown = _mean(rgb.flatten(2), inside)
    step = max(image.shape[-1] // GRID, 1)
    coarse = inside.unflatten(1, image.shape[-2:])[:, ::step, ::step].flatten(1)
    seen = robust_mean_colour(image[..., ::step, ::step].flatten(2), coarse)
    difference = (shown - seen).abs().mean(1)
    # The coarse grid may miss all of a tiny hand.
    return weighted_mean(difference * (coarse.sum(1) > 0), weight.square(), average_total)


def robust_mean_colour(colours: Tensor, weights: Tensor) -> Tensor:
    """Huber's mean of colours: those far from it pull with the same force as those at ``INLIER_COLOUR``.

    Args:
        colours: (B, 3, P) in [0, 1].
        weights: (B, P) >= 0.

    Returns:
        (B, 3); 0 where all weights are 0.
    """
    mean = _mean(colours, weights)
    for _ in range(ITERATIONS):
        distance = torch.linalg.vector_norm(colours - mean[..., None], dim=1)
        mean = _mean(colours, weights * INLIER_COLOUR / distance.clamp(min=INLIER_COLOUR))
    return mean


def _mean(colours: Tensor, weights: Tensor) -> Tensor:
    """(B, 3) mean of colours (B, 3, P) with weights (B, P)."""
    total = weights.sum(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    return (colours @ weights[..., None]).squeeze(-1) / total
