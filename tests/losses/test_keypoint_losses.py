"""Keypoint losses against slow loops, at their seams and where nothing was detected."""

import math

import numpy as np
import pytest
import torch

from s2hand.losses import keypoints as kp
from s2hand.skeleton import BONES


@pytest.fixture
def points():
    """Projected, detected (3, 21, 2) px, heat maps (2, 3, 21, 2) px, confidence (3, 21); float64."""
    generator = torch.Generator().manual_seed(0)
    projected, detected = 200 * torch.rand(2, 3, 21, 2, generator=generator, dtype=torch.float64)
    heatmaps = detected + 5 * torch.randn(2, 3, 21, 2, generator=generator, dtype=torch.float64)
    confidence = torch.rand(3, 21, generator=generator, dtype=torch.float64)
    return projected, detected, heatmaps, confidence


def robust(x):
    return x * x / 10 if x < 5 else x - 2.5


def test_robust_penalty_and_its_slope():
    distances = torch.tensor([0.0, 1.0, 4.999, 5.0, 5.001, 30.0], dtype=torch.float64, requires_grad=True)
    penalty = kp.robust_penalty(distances)
    torch.testing.assert_close(penalty.tolist(), [robust(x) for x in distances.tolist()])
    (slope,) = torch.autograd.grad(penalty.sum(), distances)
    torch.testing.assert_close(slope, distances.detach().clamp(max=5) / 5)


def test_detected_joints_equal_a_loop(points):
    projected, detected, _, confidence = points
    importance = {0: 2.0} | dict.fromkeys((4, 8, 12, 16, 20), 1.5)
    numerator = denominator = 0.0
    for sample in range(3):
        for joint in range(21):
            weight = (float(confidence[sample, joint]) * importance.get(joint, 1.0)) ** 2
            offset = (projected - detected)[sample, joint].tolist()
            numerator += weight * robust(math.hypot(*offset))
            denominator += weight
    loss = kp.detected_joint_loss(projected, detected, confidence)
    assert float(loss) == pytest.approx(numerator / denominator, rel=1e-12)


def test_bone_directions_equal_a_loop(points):
    projected, detected, _, confidence = points

    def direction(keypoints, sample, parent, child):
        x, y = (keypoints[sample, child] - keypoints[sample, parent]).tolist()
        length = math.hypot(x, y) + 1e-4
        return x / length, y / length

    total = 0.0
    for sample in range(3):
        for bone in BONES:
            p, d = (direction(side, sample, *bone) for side in (projected, detected))
            total += math.prod(confidence[sample, list(bone)].tolist()) * math.dist(p, d) ** 2
    loss = kp.bone_direction_loss(projected, detected, confidence)
    assert float(loss) == pytest.approx(total / 60, rel=1e-12)


def test_heatmap_loss_sums_stages(points):
    _, detected, heatmaps, confidence = points
    stages = [kp.heatmap_loss(stage[None], detected, confidence) for stage in heatmaps]
    torch.testing.assert_close(kp.heatmap_loss(heatmaps, detected, confidence), sum(stages))


def test_consistency_reads_the_last_stage_only(points):
    projected, _, heatmaps, _ = points
    loss = kp.keypoint_consistency_loss(heatmaps, projected)
    changed = torch.cat([heatmaps[:1] + 50, heatmaps[1:]])
    assert kp.keypoint_consistency_loss(changed, projected) == loss
    assert kp.keypoint_consistency_loss(changed.flip(0), projected) != loss


def test_no_confidence_means_full_confidence(points):
    projected, detected, heatmaps, confidence = points
    ones = torch.ones_like(confidence)
    torch.testing.assert_close(
        kp.bone_direction_loss(projected, detected), kp.bone_direction_loss(projected, detected, ones)
    )
    torch.testing.assert_close(kp.heatmap_loss(heatmaps, detected), kp.heatmap_loss(heatmaps, detected, ones))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_detected_gives_zero_and_zero_gradients(points, dtype):
    projected, detected, heatmaps, confidence = (tensor.to(dtype) for tensor in points)
    projected, heatmaps = projected.requires_grad_(), heatmaps.requires_grad_()
    nothing = torch.zeros_like(confidence)
    losses = [
        kp.detected_joint_loss(projected, detected, nothing),
        kp.bone_direction_loss(projected, detected, nothing),
        kp.heatmap_loss(heatmaps, detected, nothing),
    ]
    assert all(loss == 0 for loss in losses)
    for gradient in torch.autograd.grad(sum(losses), [projected, heatmaps]):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_faint_confidences_still_weigh_properly(points):
    projected, detected, _, confidence = (tensor.float() for tensor in points)
    torch.testing.assert_close(
        kp.detected_joint_loss(projected, detected, confidence * 1e-15),
        kp.detected_joint_loss(projected, detected, confidence),
    )


