"""The joint chain gives the hand layer's joints, and derivatives that finite differences confirm."""

import numpy as np
import pytest
import torch

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import ManoLayer, sample_poses
from s2hand.hand.joint_chain import BONE_FRAMES, NUM_PARAMETERS, JointChain
from s2hand.skeleton import FINGERTIPS


def random_hands(count, dtype=torch.float64):
    random = torch.Generator().manual_seed(1)
    angles = torch.from_numpy(sample_poses(1, count)).to(dtype).unflatten(-1, (15, 3))
    betas = torch.randn(count, 10, generator=random).to(dtype)
    return angles, betas, torch.randn(count, 3, generator=random).to(dtype)


@pytest.mark.parametrize("fingertips", ["freihand", "s2hand"])
@pytest.mark.parametrize("model", ["generic_model", "random_model"])
def test_joints_are_the_layers(model, fingertips, request):
    model = request.getfixturevalue(model)
    layer = ManoLayer(model, 45, fingertips).double()
    angles, betas, rotation = random_hands(6)
    coefficients = torch.linalg.solve(layer.pose_basis.T, (angles.flatten(1) - layer.pose_mean).T).T
    expected = layer.plain(coefficients, betas, rotation).joints
    joints = JointChain(model, fingertips).double()(angles, betas, axis_angle_to_matrix(rotation))
    torch.testing.assert_close(joints, expected, rtol=1e-5, atol=1e-7)


def test_offsets_are_fixed_to_their_bones(generic_model):
    offsets = np.zeros((21, 3))
    offsets[6] = (0.01, 0, 0)
    chain = JointChain(generic_model, offsets=offsets).double()
    angles, betas, rotation = random_hands(4)
    joints, points = chain.joints_and_points(angles, betas, axis_angle_to_matrix(rotation))
    moved = (points - joints).norm(dim=-1)
    torch.testing.assert_close(moved[:, 6], torch.full((4,), 0.01, dtype=torch.float64))
    assert moved[:, [joint for joint in range(21) if joint != 6]].max() < 1e-12
    # The bone that ends in the index finger's second joint turns with the first one, not with the second.
    turned = angles.clone()
    turned[:, 1] += 0.5
    again = chain.joints_and_points(turned, betas, axis_angle_to_matrix(rotation))
    torch.testing.assert_close((again[1] - again[0])[:, 6], (points - joints)[:, 6])
    assert BONE_FRAMES[6] == 1


def test_derivatives(generic_model):
    offsets = np.random.default_rng(0).normal(0, 0.01, (21, 3))
    chain = JointChain(generic_model, offsets=offsets).double()
    angles, betas, rotation = (value[:1] for value in random_hands(1))
    matrix = axis_angle_to_matrix(rotation)

    def points(step):
        turn = axis_angle_to_matrix(step[None, 55:])
        return chain(angles + step[:45].view(1, 15, 3), betas + step[None, 45:55], turn @ matrix)[0]

    expected = torch.autograd.functional.jacobian(points, torch.zeros(NUM_PARAMETERS, dtype=torch.float64))
    found = chain.with_jacobian(angles, betas, matrix)[1][0]
    joints = [joint for joint in range(21) if joint not in FINGERTIPS]
    torch.testing.assert_close(found[joints], expected[joints], rtol=1e-5, atol=1e-7)
    # Tips are taken as rigid: a hundredth of the longest lever.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
