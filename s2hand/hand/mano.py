"""The hand layer: pose, shape and rotation in, mesh and joints out (Romero et al. 2017, MANO).

Notation: B batch, V = 778 vertices, J = 16 joints in MANO's order. Column vectors, so a joint's transform
maps x to A x + t. Metres, radians.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..geometry.rotations import axis_angle_to_matrix
from ..skeleton import FINGERTIP_VERTICES, FREIHAND_FROM_MANO_WITH_TIPS
from ..structures import ManoOutput
from .assets import NUM_BETAS, NUM_HAND_JOINTS, NUM_POSE, HandModel

ROOT_AXIS_ANGLE = (math.pi, 0.0, 0.0)
"""The wrist's constant rotation (S2HAND): it turns the rest hand's y and z to a camera's."""

NUM_FINGERS = 5
JOINTS_PER_FINGER = 3

MANO_WITH_TIPS = (0, 1, 2, 3, 17, 4, 5, 6, 18, 7, 8, 9, 20, 10, 11, 12, 19, 13, 14, 15, 16)
"""From 16 joints and the tips of thumb, index, middle, ring, little (16-20) to a tip after each finger."""


class ManoLayer(nn.Module):
    """Linear blend skinning of a hand model.

    The arrays are non-persistent buffers: they follow ``.to()`` but stay out of checkpoints, so that a
    checkpoint never holds the licensed model.
    """

    def __init__(self, model: HandModel, num_pca: int = 30, fingertips: str = "freihand"):
        """
        Args:
            model: the hand's arrays.
            num_pca: how many directions of the pose basis to use, 1..45.
            fingertips: which vertices stand for the tips, a key of ``skeleton.FINGERTIP_VERTICES``.

        Raises:
            ValueError: ``num_pca`` or ``fingertips`` is not one of these.
        """
        super().__init__()
        if not 1 <= num_pca <= NUM_POSE:
            raise ValueError(f"num_pca is {num_pca}, expected 1..{NUM_POSE}")
        if fingertips not in FINGERTIP_VERTICES:
            raise ValueError(f"fingertips is {fingertips!r}, expected one of {sorted(FINGERTIP_VERTICES)}")
        self.num_pca = num_pca
        # All vertex arrays are laid out (3, V): each coordinate of all vertices is one contiguous row.
        template = model.v_template.T
        offsets = [model.shapedirs.transpose(2, 1, 0), model.posedirs.transpose(2, 1, 0)]
        constants = {
            "pose_basis": torch.from_numpy(model.hands_components[:num_pca]),
            "pose_mean": torch.from_numpy(model.hands_mean),
            "vertex_template": torch.from_numpy(template).reshape(-1),
            "vertex_basis": torch.cat([torch.from_numpy(o.reshape(len(o), -1)) for o in offsets]),
            "joint_template": torch.from_numpy(model.J_regressor @ model.v_template).reshape(-1),
            "joint_basis": torch.from_numpy(
                (model.J_regressor @ model.shapedirs.transpose(2, 0, 1)).reshape(NUM_BETAS, -1)
            ),
            "skinning": torch.from_numpy(model.lbs_weights.T),
            "root_axis_angle": torch.tensor(ROOT_AXIS_ANGLE, dtype=torch.float64),
        }
        for name, value in constants.items():
            self.register_buffer(name, value.to(torch.get_default_dtype()).contiguous(), persistent=False)
        order = torch.tensor(MANO_WITH_TIPS)[list(FREIHAND_FROM_MANO_WITH_TIPS)]
        self.register_buffer("joint_order", order, persistent=False)
        self.register_buffer("tip_vertices", torch.tensor(FINGERTIP_VERTICES[fingertips]), persistent=False)
        self.register_buffer("faces", torch.from_numpy(model.faces), persistent=False)

    def forward(self, pose_pca: Tensor, betas: Tensor, rotation: Tensor) -> ManoOutput:
        """Poses the hand, then rotates it about the origin.

        Args:
            pose_pca: (B, num_pca) coefficients of the pose basis, added to the mean pose.
            betas: (B, 10) shape coefficients.
            rotation: (B, 3) axis-angle, radians.

        Returns:
            Vertices, 21 joints in FreiHAND order and all 16 axis-angles; before scale and translation.

        Raises:
            ValueError: An input has the wrong number of columns.
        """
        for name, value, columns in (
            ("pose_pca", pose_pca, self.num_pca),
            ("betas", betas, NUM_BETAS),
            ("rotation", rotation, 3),
        ):
            if value.ndim != 2 or value.shape[1] != columns:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, expected (B, {columns})")
        batch = pose_pca.shape[0]  # not len(): a traced network must take batches of any size
        finger_axis_angle = torch.addmm(self.pose_mean, pose_pca, self.pose_basis).view(batch, -1, 3)
        local = axis_angle_to_matrix(finger_axis_angle)
        vertices = self._blend_shapes(betas, local)
        rest_joints = torch.addmm(self.joint_template, betas, self.joint_basis).view(
            batch, NUM_HAND_JOINTS, 3
        )
        root = axis_angle_to_matrix(rotation)
        rotations, joints = forward_kinematics(
            root @ axis_angle_to_matrix(self.root_axis_angle),
            (root @ rest_joints[:, 0, :, None]).squeeze(-1),
            local,
            rest_joints,
        )
        vertices = skin(vertices, rotations, joints, rest_joints, self.skinning)
        with_tips = torch.cat([joints, vertices[:, self.tip_vertices]], 1)
        root_axis_angle = self.root_axis_angle.expand(batch, 1, 3)
        return ManoOutput(
            vertices=vertices,
            joints=with_tips[:, self.joint_order],
            pose_axis_angle=torch.cat([root_axis_angle, finger_axis_angle], 1),
        )

    def _blend_shapes(self, betas: Tensor, local: Tensor) -> Tensor:
        """The unposed vertices (B, 3, V): template, shape and pose offsets in one product."""
        identity = torch.eye(3, dtype=local.dtype, device=local.device)
        coefficients = torch.cat([betas, (local - identity).flatten(1)], 1)
        return torch.addmm(self.vertex_template, coefficients, self.vertex_basis).unflatten(1, (3, -1))


