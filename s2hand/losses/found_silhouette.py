"""The rendered silhouette against the one that was found before a plain background.

What was found goes on beyond the wrist, where the hand model ends, so only the box of the detected keypoints
is compared.
"""

import torch
from torch import Tensor

from s2hand.losses.keypoints import weighted_mean

BOX_MARGIN = 0.1
"""Kept about the keypoints, in longer sides of their box: flesh reaches beyond the joints, as in the bundled
detector's boxes."""


def found_silhouette_loss(
    silhouette: Tensor,
    found: Tensor,
    known: Tensor,
    keypoints: Tensor,
    confidence: Tensor,
    average_total=None,
) -> Tensor:
    """``plain_silhouette``: mean of |silhouette - found| over hands' boxes and the samples with a found one.

    Args:
        silhouette: (B, S, S) rendered, in [0, 1].
        found: (B, S, S) in [0, 1].
        known: (B,) 1 where a silhouette was found, else 0.
        keypoints: (B, 21, 2) px of the image, detected.
        confidence: (B, 21), 0 where missed.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () in [0, 1]; 0 where none is found.
    """
    inside = in_box(keypoints, confidence, silhouette.shape[-1])
    area = inside.sum((1, 2))
    difference = ((silhouette - found).abs() * inside).sum((1, 2)) / area.clamp(min=1)
    return weighted_mean(difference, known * (area > 0), average_total)


def in_box(keypoints: Tensor, confidence: Tensor, size: int) -> Tensor:
    """Which pixels lie in the box of a hand's detected keypoints, with a margin.

    Args:
        keypoints: (B, 21, 2) px.
        confidence: (B, 21), 0 where missed.
        size: S, side of the image in pixels.

    Returns:
        (B, S, S) of the keypoints' type, 1 inside, else 0; all 0 where every joint was missed.
    """
    seen = (confidence > 0)[..., None]
    low = torch.where(seen, keypoints, torch.inf).amin(1)
    high = torch.where(seen, keypoints, -torch.inf).amax(1)
    margin = BOX_MARGIN * (high - low).amax(-1, keepdim=True)
    centres = torch.arange(size, dtype=keypoints.dtype, device=keypoints.device) + 0.5
    within = (centres >= (low - margin)[..., None]) & (centres <= (high + margin)[..., None])  # (B, 2, S)
    return (within[:, 1, :, None] & within[:, 0, None, :]).to(keypoints.dtype)
