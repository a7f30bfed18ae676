"""The likelihood of detections: its value, its integral, and that what it learns is what there is."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from s2hand.losses.likelihood import RIGHT_WITHIN, confidence_of_error, keypoint_nll_loss, laplace_nll


@pytest.mark.parametrize("expected_px", [0.5, 3.0, 40.0])
def test_the_density_integrates_to_one_and_has_the_mean_that_it_states(expected_px):
    r = torch.tensor(expected_px, dtype=torch.float64)

    def density(distance):
        return float(torch.exp(-laplace_nll(torch.tensor(distance, dtype=torch.float64), r)))

    mass, _ = integrate.quad(lambda d: 2 * math.pi * d * density(d), 0, 40 * expected_px)
    mean, _ = integrate.quad(lambda d: 2 * math.pi * d * d * density(d), 0, 40 * expected_px)
    assert mass == pytest.approx(1, rel=1e-6)
    assert mean == pytest.approx(expected_px, rel=1e-6)


def test_the_loss_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    projected, detected = 200 * torch.rand(2, 3, 21, 2, generator=generator, dtype=torch.float64)
    confidence, expected = torch.rand(2, 3, 21, generator=generator, dtype=torch.float64) + 0.1
    confidence[1, 4] = 0
    expected_px = 40 * expected
    total = weights = 0.0
    for sample in range(3):
        for joint in range(21):
            distance = math.dist(projected[sample, joint].tolist(), detected[sample, joint].tolist())
            b = float(expected_px[sample, joint]) / 2
            weight = float(confidence[sample, joint]) ** 2
            total -= weight * math.log(math.exp(-distance / b) / (2 * math.pi * b * b))
            weights += weight
    found = keypoint_nll_loss(projected, detected, confidence, expected_px)
    assert float(found) == pytest.approx(total / weights, rel=1e-12)


def test_gradients_equal_finite_differences():
    generator = torch.Generator().manual_seed(1)
    projected, detected = 20 * torch.rand(2, 2, 21, 2, generator=generator, dtype=torch.float64)
    confidence, expected = torch.rand(2, 2, 21, generator=generator, dtype=torch.float64) + 0.5
    inputs = projected.requires_grad_(), (5 * expected).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, r: keypoint_nll_loss(p, detected, confidence, r), inputs)


def noise_of(kind, random, count, sigma_px):
    """(count, 2) px of noise whose mean length is known."""
    if kind == "normal":
        return sigma_px * random.standard_normal((count, 2))
    length = random.gamma(2, sigma_px, count)  # the planar Laplace distribution's own
    angle = random.uniform(0, 2 * math.pi, count)
    return length[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_the_learned_error_is_that_of_the_noise(kind):
    """Minimising the loss finds the mean length of each joint's noise, whatever its distribution."""
    random = np.random.default_rng(0)
    sigma_px = np.linspace(1, 12, 21)
    noise = np.stack([noise_of(kind, random, 2000, sigma) for sigma in sigma_px], 1)
    detected = torch.from_numpy(100 + noise)
    log_expected = torch.full((21,), math.log(11.0), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_expected], lr=0.5, max_iter=60)
    projected, seen = torch.full_like(detected, 100), torch.ones(detected.shape[:2], dtype=torch.float64)

    def closure():
        optimiser.zero_grad()
        loss = keypoint_nll_loss(projected, detected, seen, log_expected.exp().expand(len(detected), -1))
        loss.backward()
        return loss

    optimiser.step(closure)
    learned = log_expected.detach().exp().numpy()
    np.testing.assert_allclose(learned, np.linalg.norm(noise, axis=-1).mean(0), rtol=1e-4)
    mean_length = {"normal": sigma_px * math.sqrt(math.pi / 2), "laplace": 2 * sigma_px}[kind]
    np.testing.assert_allclose(learned, mean_length, rtol=0.06)


def test_an_outlier_pulls_no_harder_the_farther_it_is():
    projected = torch.zeros(1, 21, 2, dtype=torch.float64, requires_grad=True)
    pulls = []
    for distance in (10.0, 100.0):
        detected = torch.zeros(1, 21, 2, dtype=torch.float64)
        detected[0, 3, 0] = distance
        expected = torch.full((1, 21), 5.0, dtype=torch.float64)
        loss = keypoint_nll_loss(projected, detected, torch.ones(1, 21, dtype=torch.float64), expected)
        pulls.append(torch.autograd.grad(loss, projected)[0][0, 3])
    torch.testing.assert_close(*pulls)


def test_stated_confidence_is_the_share_of_joints_that_are_right():
    random = np.random.default_rng(3)
    keypoints = torch.from_numpy(random.uniform(0, 1, (1, 21, 2)))
    keypoints[0, 0], keypoints[0, 1] = torch.tensor([0.0, 0.0]), torch.tensor([120.0, 80.0])
    expected = torch.linspace(4, 40, 21, dtype=torch.float64)[None]
    stated = confidence_of_error(expected, keypoints)[0].numpy()
    for joint, scale in enumerate(expected[0].tolist()):
        length = np.linalg.norm(noise_of("laplace", random, 20000, scale / 2), axis=-1)
        assert stated[joint] == pytest.approx((length < RIGHT_WITHIN * 120).mean(), abs=0.015)


def test_nothing_detected_costs_nothing():
    points = torch.rand(2, 21, 2, requires_grad=True)
    expected = torch.rand(2, 21, requires_grad=True)
    loss = keypoint_nll_loss(points, torch.zeros(2, 21, 2), torch.zeros(2, 21), expected + 0.1)
    assert loss == 0
    assert all(not gradient.any() for gradient in torch.autograd.grad(loss, [points, expected]))