def forward_kinematics(
    root_rotation: Tensor, root_position: Tensor, local: Tensor, rest_joints: Tensor
) -> tuple[Tensor, Tensor]:
    """Carries rotations along the kinematic tree, all five fingers at once.

    Args:
        root_rotation: (B, 3, 3) of the wrist.
        root_position: (B, 3) metres, where the wrist comes to lie.
        local: (B, 15, 3, 3) rotations of the finger joints relative to their parents.
        rest_joints: (B, 16, 3) metres.

    Returns:
        (B, 16, 3, 3) rotations and (B, 16, 3) positions of all joints.
    """
    chains = local.unflatten(1, (NUM_FINGERS, JOINTS_PER_FINGER))
    rest = rest_joints[:, 1:].unflatten(1, (NUM_FINGERS, JOINTS_PER_FINGER))
    rotation, position, rest_parent = root_rotation[:, None], root_position[:, None], rest_joints[:, :1]
    rotations, positions = [], []
    for level in range(JOINTS_PER_FINGER):
        bone = rest[:, :, level] - rest_parent
        position = position + (rotation * bone[:, :, None]).sum(-1)
        rotation = rotation @ chains[:, :, level]
        rest_parent = rest[:, :, level]
        rotations.append(rotation)
        positions.append(position)
    finger_rotations = torch.stack(rotations, 2).flatten(1, 2)
    finger_positions = torch.stack(positions, 2).flatten(1, 2)
    return (
        torch.cat([root_rotation[:, None], finger_rotations], 1),
        torch.cat([root_position[:, None], finger_positions], 1),
    )


def skin(
    vertices: Tensor, rotations: Tensor, joints: Tensor, rest_joints: Tensor, skinning: Tensor
) -> Tensor:
    """Linear blend skinning: each vertex moves by the weighted mean of the joints' transforms.

    Args:
        vertices: (B, 3, V) metres, unposed.
        rotations: (B, 16, 3, 3) of the joints.
        joints: (B, 16, 3) metres, posed.
        rest_joints: (B, 16, 3) metres.
        skinning: (16, V) weights.

    Returns:
        (B, V, 3) metres.
    """
    offsets = joints - (rotations * rest_joints[:, :, None]).sum(-1)
    transforms = torch.cat([rotations, offsets[..., None]], -1)
    blended = (transforms.flatten(2).transpose(1, 2) @ skinning).unflatten(1, (3, 4))
    # By columns, moved = t + A_x x + A_y y + A_z z: no (B, 3, 3, V) products are kept for the backward pass.
    *columns, moved = blended.unbind(2)
    for column, coordinate in zip(columns, vertices.unsqueeze(2).unbind(1), strict=True):
        moved = torch.addcmul(moved, column, coordinate)
    return moved.transpose(1, 2)
