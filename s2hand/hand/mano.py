"""The hand layer: pose, shape and rotation in, mesh and joints out (Romero et al. 2017, MANO).

Notation: B batch, V = 778 vertices, J = 16 joints in MANO's order. Column vectors, so a joint's transform
maps x to A x + t. Metres, radians.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.assets import MANO_PARENTS, NUM_BETAS, NUM_HAND_JOINTS, NUM_POSE, HandModel
from s2hand.skeleton import FINGERTIP_VERTICES, FREIHAND_FROM_MANO_WITH_TIPS
from s2hand.structures import ManoOutput

ROOT_AXIS_ANGLE = (math.pi, 0.0, 0.0)
"""The wrist's constant rotation (S2HAND): it turns the rest hand's y and z to a camera's."""

KERNEL_INPUTS = (torch.float32, torch.float16, torch.bfloat16)
"""Dtypes that the kernels accept; they compute in the first."""

NUM_FINGERS = 5
JOINTS_PER_FINGER = 3

MANO_WITH_TIPS = (0, 1, 2, 3, 17, 4, 5, 6, 18, 7, 8, 9, 20, 10, 11, 12, 19, 13, 14, 15, 16)
"""From 16 joints and the tips of thumb, index, middle, ring, little (16-20) to a tip after each finger."""


