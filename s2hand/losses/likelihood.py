"""The likelihood of detections: projected joints with an error of their own, learned for each joint.

A detection lies at distance d from the projected joint, in any direction alike. Its density is the planar
Laplace distribution, exp(-d / b) / (2 pi b^2), whose mean distance is r = 2 b. A normal distribution would
follow the few detections that are far off: its gradient grows with the distance, that of this one does not.
And r is the mean distance whatever distribution the detections really have, since the likelihood is largest
where r equals it; it is a statement in pixels that can be checked.

The network states r (``joint_error_px``). It learns where the image leaves a joint open, and a joint that is
open pulls less at the hand.
"""

import math

import torch
from torch import Tensor

from s2hand.losses.keypoints import weighted_mean

RIGHT_WITHIN = 0.1
"""Distance in sizes of the hand within which a joint counts as right, as for the bundled detector's
confidence; the size is the longer side of the keypoints' box."""


def laplace_nll(distance_px: Tensor, expected_px: Tensor) -> Tensor:
    """Negative logarithm of the density of detections: d / b + 2 log b + log 2 pi, with b = r / 2.

    Args:
        distance_px: (...) px, d >= 0.
        expected_px: (...) px, r > 0, the mean distance that is expected.

    Returns:
        (...) nats.
    """
    b = expected_px / 2
    return distance_px / b + 2 * b.log() + math.log(2 * math.pi)


def keypoint_nll_loss(
    projected: Tensor, detected: Tensor, confidence: Tensor, expected_px: Tensor, average_total=None
) -> Tensor:
    """``kp_nll``: sum of c^2 nll(|d - p|, r) over sum of c^2, over joints and batch.

    Zhang et al. (ECCV 2024, arXiv 2407.12307) learn a normal distribution's deviation in the same way.

    Args:
        projected: (B, 21, 2) px, p.
        detected: (B, 21, 2) px, d.
        confidence: (B, 21) of the detections, c.
        expected_px: (B, 21) px, r.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.

    Returns:
        () nats, below 0 where hands are found to a fraction of a pixel.
    """
    distance = torch.linalg.vector_norm(detected - projected, dim=-1)
    return weighted_mean(laplace_nll(distance, expected_px), confidence.square(), average_total)


def hand_size_px(keypoints: Tensor) -> Tensor:
    """(B, 1) px, the longer sides of the boxes of (B, 21, 2) keypoints."""
    return (keypoints.amax(1) - keypoints.amin(1)).amax(-1, keepdim=True)


def confidence_of_error(expected_px: Tensor, keypoints: Tensor) -> Tensor:
    """The probability that a joint is seen within ``RIGHT_WITHIN`` of where it is projected.

    The planar Laplace distribution has 1 - (1 + t / b) exp(-t / b) of its mass within a distance t.

    Args:
        expected_px: (B, 21) px, r.
        keypoints: (B, 21, 2) px, the projected joints, which give the hand's size.

    Returns:
        (B, 21) in [0, 1].
    """
    ratio = RIGHT_WITHIN * hand_size_px(keypoints) / (expected_px / 2)
    return 1 - (1 + ratio) * torch.exp(-ratio)
