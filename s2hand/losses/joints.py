"""Losses of the joints in 3D, or of the true ones in the image: against labels, and against fitted hands."""

from __future__ import annotations

from torch import Tensor

from s2hand.losses.keypoints import MIDDLE_KNUCKLE


def joint_squared_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """``joint_2d``, ``joint_3d``: mean squared difference over coordinates.

    Args:
        predicted: (B, 21, 2) px or (B, 21, 3) metres.
        target: labels of the same shape and unit.

    Returns:
        () px^2 or m^2.
    """
    return (predicted - target).square().mean()


def relative_joint_squared_loss(joints: Tensor, target: Tensor) -> Tensor:
    """``joint_3d_norm``: mean squared difference after moving joint 9 to the origin on both sides.

    Args:
        joints: (B, 21, 3) metres.
        target: (B, 21, 3) metres, labels.

    Returns:
        () m^2.
    """
    return joint_squared_loss(_from_knuckle(joints), _from_knuckle(target))


def fitted_joint_loss(joints: Tensor, fitted: Tensor, weight: Tensor) -> Tensor:
    """``fitted_joints``: as ``joint_3d_norm``, to hands that were fitted to the detections beforehand.

    Args:
        joints: (B, 21, 3) metres.
        fitted: (B, 21, 3) metres.
        weight: (B,) 0 where there is no fit; such hands lower the mean.

    Returns:
        () m^2.
    """
    error = (_from_knuckle(joints) - _from_knuckle(fitted)).square().mean((1, 2))
    return (weight * error).mean()


def _from_knuckle(joints: Tensor) -> Tensor:
    """Joints (B, 21, 3) less joint 9."""
    return joints - joints[:, MIDDLE_KNUCKLE : MIDDLE_KNUCKLE + 1]