def test_perfect_keypoints_have_finite_gradients(points):
    detected, confidence = points[1].float(), points[3].float()
    projected = detected.clone().requires_grad_()
    collapsed = torch.zeros_like(detected).requires_grad_()
    loss = kp.detected_joint_loss(projected, detected, confidence) + kp.heatmap_loss(
        projected[None], detected
    )
    loss = loss + kp.bone_direction_loss(collapsed, detected)
    for gradient in torch.autograd.grad(loss, [projected, collapsed]):
        assert gradient.isfinite().all()


def test_gradients_equal_finite_differences(points):
    projected, detected, heatmaps, confidence = points
    projected, heatmaps = projected.requires_grad_(), heatmaps.requires_grad_()

    def losses(projected, heatmaps):
        return (
            kp.detected_joint_loss(projected, detected, confidence),
            kp.detected_joint_squared_loss(projected, detected),
            kp.bone_direction_loss(projected, detected, confidence),
            kp.heatmap_loss(heatmaps, detected, confidence),
            kp.keypoint_consistency_loss(heatmaps, projected),
        )

    assert torch.autograd.gradcheck(losses, (projected, heatmaps))


def test_average_total_makes_shares_of_a_batch_add_up(points):
    """Two processes with unlike confidences: their averaged losses are those of the whole batch."""
    projected, detected, _, confidence = (
        tensor[..., :2, :, :] for tensor in (*points[:3], points[3][..., None])
    )
    confidence = confidence[..., 0] * torch.tensor([[0.1], [1.0]], dtype=torch.float64)
    whole = kp.detected_joint_loss(projected, detected, confidence)
    shares = [(projected[i : i + 1], detected[i : i + 1], confidence[i : i + 1]) for i in range(2)]
    mean_total = (confidence * torch.tensor(kp.JOINT_IMPORTANCE)).square().sum() / 2
    averaged = [kp.detected_joint_loss(*share, average_total=lambda _: mean_total) for share in shares]
    torch.testing.assert_close(sum(averaged) / 2, whole)
    unaware = [kp.detected_joint_loss(*share) for share in shares]
    assert abs(sum(unaware) / 2 - whole) > 1e-3


def test_heatmap_cross_entropy_matches_a_slow_loop():
    torch.manual_seed(0)
    heatmaps, confidence = torch.randn(2, 2, 21, 8, 8, dtype=torch.double), torch.rand(2, 21).double()
    detected = torch.rand(2, 21, 2).double() * 31
    confidence[0, 3] = 0
    total, weights = 0.0, 0.0
    for sample in range(2):
        for joint in range(21):
            u, v = (detected[sample, joint] * 7 / 31).tolist()
            target = np.array(
                [[np.exp(-((x - u) ** 2 + (y - v) ** 2) / 2) for x in range(8)] for y in range(8)]
            )
            target /= target.sum()
            for stage in range(2):
                map_ = heatmaps[stage, sample, joint].numpy()
                log_probability = map_ - np.log(np.exp(map_).sum())
                total -= confidence[sample, joint].item() ** 2 * (target * log_probability).sum()
            weights += confidence[sample, joint].item() ** 2
    found = kp.heatmap_cross_entropy(heatmaps, detected, confidence)
    assert found.item() == pytest.approx(total / weights, rel=1e-9)


def test_heatmap_cross_entropy_agrees_with_the_integral_about_where_a_joint_is():
    """A map that minimises the cross-entropy has its expected position at the detection."""
    detected = torch.tensor([[[13.0, 18.5]]]).expand(1, 21, 2)
    cells = detected[0, 0] * 7 / 31
    grid = torch.arange(8.0)
    exponents = -(grid - cells[:, None]).square() / 2
    logits = (exponents[1][:, None] + exponents[0]).expand(1, 1, 21, 8, 8)
    expected = (torch.softmax(exponents, -1) * grid).sum(-1) * 31 / 7
    torch.testing.assert_close(expected, detected[0, 0], atol=0.6, rtol=0)
    lowest = kp.heatmap_cross_entropy(logits, detected, torch.ones(1, 21))
    for change in (0.1 * torch.randn(8, 8), torch.randn(8, 8)):
        assert kp.heatmap_cross_entropy(logits + change, detected, torch.ones(1, 21)) > lowest
