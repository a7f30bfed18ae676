"""The hand layer as one PyTorch operator: matrix products, with Warp kernels between them.

On CUDA it launches eleven kernels forward and backward, where the plain layer launches 178. Besides the
inputs it keeps each hand's unposed vertices and 475 more floats for the backward pass.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from s2hand.hand.joint_kernels import pose_joints, pose_joints_backward
from s2hand.hand.skinning_kernels import skin_vertices, skin_vertices_backward
from s2hand.kernels.launch import as_argument, launch_over_items, operator

JOINTS = 16
OUTPUT_JOINTS = 21


@operator("pose_hand")
def pose_hand_op(
    pose_pca: Tensor,
    betas: Tensor,
    rotation: Tensor,
    pose_basis: Tensor,
    pose_mean: Tensor,
    skeleton_basis: Tensor,
    skeleton_template: Tensor,
    vertex_basis: Tensor,
    vertex_template: Tensor,
    skinning: Tensor,
    root: Tensor,
    tips: Tensor,
    slots: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Returns vertices, joints and axis-angles, then what the backward pass needs. See :class:`ManoLayer`."""
    outputs = _empty_outputs(pose_pca, skinning)
    vertices, joints, axis_angles, fingers, skeleton, coefficients, transforms, rest = outputs
    # With out=, autocast leaves the products in float32.
    torch.addmm(pose_mean, pose_pca, pose_basis, out=fingers)
    torch.addmm(skeleton_template, betas, skeleton_basis, out=skeleton)
    turn = as_argument(rotation.contiguous(), wp.vec3)
    inputs = [_vectors(fingers), turn, as_argument(betas), _vectors(skeleton)]
    constants = [as_argument(root, wp.vec3), as_argument(slots)]
    transforms_w, joints_w = as_argument(transforms), as_argument(joints, wp.vec3)
    written = [as_argument(coefficients), transforms_w, joints_w, as_argument(axis_angles, wp.vec3)]
    launch_over_items(pose_joints, (), [*inputs, *constants, *written], vertices)
    torch.addmm(vertex_template, coefficients, vertex_basis, out=rest.flatten(1))
    run, grid = _runs(vertices)
    skin = [run, as_argument(rest), transforms_w, *(as_argument(t) for t in (skinning, tips, slots))]
    launch_over_items(skin_vertices, grid, [*skin, as_argument(vertices, wp.vec3), joints_w], vertices)
    return outputs


def _empty_outputs(pose_pca: Tensor, skinning: Tensor) -> tuple[Tensor, ...]:
    batch, (joints, vertices) = pose_pca.shape[0], skinning.shape
    shapes = {
        "vertices": (vertices, 3),
        "joints": (OUTPUT_JOINTS, 3),
        "axis_angles": (joints, 3),
        "fingers": (3 * (joints - 1),),
        "skeleton": (3 * (2 * joints - 1),),
        "coefficients": (10 + 9 * (joints - 1),),
        "transforms": (12, joints),
        "rest": (3, vertices),
    }
    return tuple(pose_pca.new_empty((batch, *shape)) for shape in shapes.values())


def _vectors(tensor: Tensor):
    """(B, 3 N) floats as an array of (B, N) vectors."""
    return as_argument(tensor.unflatten(1, (-1, 3)), wp.vec3)


def _runs(vertices: Tensor) -> tuple[int, tuple[int]]:
    """The number of vertices per thread, and of threads per hand."""
    count = vertices.shape[1]
    return (count, (1,)) if vertices.device.type == "cpu" else (1, (count,))


@torch.library.register_fake("s2hand::pose_hand")
def _(pose_pca, *constants):
    return _empty_outputs(pose_pca, constants[8])


