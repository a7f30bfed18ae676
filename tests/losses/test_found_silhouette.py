"""The found silhouette: against a loop, and what does not count."""

import pytest
import torch

from s2hand.losses.found_silhouette import found_silhouette_loss

SIZE = 20


@pytest.fixture
def scene():
    """silhouette, found, known, keypoints, confidence of three samples, float64; the second was not found."""
    generator = torch.Generator().manual_seed(0)
    silhouette, found = torch.rand(2, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    keypoints = 4 + 8 * torch.rand(3, 21, 2, generator=generator, dtype=torch.float64)
    confidence = torch.rand(3, 21, generator=generator, dtype=torch.float64)
    confidence[:, 5], keypoints[:, 5] = 0, 0  # missed: at the corner
    return silhouette, found, torch.tensor([1.0, 0, 1], dtype=torch.float64), keypoints, confidence


def test_the_loss_equals_a_loop(scene):
    silhouette, found, _, keypoints, confidence = scene
    values = []
    for sample in (0, 2):
        points = [keypoints[sample, j].tolist() for j in range(21) if confidence[sample, j] > 0]
        (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
        margin = 0.1 * max(right - left, bottom - top)
        differences = [
            abs(float(silhouette[sample, y, x] - found[sample, y, x]))
            for y in range(SIZE)
            for x in range(SIZE)
            if left - margin <= x + 0.5 <= right + margin and top - margin <= y + 0.5 <= bottom + margin
        ]
        values.append(sum(differences) / len(differences))
    assert float(found_silhouette_loss(*scene)) == pytest.approx(sum(values) / 2, rel=1e-12)


def test_nothing_found_or_nothing_detected_costs_nothing(scene):
    silhouette, found, known, keypoints, confidence = scene
    shown = silhouette.clone().requires_grad_()
    for nothing in (
        (shown, found, torch.zeros_like(known), keypoints, confidence),
        (shown, found, known, keypoints, torch.zeros_like(confidence)),
    ):
        loss = found_silhouette_loss(*nothing)
        assert loss == 0
        assert not torch.autograd.grad(loss, shown)[0].any()


def test_gradients_equal_finite_differences(scene):
    silhouette, *rest = scene
    assert torch.autograd.gradcheck(lambda s: found_silhouette_loss(s, *rest), silhouette.requires_grad_())
