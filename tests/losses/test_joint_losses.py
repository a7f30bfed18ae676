import torch

from s2hand.losses import joints as joint_losses


def test_supervised_losses_are_mean_squares():
    generator = torch.Generator().manual_seed(2)
    joints, target = torch.randn(2, 4, 21, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        joint_losses.joint_squared_loss(joints, target), ((joints - target) ** 2).sum() / (4 * 63)
    )
    relative = joint_losses.relative_joint_squared_loss(joints, target)
    expected = ((joints - joints[:, 9:10]) - (target - target[:, 9:10])).square().mean()
    torch.testing.assert_close(relative, expected)
    torch.testing.assert_close(joint_losses.relative_joint_squared_loss(joints + 3, target - 2), relative)


def test_hands_without_a_fit_teach_nothing():
    generator = torch.Generator().manual_seed(2)
    joints, fitted = torch.randn(2, 4, 21, 3, generator=generator, dtype=torch.float64)
    joints.requires_grad_()
    weight = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    loss = joint_losses.fitted_joint_loss(joints, fitted, weight)
    single = [joint_losses.relative_joint_squared_loss(joints[i, None], fitted[i, None]) for i in (0, 2, 3)]
    torch.testing.assert_close(loss, sum(single) / 4)
    loss.backward()
    assert joints.grad[1].count_nonzero() == 0
    torch.testing.assert_close(
        joint_losses.fitted_joint_loss(joints, fitted, torch.ones(4)).float(),
        joint_losses.relative_joint_squared_loss(joints, fitted).float(),
    )
