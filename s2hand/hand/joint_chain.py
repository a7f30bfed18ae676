"""The 21 joints of a posed hand without its mesh, with analytic derivatives.

Notation: B batch, P = 58 parameters of a hand in the order 45 finger angles, 10 betas, 3 of the global
rotation. A finger joint's rotation is R(a), a its axis-angle vector; G is a joint's rotation with those of
all its parents. Metres, radians, MANO's joint order for angles and FreiHAND's for the joints that come out.

Lifting and refinement follow joints alone, thousands of hands at a time: skinning 778 vertices for five
fingertips would be most of their work.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.geometry.rotations import SMALL_HALF_ANGLE_SQUARED, axis_angle_to_matrix, cross_matrix
from s2hand.hand.assets import MANO_PARENTS, NUM_BETAS, NUM_HAND_JOINTS, NUM_POSE, HandModel
from s2hand.hand.mano import (
    JOINTS_PER_FINGER,
    MANO_WITH_TIPS,
    NUM_FINGERS,
    ROOT_AXIS_ANGLE,
    forward_kinematics,
    skin,
)
from s2hand.skeleton import FINGERTIP_VERTICES, FREIHAND_FROM_MANO_WITH_TIPS

NUM_PARAMETERS = NUM_POSE + NUM_BETAS + 3

THUMB_TO_LITTLE = (15, 3, 6, 12, 9)
"""The end joint of thumb, index, middle, ring and little finger in MANO's order: the tips' parents."""

_ORDER = tuple(MANO_WITH_TIPS[place] for place in FREIHAND_FROM_MANO_WITH_TIPS)
_FRAMES = tuple(max(parent, 0) for parent in MANO_PARENTS) + THUMB_TO_LITTLE
BONE_FRAMES = tuple(_FRAMES[joint] for joint in _ORDER)
"""For each of the 21 joints in FreiHAND order, the MANO joint whose rotation its bone follows."""


class JointChain(nn.Module):
    """Joints of a hand model from pose, shape and rotation; equal to ``ManoLayer``'s, in any precision.

    Args:
        model: the hand's arrays.
        fingertips: which vertices stand for the tips, a key of ``skeleton.FINGERTIP_VERTICES``.
        offsets: (21, 3) metres, FreiHAND order: points that are fixed to the skeleton beside its joints, each
            in the frame of the bone that ends in it (``BONE_FRAMES``), as a detector's landmarks are. None:
            the joints themselves.
    """

    def __init__(self, model: HandModel, fingertips: str = "freihand", offsets: np.ndarray | None = None):
        super().__init__()
        tips = list(FINGERTIP_VERTICES[fingertips])
        rest = np.tensordot(
            model.J_regressor, np.concatenate([model.v_template[..., None], model.shapedirs], -1), 1
        ).transpose(2, 0, 1)  # (1 + 10, 16, 3): template and shape directions
        bones = rest[:, 1:] - rest[:, list(MANO_PARENTS[1:])]
        tip_shape = np.concatenate([model.v_template[tips][..., None], model.shapedirs[tips]], -1)
        constants = {
            "rest_joints": rest,
            "bones": bones,
            "tips": tip_shape.transpose(2, 1, 0),  # (11, 3, 5)
            "tip_pose": model.posedirs[tips].transpose(2, 1, 0).reshape(-1, 3 * len(tips)),
            "tip_weights": model.lbs_weights[tips].T,
            "offsets": np.zeros((len(_ORDER), 3)) if offsets is None else np.asarray(offsets),
            "moves": _moves(),
        }
        for name, value in constants.items():
            tensor = torch.from_numpy(np.ascontiguousarray(value)).to(torch.get_default_dtype())
            self.register_buffer(name, tensor, persistent=False)
        root = axis_angle_to_matrix(torch.tensor(ROOT_AXIS_ANGLE, dtype=torch.float64))
        self.register_buffer("root", root.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("order", torch.tensor(_ORDER), persistent=False)
        self.register_buffer("frames", torch.tensor(BONE_FRAMES), persistent=False)

    def forward(self, angles: Tensor, betas: Tensor, rotation: Tensor) -> Tensor:
        """Poses the hand, then rotates it about the origin.

        Args:
            angles: (B, 15, 3) axis-angles of the finger joints, radians, MANO order.
            betas: (B, 10).
            rotation: (B, 3, 3) global rotation.

        Returns:
            (B, 21, 3) metres, FreiHAND order, with the offsets.
        """
        return self._pose(angles, betas, rotation)[0]

    def joints_and_points(self, angles: Tensor, betas: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
        """The joints and the points beside them, each (B, 21, 3) metres; arguments as :meth:`forward`."""
        points, rotations, _ = self._pose(angles, betas, rotation)
        return points - self._turned_offsets(rotations), points

    def with_jacobian(self, angles: Tensor, betas: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
        """The points and their derivatives.

        The tips' small corrective offsets and the blending of their skin are taken as rigid in the
        derivatives (Gauss-Newton only needs a descent direction; the points themselves are exact).

        Args:
            angles: (B, 15, 3).
            betas: (B, 10).
            rotation: (B, 3, 3).

        Returns:
            (B, 21, 3) and (B, 21, 3, 58); the last three columns are of w in exp([w]x) rotation.
        """
        points, rotations, joints = self._pose(angles, betas, rotation)
        # A point moves by (G J(a) da) x (point - joint) as a joint that carries it turns by da.
        turns = rotations[:, 1:] @ right_jacobian(angles)  # (B, 15, 3, 3)
        arms = (points[:, :, None] - joints[:, None, 1:]) * self.moves[..., None]  # (B, 21, 15, 3)
        of_angles = torch.linalg.cross(
            turns.transpose(-1, -2)[:, None], arms[..., None, :].expand(-1, -1, -1, 3, -1)
        )  # (B, 21, 15, parameter, xyz)
        of_angles = of_angles.flatten(2, 3).transpose(-1, -2)
        of_rotation = -cross_matrix(points)
        return points, torch.cat([of_angles, self._shape_jacobian(rotation, rotations), of_rotation], -1)

    def _pose(self, angles: Tensor, betas: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, 21, 3) in FreiHAND order, rotations (B, 16, 3, 3) and joints (B, 16, 3) in MANO's."""
        local = axis_angle_to_matrix(angles)
        coefficients = torch.cat([torch.ones_like(betas[:, :1]), betas], 1)
        rest, bones, tips = (
            torch.einsum("bk,k...->b...", coefficients, basis)
            for basis in (self.rest_joints, self.bones, self.tips)
        )
        origin = (rotation @ rest[:, 0, :, None]).squeeze(-1)
        rotations, joints = forward_kinematics(rotation @ self.root, origin, local, bones)
        identity = torch.eye(3, dtype=local.dtype, device=local.device)
        tips = tips + ((local - identity).flatten(1) @ self.tip_pose).unflatten(1, (3, -1))
        tips = skin(tips, rotations, joints, rest, self.tip_weights)
        points = torch.cat([joints, tips], 1)[:, self.order]
        return points + self._turned_offsets(rotations), rotations, joints

    def _turned_offsets(self, rotations: Tensor) -> Tensor:
        return (rotations[:, self.frames] @ self.offsets[..., None]).squeeze(-1)

    def _shape_jacobian(self, rotation: Tensor, rotations: Tensor) -> Tensor:
        """(B, 21, 3, 10) derivatives of the points by the betas."""
        origin = torch.einsum("bij,kj->bik", rotation, self.rest_joints[1:, 0])
        # The tips' own bones: from the end joint at rest, turned with it.
        ends = torch.tensor(THUMB_TO_LITTLE, device=rotation.device)
        tip_bones = self.tips[1:].transpose(1, 2) - self.rest_joints[1:, ends]
        parents = torch.tensor(MANO_PARENTS[1:], device=rotation.device)
        turned = torch.einsum("bjmn,kjn->bjmk", rotations[:, parents], self.bones[1:])
        chains = turned.unflatten(1, (NUM_FINGERS, JOINTS_PER_FINGER)).cumsum(2).flatten(1, 2)
        of_joints = torch.cat([origin[:, None], origin[:, None] + chains], 1)
        of_tips = of_joints[:, ends] + torch.einsum("bjmn,kjn->bjmk", rotations[:, ends], tip_bones)
        return torch.cat([of_joints, of_tips], 1)[:, self.order]


def right_jacobian(axis_angle: Tensor) -> Tensor:
    """J with R(a + da) = R(a) exp([J da]x) to first order.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3).
    """
    squared = axis_angle.square().sum(-1, keepdim=True)[..., None]
    small = squared < 4 * SMALL_HALF_ANGLE_SQUARED
    safe = squared.clamp(min=4 * SMALL_HALF_ANGLE_SQUARED)
    angle = safe.sqrt()
    first = torch.where(small, 0.5 - squared / 24, 2 * (angle / 2).sin().square() / safe)
    second = torch.where(small, 1 / 6 - squared / 120, (angle - angle.sin()) / (safe * angle))
    cross = cross_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity - first * cross + second * (cross @ cross)


def _moves() -> np.ndarray:
    """(21, 15): 1 where a finger joint, in MANO's order, carries a point of FreiHAND's order."""
    carried = np.zeros((len(_ORDER), NUM_HAND_JOINTS - 1))
    for point, frame in enumerate(BONE_FRAMES):
        while frame > 0:
            carried[point, frame - 1] = 1
            frame = MANO_PARENTS[frame]
    return carried