class ManoLayer(nn.Module):
    """Linear blend skinning of a hand model.

    The arrays are non-persistent buffers: they follow ``.to()`` but stay out of checkpoints, so that a
    checkpoint never holds the licensed model.
    """

    pose_basis: Tensor
    pose_mean: Tensor
    vertex_template: Tensor
    vertex_basis: Tensor
    skeleton_template: Tensor
    skeleton_basis: Tensor
    skinning: Tensor
    root_axis_angle: Tensor
    root_matrix: Tensor
    joint_order: Tensor
    tip_vertices: Tensor
    faces: Tensor

    def __init__(self, model: HandModel, num_pca: int = 30, fingertips: str = "freihand"):
        """
        Args:
            model: the hand's arrays.
            num_pca: number of directions of the pose basis, 1..45.
            fingertips: the vertices that stand for the tips, as a key of ``skeleton.FINGERTIP_VERTICES``.

        Raises:
            ValueError: ``num_pca`` is out of range, or ``fingertips`` unknown.
        """
        super().__init__()
        if not 1 <= num_pca <= NUM_POSE:
            raise ValueError(f"num_pca is {num_pca}, expected 1..{NUM_POSE}")
        if fingertips not in FINGERTIP_VERTICES:
            raise ValueError(f"fingertips is {fingertips!r}, expected one of {sorted(FINGERTIP_VERTICES)}")
        self.num_pca = num_pca
        # All vertex arrays are laid out (3, V): each coordinate of all vertices is one contiguous row.
        template = model.v_template.T
        shape_offsets, pose_offsets = (
            basis.transpose(2, 1, 0).reshape(basis.shape[-1], -1)
            for basis in (model.shapedirs, model.posedirs)
        )
        # Pose offsets are linear in the joints' rotation matrices less the identity, which goes in here.
        identities = np.tile(np.eye(3).ravel(), NUM_HAND_JOINTS - 1)
        joints = np.concatenate([model.v_template[..., None], model.shapedirs], -1)
        joints = np.tensordot(model.J_regressor, joints, 1).transpose(2, 0, 1)  # (1 + 10, 16, 3)
        bones = joints[:, 1:] - joints[:, list(MANO_PARENTS[1:])]
        skeleton = np.concatenate([joints, bones], 1).reshape(1 + NUM_BETAS, -1)
        root_axis_angle = torch.tensor(ROOT_AXIS_ANGLE, dtype=torch.float64)
        constants = {
            "pose_basis": torch.from_numpy(model.hands_components[:num_pca]),
            "pose_mean": torch.from_numpy(model.hands_mean),
            "vertex_template": torch.from_numpy(template.reshape(-1) - identities @ pose_offsets),
            "vertex_basis": torch.from_numpy(np.concatenate([shape_offsets, pose_offsets])),
            "skeleton_template": torch.from_numpy(skeleton[0]),
            "skeleton_basis": torch.from_numpy(skeleton[1:]),
            "skinning": torch.from_numpy(model.lbs_weights.T),
            "root_axis_angle": root_axis_angle,
            "root_matrix": axis_angle_to_matrix(root_axis_angle),
        }
        for name, value in constants.items():
            self.register_buffer(name, value.to(torch.get_default_dtype()).contiguous(), persistent=False)
        order = torch.tensor(MANO_WITH_TIPS)[list(FREIHAND_FROM_MANO_WITH_TIPS)]
        self.register_buffer("joint_order", order, persistent=False)
        self.register_buffer("tip_vertices", torch.tensor(FINGERTIP_VERTICES[fingertips]), persistent=False)
        # For the kernels alone: the place of each joint, the tips in 32 bits, the root's constants together.
        self.register_buffer("joint_slots", order.argsort().int(), persistent=False)
        self.register_buffer("tip_numbers", self.tip_vertices.int(), persistent=False)
        root = torch.cat([self.root_axis_angle[None], self.root_matrix])
        self.register_buffer("root", root, persistent=False)
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
            ValueError: An input has the wrong number of columns, or not as many rows as the others.
        """
        for name, value, columns in (
            ("pose_pca", pose_pca, self.num_pca),
            ("betas", betas, NUM_BETAS),
            ("rotation", rotation, 3),
        ):
            if value.ndim != 2 or value.shape[1] != columns:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, expected (B, {columns})")
            if value.shape[0] != pose_pca.shape[0]:
                raise ValueError(f"{name} has {value.shape[0]} rows, expected pose_pca's {pose_pca.shape[0]}")
        if self._kernels_apply(pose_pca, betas, rotation):
            return self._by_kernels(pose_pca, betas, rotation)
        return self.plain(pose_pca, betas, rotation)

    def _kernels_apply(self, *inputs: Tensor) -> bool:
        """The one place that chooses between the kernels and :meth:`plain`.

        The kernels compute values and first derivatives in float32, on the CPU and on CUDA. The plain
        operations serve float64, export to ONNX and TorchScript, which know no operators of ours, and the
        transforms of torch.func.
        """
        device = self.skinning.device
        return (
            self.skinning.dtype == torch.float32
            and device.type in ("cpu", "cuda")
            and all(value.device == device and value.dtype in KERNEL_INPUTS for value in inputs)
            and not (torch.jit.is_tracing() or torch.onnx.is_in_onnx_export())
            and (torch.compiler.is_compiling() or not torch._C._are_functorch_transforms_active())
        )

    def _by_kernels(self, pose_pca: Tensor, betas: Tensor, rotation: Tensor) -> ManoOutput:
        # Imported at first use, as a process that only reads a layer's arrays needs no Warp.
        from s2hand.hand.mano_operator import pose_hand_op

        vertices, joints, pose_axis_angle, *_ = pose_hand_op(
            *(value.float() for value in (pose_pca, betas, rotation)),
            *(self.pose_basis, self.pose_mean, self.skeleton_basis, self.skeleton_template),
            *(self.vertex_basis, self.vertex_template, self.skinning),
            *(self.root, self.tip_numbers, self.joint_slots),
        )
        return ManoOutput(vertices=vertices, joints=joints, pose_axis_angle=pose_axis_angle)

    def plain(self, pose_pca: Tensor, betas: Tensor, rotation: Tensor) -> ManoOutput:
        """:meth:`forward` in PyTorch's own operations, in any precision, differentiable any number of times.

        Args:
            pose_pca: (B, num_pca).
            betas: (B, 10).
            rotation: (B, 3).

        Returns:
            The same.
        """
        batch = pose_pca.shape[0]  # not len(): a traced network must take batches of any size
        fingers = torch.addmm(self.pose_mean, pose_pca, self.pose_basis)
        finger_axis_angle = fingers.view(batch, NUM_HAND_JOINTS - 1, 3)
        matrices = axis_angle_to_matrix(torch.cat([rotation[:, None], finger_axis_angle], 1))
        turn, local = matrices[:, 0], matrices[:, 1:]
        # Template, shape and pose offsets in one product.
        coefficients = torch.cat([betas, local.flatten(1)], 1)
        vertices = torch.addmm(self.vertex_template, coefficients, self.vertex_basis).unflatten(1, (3, -1))
        skeleton = torch.addmm(self.skeleton_template, betas, self.skeleton_basis).unflatten(1, (-1, 3))
        rest_joints, bones = skeleton[:, :NUM_HAND_JOINTS], skeleton[:, NUM_HAND_JOINTS:]
        root_position = (turn @ rest_joints[:, 0, :, None]).squeeze(-1)
        rotations, joints = forward_kinematics(turn @ self.root_matrix, root_position, local, bones)
        vertices = skin(vertices, rotations, joints, rest_joints, self.skinning)
        with_tips = torch.cat([joints, vertices.index_select(1, self.tip_vertices)], 1)
        root_axis_angle = self.root_axis_angle.expand(batch, 1, 3)
        return ManoOutput(
            vertices=vertices,
            joints=with_tips.index_select(1, self.joint_order),
            pose_axis_angle=torch.cat([root_axis_angle, finger_axis_angle], 1),
        )


def forward_kinematics(
    root_rotation: Tensor, root_position: Tensor, local: Tensor, bones: Tensor
) -> tuple[Tensor, Tensor]:
    """Propagates rotations along the kinematic tree, for all five fingers at once.

    Args:
        root_rotation: (B, 3, 3), the wrist's rotation.
        root_position: (B, 3) metres, the wrist's position.
        local: (B, 15, 3, 3), rotations of the finger joints relative to their parents.
        bones: (B, 15, 3) metres, from each joint's parent to the joint, at rest.

    Returns:
        (B, 16, 3, 3) rotations and (B, 16, 3) positions of all joints.
    """
    fingers = (NUM_FINGERS, JOINTS_PER_FINGER)
    rotation, levels = root_rotation[:, None], []
    for level in local.unflatten(1, fingers).unbind(2):
        rotation = rotation @ level
        levels.append(rotation)
    of_root = root_rotation[:, None].expand_as(levels[0])
    of_parents = torch.stack([of_root, *levels[:-1]], 2)
    turned = (of_parents @ bones.unflatten(1, fingers)[..., None]).squeeze(-1)
    positions = root_position[:, None, None] + turned.cumsum(2)
    return (
        torch.cat([root_rotation[:, None], torch.stack(levels, 2).flatten(1, 2)], 1),
        torch.cat([root_position[:, None], positions.flatten(1, 2)], 1),
    )


def skin(
    vertices: Tensor, rotations: Tensor, joints: Tensor, rest_joints: Tensor, skinning: Tensor
) -> Tensor:
    """Linear blend skinning: each vertex moves by the weighted mean of the joints' transforms.

    Args:
        vertices: (B, 3, V) metres, unposed.
        rotations: (B, 16, 3, 3), rotations of the joints.
        joints: (B, 16, 3) metres, posed.
        rest_joints: (B, 16, 3) metres.
        skinning: (16, V) weights.

    Returns:
        (B, V, 3) metres.
    """
    offsets = joints - (rotations @ rest_joints[..., None]).squeeze(-1)
    transforms = torch.cat([rotations, offsets[..., None]], -1)
    blended = (transforms.flatten(2).transpose(1, 2) @ skinning).unflatten(1, (3, 4))
    # By columns, moved = t + A_x x + A_y y + A_z z: no (B, 3, 3, V) products are kept for the backward pass.
    *columns, moved = blended.unbind(2)
    for column, coordinate in zip(columns, vertices.unsqueeze(2).unbind(1), strict=True):
        moved = torch.addcmul(moved, column, coordinate)
    return moved.transpose(1, 2)