@operator("pose_hand_backward")
def pose_hand_backward_op(
    rotation: Tensor,
    fingers: Tensor,
    skeleton: Tensor,
    coefficients: Tensor,
    transforms: Tensor,
    rest: Tensor,
    pose_basis: Tensor,
    skeleton_basis: Tensor,
    vertex_basis: Tensor,
    skinning: Tensor,
    root: Tensor,
    tips: Tensor,
    slots: Tensor,
    grad_vertices: Tensor,
    grad_joints: Tensor,
    grad_axis_angles: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of pose_pca, betas and rotation."""
    batch, num_vertices = len(rest), rest.shape[-1]
    grad_vertices, of_joints, of_axis_angles = (
        as_argument(gradient.contiguous(), wp.vec3)
        for gradient in (grad_vertices, grad_joints, grad_axis_angles)
    )
    grad_rest, grad_blended = torch.empty_like(rest), rest.new_empty((batch, 12, num_vertices))
    transforms_w, slots_w = as_argument(transforms), as_argument(slots)
    run, grid = _runs(rest.transpose(1, 2))
    skin = [run, as_argument(rest), transforms_w, as_argument(skinning), as_argument(tips), slots_w]
    upstream = [grad_vertices, of_joints]
    written = [as_argument(grad_rest), as_argument(grad_blended)]
    launch_over_items(skin_vertices_backward, grid, [*skin, *upstream, *written], rest)

    # With out=, autocast leaves the products in float32.
    grad_transforms, grad_coefficients = torch.empty_like(transforms), torch.empty_like(coefficients)
    torch.mm(grad_blended.view(-1, num_vertices), skinning.t(), out=grad_transforms.view(-1, JOINTS))
    torch.mm(grad_rest.flatten(1), vertex_basis.t(), out=grad_coefficients)

    grad_fingers, grad_skeleton = torch.empty_like(fingers), torch.empty_like(skeleton)
    grad_pose, grad_betas = (
        rest.new_empty((batch, len(pose_basis))),
        rest.new_empty((batch, len(skeleton_basis))),
    )
    grad_rotation = torch.empty_like(rotation, memory_format=torch.contiguous_format)
    turn = as_argument(rotation.contiguous(), wp.vec3)
    inputs = [_vectors(fingers), turn, _vectors(skeleton), as_argument(root, wp.vec3), slots_w]
    forward = [as_argument(coefficients), transforms_w]
    upstream = [as_argument(grad_coefficients), as_argument(grad_transforms), of_joints, of_axis_angles]
    written = [_vectors(grad_fingers), as_argument(grad_rotation, wp.vec3), _vectors(grad_skeleton)]
    launch_over_items(pose_joints_backward, (), [*inputs, *forward, *upstream, *written], rest)
    torch.mm(grad_fingers, pose_basis.t(), out=grad_pose)
    of_betas = grad_coefficients[:, : len(skeleton_basis)]
    torch.addmm(of_betas, grad_skeleton, skeleton_basis.t(), out=grad_betas)
    return grad_pose, grad_betas, grad_rotation


@torch.library.register_fake("s2hand::pose_hand_backward")
def _(rotation, fingers, *rest):
    pose_basis, skeleton_basis = rest[4], rest[5]
    batch = rotation.shape[0]
    return (
        rotation.new_empty((batch, pose_basis.shape[0])),
        rotation.new_empty((batch, skeleton_basis.shape[0])),
        rotation.new_empty((batch, 3)),
    )


def _setup_context(ctx, inputs, output):
    rotation, pose_basis, skeleton_basis, vertex_basis = inputs[2], inputs[3], inputs[5], inputs[7]
    ctx.mark_non_differentiable(*output[3:])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(rotation, *output[3:], pose_basis, skeleton_basis, vertex_basis, *inputs[9:])


def _backward(ctx, grad_vertices, grad_joints, grad_axis_angles, *_):
    saved = ctx.saved_tensors
    rest = saved[5]
    upstream = [
        rest.new_zeros((rest.shape[0], count, 3)) if gradient is None else gradient
        for gradient, count in (
            (grad_vertices, rest.shape[2]),
            (grad_joints, OUTPUT_JOINTS),
            (grad_axis_angles, JOINTS),
        )
    ]
    gradients = pose_hand_backward_op(*saved, *upstream)
    return *gradients, *[None] * 10


def _no_second_derivative(ctx, *_):
    raise RuntimeError(
        "the hand layer's kernels have no second derivatives: differentiate once, without create_graph, "
        "or call ManoLayer.plain, which has them"
    )


torch.library.register_autograd("s2hand::pose_hand", _backward, setup_context=_setup_context)
torch.library.register_autograd("s2hand::pose_hand_backward", _no_second_derivative)
