"""Losses on keypoints: projected, detected, from heat maps, or labelled.

Notation: d detected and p projected keypoints, h keypoints of the heat maps, c confidences; px are pixels of
a 224 px image. All distances are Euclidean, and their gradient at zero distance is zero.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from s2hand.losses.constants import constant
from s2hand.skeleton import BONES, FINGERTIPS, NUM_JOINTS, WRIST

ROBUST_THRESHOLD_PX = 5.0
"""Where the robust penalty turns from quadratic to linear (S2HAND)."""

WRIST_WEIGHT = 2.0
FINGERTIP_WEIGHT = 1.5
"""Factors on the confidences of the 2D joint loss (S2HAND); other joints have 1."""

BONE_EPSILON_PX = 1e-4
"""Added to bone lengths before dividing by them (S2HAND)."""

MIDDLE_KNUCKLE = 9
"""The joint that root-relative 3D losses subtract."""

JOINT_IMPORTANCE = tuple(
    WRIST_WEIGHT if joint == WRIST else FINGERTIP_WEIGHT if joint in FINGERTIPS else 1.0
    for joint in range(NUM_JOINTS)
)
"""The factors k_j."""

_PARENTS, _CHILDREN = zip(*BONES, strict=True)


HEATMAP_STRIDE = 4
"""Pixels of the image per cell of a heat map."""

HEATMAP_SIGMA_CELLS = 1.0
"""As wide as the targets of stacked hourglasses usually are (Newell et al. 2016)."""


def weighted_mean(
    values: Tensor, weights: Tensor, average_total: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Sum of w x over sum of w; 0, with zero gradients, if all weights are 0.

    Args:
        values: (...).
        weights: (...) >= 0, same shape.
        average_total: averages the sum of weights over the processes of a distributed run. The average over
            processes of the returned values, and so of their gradients, is then the mean of the whole batch.

    Returns:
        () scalar.
    """
    total = weights.sum()
    if average_total is not None:
        total = average_total(total)
    return (weights * values).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)


def robust_penalty(distance_px: Tensor) -> Tensor:
    """rho(x) = x^2 / 10 below 5 px, x - 2.5 above: a Huber penalty, smooth at the seam.

    Args:
        distance_px: (...) px, >= 0.

    Returns:
        (...) px.
    """
    threshold = ROBUST_THRESHOLD_PX
    quadratic = distance_px.square() / (2 * threshold)
    return torch.where(distance_px < threshold, quadratic, distance_px - threshold / 2)


def at_joints(values: Tensor, joints: tuple[int, ...]) -> Tensor:
    """``values[:, joints]`` without copying the numbers to the device each time.

    Args:
        values: (B, 21, ...).
        joints: N joint numbers.

    Returns:
        (B, N, ...).
    """
    return values.index_select(1, constant(joints, torch.int64, values.device))


def detected_joint_loss(
    projected: Tensor, detected: Tensor, confidence: Tensor, average_total=None
) -> Tensor:
    """``open_2dj``: sum of w^2 rho(|d - p|) over sum of w^2, with w = c k, over joints and batch.

    k is 2 for the wrist, 1.5 for fingertips, else 1.

    Args:
        projected: (B, 21, 2) px.
        detected: (B, 21, 2) px.
        confidence: (B, 21).
        average_total: see :func:`weighted_mean`.

    Returns:
        () px.
    """
    distance = torch.linalg.vector_norm(detected - projected, dim=-1)
    importance = constant(JOINT_IMPORTANCE, confidence.dtype, confidence.device)
    weights = (confidence * importance).square()
    return weighted_mean(robust_penalty(distance), weights, average_total)


def detected_joint_squared_loss(projected: Tensor, detected: Tensor) -> Tensor:
    """``open_2dj_de``: mean of (d - p)^2 over coordinates; the ablation that ignores confidences.

    Missed joints at (0, 0) count in full, as published.

    Args:
        projected: (B, 21, 2) px.
        detected: (B, 21, 2) px.

    Returns:
        () px^2.
    """
    return (detected - projected).square().mean()


