"""Fingers enter neither each other nor the palm."""

from __future__ import annotations

import torch
from torch import Tensor

from s2hand.hand.spheres import HandSpheres


def penetration_loss(joints: Tensor, spheres: HandSpheres) -> Tensor:
    """``penetration``: mean over the batch of the depths, added up, to which spheres of a hand overlap.

    Spheres whose centres touch at a distance k and lie at d overlap by (k^2 - d^2) / 2k: k - d to first
    order, without a root, so that one product of matrices compares all pairs of a batch. The hands are
    brought to one size first: a hand cannot get out of itself by growing or shrinking.

    Args:
        joints: (B, 21, 3) metres.
        spheres: stand for the flesh.

    Returns:
        () metres in a hand of the model's size.
    """
    centres = spheres(joints)
    squares, ones = centres.square().sum(-1, keepdim=True), torch.ones_like(centres[..., :1])
    contact = spheres.contact_m.to(centres.dtype)
    # k^2 - |a - b|^2 = k^2 + 2 ab - a^2 - b^2
    left = torch.cat([2 * centres, -squares, -ones], -1)
    right = torch.cat([centres, ones, squares], -1)
    overlap = torch.baddbmm(contact.square(), left, right.transpose(1, 2)).relu()
    weights = torch.where(contact > 0, 0.5 / contact, 0)
    return (overlap.flatten(1) @ weights.flatten()).mean()
