"""Priors: the published angle ranges, sizes, and their gradients."""

import math

import pytest
import torch

from s2hand.losses import priors


def test_angles_inside_their_ranges_cost_nothing():
    ranges = torch.tensor(priors.ANGLE_RANGES_DEG[1:], dtype=torch.float64)
    for pick in (ranges[..., 0], ranges[..., 1], ranges.mean(-1)):
        pose = torch.cat([torch.tensor([[math.pi, 0, 0]], dtype=torch.float64), torch.deg2rad(pick)])
        assert priors.joint_angle_loss(pose[None]) == 0


@pytest.mark.parametrize(
    ("joint", "component", "degrees", "excess"),
    [
        (1, 0, 6, 1),  # index base, first component
        (1, 1, 12, 2),  # index base spreads to 10 degrees ...
        (2, 1, 12, 7),  # ... its middle joint to 5
        (3, 2, 101, 2 * 1),  # flexion counts twice
        (3, 2, -14, 2 * 4),
        (7, 0, -18, 0),  # little base
        (7, 0, 7, 2),
        (7, 1, -12, 2),
        (7, 1, 19, 0),
        (10, 1, -11, 1),  # ring base
        (13, 0, 95, 5),  # thumb base
        (13, 1, 34.75, 1),
        (14, 2, 23.5, 2 * 1),
        (15, 2, -21, 2 * 1),
        (15, 2, 99, 0),
        (0, 0, 300, 0),  # the root is free
    ],
)
def test_excess_over_a_range(joint, component, degrees, excess):
    pose = torch.zeros(1, 16, 3, dtype=torch.float64)
    pose[0, joint, component] = math.radians(degrees)
    assert float(priors.joint_angle_loss(pose)) == pytest.approx(math.radians(excess) / 48, abs=1e-15)


def test_scale_losses():
    joints = torch.zeros(2, 21, 3)
    joints[0, 10, 1] = 0.0302
    joints[1, 10, 2] = 0.0252
    torch.testing.assert_close(priors.mean_scale_loss(joints), torch.tensor((0.002 + 0.003) / 2))
    expected = torch.tensor((0.0002**2 + 0.0048**2) / 2)
    torch.testing.assert_close(priors.scale_loss(joints, torch.tensor([0.03, 0.03])), expected)


def test_collapsed_bone_has_finite_gradient():
    joints = torch.zeros(2, 21, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(priors.mean_scale_loss(joints), joints)
    assert gradient.isfinite().all()


def test_mean_shape():
    assert priors.mean_shape_loss(torch.tensor([[1.0, 2.0], [3.0, 0.0]])) == 14 / 4


def test_gradients_equal_finite_differences():
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(2, 16, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    joints = torch.randn(2, 21, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(priors.joint_angle_loss, pose)
    assert torch.autograd.gradcheck(priors.mean_scale_loss, joints)


def test_constants_made_under_inference_serve_in_training():
    priors.constant.cache_clear()
    with torch.inference_mode():
        priors.joint_angle_loss(torch.ones(1, 16, 3))
    pose = torch.ones(1, 16, 3, requires_grad=True)
    priors.joint_angle_loss(pose).backward()
    assert pose.grad.abs().sum() > 0