def bone_directions(keypoints: Tensor) -> Tensor:
    """u = bone / (|bone| + 1e-4 px) of the 20 bones.

    Args:
        keypoints: (B, 21, 2) px.

    Returns:
        (B, 20, 2), nearly unit vectors from parent to child.
    """
    bones = at_joints(keypoints, _CHILDREN) - at_joints(keypoints, _PARENTS)
    return bones / (torch.linalg.vector_norm(bones, dim=-1, keepdim=True) + BONE_EPSILON_PX)


def bone_direction_loss(projected: Tensor, target: Tensor, confidence: Tensor | None = None) -> Tensor:
    """``open_bone_direc``, ``bone_direc``: mean over bones and batch of c_a c_b |u_proj - u_target|^2.

    Args:
        projected: (B, 21, 2) px.
        target: (B, 21, 2) px, detected or labelled.
        confidence: (B, 21) of the target; None counts every joint as 1 (``bone_direc``).

    Returns:
        () unitless, in [0, 4].
    """
    squared = (bone_directions(projected) - bone_directions(target)).square().sum(-1)
    if confidence is not None:
        squared = squared * at_joints(confidence, _PARENTS) * at_joints(confidence, _CHILDREN)
    return squared.mean()


def heatmap_loss(
    heatmap_keypoints: Tensor, target: Tensor, confidence: Tensor | None = None, average_total=None
) -> Tensor:
    """``hm_integral``, ``hm_integral_gt``: summed over stages, sum of c^2 |d - h| over sum of c^2.

    Args:
        heatmap_keypoints: (stages, B, 21, 2) px.
        target: (B, 21, 2) px, detected or labelled.
        confidence: (B, 21) of the target; None counts every joint as 1 (``hm_integral_gt``).
        average_total: see :func:`weighted_mean`.

    Returns:
        () px.
    """
    distance = torch.linalg.vector_norm(heatmap_keypoints - target, dim=-1).sum(0)
    if confidence is None:
        return distance.mean()
    return weighted_mean(distance, confidence.square(), average_total)


def heatmap_cross_entropy(
    heatmaps: Tensor, detected: Tensor, confidence: Tensor, average_total=None
) -> Tensor:
    """``hm_cross_entropy``: heat maps as distributions against a Gaussian about each detection.

    Summed over stages, sum of c^2 H(q, softmax(h)) over sum of c^2, H the cross-entropy in nats and q a
    Gaussian of ``HEATMAP_SIGMA_CELLS``. Not in the paper: its gradient names the right cell from the first
    step on, while that of an expected position is spread over the whole map, so a short training finds
    joints sooner with both losses than with ``hm_integral`` alone.

    Args:
        heatmaps: (stages, B, 21, h, w) logits of a network of stride ``HEATMAP_STRIDE``.
        detected: (B, 21, 2) px of the image.
        confidence: (B, 21).
        average_total: see :func:`weighted_mean`.

    Returns:
        () nats.
    """
    size = heatmaps.shape[-1]
    # The same correspondence of pixels and cells as the upsampling before the expected position.
    cells = detected * ((size - 1) / (HEATMAP_STRIDE * size - 1))
    grid = torch.arange(size, dtype=cells.dtype, device=cells.device)
    exponents = -(grid - cells[..., None]).square() / (2 * HEATMAP_SIGMA_CELLS**2)  # (B, 21, 2, size)
    x, y = exponents.softmax(-1).unbind(-2)
    target = (y[..., :, None] * x[..., None, :]).flatten(-2)
    entropy = -(target * heatmaps.flatten(-2).log_softmax(-1)).sum(-1).sum(0)
    return weighted_mean(entropy, confidence.square(), average_total)


def keypoint_consistency_loss(heatmap_keypoints: Tensor, projected: Tensor) -> Tensor:
    """``kp_cons``: mean of rho(|h - p|), h being the last stage's.

    Args:
        heatmap_keypoints: (stages, B, 21, 2) px.
        projected: (B, 21, 2) px.

    Returns:
        () px.
    """
    distance = torch.linalg.vector_norm(heatmap_keypoints[-1] - projected, dim=-1)
    return robust_penalty(distance).mean()
