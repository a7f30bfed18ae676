"""Bone directions of 3D landmarks: against a loop, and what does not matter."""

import math

import numpy as np
import pytest
import torch

from s2hand.losses.world import world_bone_loss
from s2hand.skeleton import BONES


@pytest.fixture
def hands():
    """joints, landmarks (2, 21, 3) metres and confidence (2, 21), float64."""
    generator = torch.Generator().manual_seed(0)
    joints, world = 0.1 * torch.randn(2, 2, 21, 3, generator=generator, dtype=torch.float64)
    return joints, world, torch.rand(2, 21, generator=generator, dtype=torch.float64)


def test_the_loss_equals_a_loop(hands):
    joints, world, confidence = hands
    total = 0.0
    for sample in range(2):
        for parent, child in BONES:
            directions = []
            for points in (joints, world):
                bone = (points[sample, child] - points[sample, parent]).numpy()
                directions.append(bone / np.linalg.norm(bone))
            weight = float(confidence[sample, parent] * confidence[sample, child])
            total += weight * math.dist(*directions) ** 2
    assert float(world_bone_loss(*hands)) == pytest.approx(total / 40, rel=1e-12)


def test_sizes_places_and_unknown_joints_do_not_matter(hands):
    joints, world, confidence = hands
    confidence[1] = 0
    loss = world_bone_loss(joints, world, confidence)
    other = torch.stack([1.7 * world[0] + 0.3, torch.zeros(21, 3, dtype=torch.float64)])
    torch.testing.assert_close(world_bone_loss(2 * joints - 1, other, confidence), loss)
    assert world_bone_loss(joints, joints, confidence) == 0


def test_gradients_equal_finite_differences_and_collapsed_bones_have_some(hands):
    joints, world, confidence = hands
    assert torch.autograd.gradcheck(lambda j: world_bone_loss(j, world, confidence), joints.requires_grad_())
    collapsed = torch.zeros(2, 21, 3, requires_grad=True)
    loss = world_bone_loss(collapsed, world.float(), confidence.float())
    assert torch.autograd.grad(loss, collapsed)[0].isfinite().all()
