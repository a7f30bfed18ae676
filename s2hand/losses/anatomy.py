"""Priors on how the joints of a finger move together; limits of each joint alone are in :mod:`.priors`.

Angles are components of MANO's axis-angle vectors, with its axes: the second component spreads a finger
(positive towards the thumb), the third bends it (positive towards the palm). The thumb moves otherwise and is
left out. Fingers are in MANO's order: index, middle, little, ring.
"""

import torch
from torch import Tensor

from s2hand.losses.constants import constant

BASE_JOINTS, MIDDLE_JOINTS, END_JOINTS = (1, 4, 7, 10), (2, 5, 8, 11), (3, 6, 9, 12)
"""Rows of the axis-angles (B, 16, 3) of the four fingers."""

SPREAD, BEND = 1, 2

NO_SPREAD_BEND_DEG = 70.0
"""Bend of a base joint at which its spread is used up: the flat front of the metacarpal's head has met the
next bone, and the collateral ligaments are tight. Zhang et al. (ECCV 2024, arXiv 2407.12307) let the range
shrink linearly up to this angle, as here."""

STRAIGHT_SPREAD_DEG = ((-15.0, 15.0), (-15.0, 15.0), (-15.0, 20.0), (-15.0, 15.0))
"""Range of a straight finger's spread (Lin, Wu and Huang 2000); the little finger's as in ``tsa_poses``."""

BENT_SPREAD_DEG = ((-5.0, 5.0), (-5.0, 5.0), (-5.0, 15.0), (-5.0, 10.0))
"""Range of a bent finger's spread: 5 degrees, which ``tsa_poses`` leaves to joints that cannot spread. Bent
fingers point to the base of the thumb; for little and ring finger, which MANO's rest pose spreads away from
it, that takes up to 10 and 5 degrees more."""

END_TO_MIDDLE = 2 / 3
"""Bend of the end joint over that of the middle one: one tendon bends both (Rijpkema and Girard 1991)."""

COUPLING_TOLERANCE_DEG = 15.0
"""A fingertip that presses on something straightens or bends its end joint by about as much."""


def bend_limit_loss(pose_axis_angle: Tensor) -> Tensor:
    """``bend_limits``: mean over (B, 4) of how far base joints spread beyond what their bend allows.

    The range of spread narrows linearly from ``STRAIGHT_SPREAD_DEG`` at a bend of 0 (and below) to
    ``BENT_SPREAD_DEG`` at ``NO_SPREAD_BEND_DEG`` (and above). The gradient reaches bend and spread: either
    may give way.

    Args:
        pose_axis_angle: (B, 16, 3) radians, MANO order.

    Returns:
        () radians.
    """
    base = _rows(pose_axis_angle, BASE_JOINTS)
    straight, bent = (
        torch.deg2rad(constant(ranges, base.dtype, base.device))
        for ranges in (STRAIGHT_SPREAD_DEG, BENT_SPREAD_DEG)
    )
    used = (base[..., BEND].rad2deg() / NO_SPREAD_BEND_DEG).clamp(0, 1).unsqueeze(-1)
    lowest, highest = torch.lerp(straight, bent, used).unbind(-1)
    spread = base[..., SPREAD]
    return ((lowest - spread).relu() + (spread - highest).relu()).mean()


def bend_coupling_loss(pose_axis_angle: Tensor) -> Tensor:
    """``bend_coupled``: mean over (B, 4) of how far end joints bend apart from two thirds of the middle ones.

    Up to ``COUPLING_TOLERANCE_DEG`` nothing is charged.

    Args:
        pose_axis_angle: (B, 16, 3) radians, MANO order.

    Returns:
        () radians.
    """
    middle, end = (_rows(pose_axis_angle, joints)[..., BEND] for joints in (MIDDLE_JOINTS, END_JOINTS))
    apart = (end - END_TO_MIDDLE * middle).abs().rad2deg()
    return (apart - COUPLING_TOLERANCE_DEG).relu().mean().deg2rad()


def _rows(pose_axis_angle: Tensor, joints: tuple[int, ...]) -> Tensor:
    return pose_axis_angle.index_select(1, constant(joints, torch.int64, pose_axis_angle.device))
