"""A hand moved from the canonical camera to the true one gives the same picture."""

import pytest
import scipy.optimize
import torch

from s2hand.geometry.canonical_camera import to_true_camera, translation_step

CANONICAL = 480 / 224
"""Sides of the crop: about where the published networks were trained."""

FOCAL_LENGTHS = [0.7, 1.4, CANONICAL, 4.0, 10.0]


@pytest.fixture
def hand():
    """21 points of a hand's size about a place of their own, (2, 21, 3), and the place (2, 3)."""
    random = torch.Generator().manual_seed(0)
    shape = 0.05 * torch.randn(2, 21, 3, generator=random, dtype=torch.float64)
    place = torch.tensor([[0.03, -0.02, 0.6], [-0.05, 0.04, 0.9]], dtype=torch.float64)
    return shape + place[:, None], place


def pictures(points, focal):
    return focal[:, None, None] * points[..., :2] / points[..., 2:]


def both(value):
    return torch.full((2,), value, dtype=torch.float64)


def test_the_same_camera_moves_nothing(hand):
    points, place = hand
    torch.testing.assert_close(to_true_camera(points, place, both(2.0), both(2.0)), place)


@pytest.mark.parametrize("focal", FOCAL_LENGTHS)
def test_a_flat_hand_gives_the_very_same_picture(hand, focal):
    points, place = hand
    points = torch.cat([points[..., :2], place[:, None, 2:].expand(-1, 21, 1)], -1)
    moved = to_true_camera(points, place, both(CANONICAL), both(focal))
    expected = torch.cat([place[:, :2], place[:, 2:] * focal / CANONICAL], -1)
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize(("focal", "tolerance"), [(0.7, 0.04), (1.4, 0.01), (4.0, 0.01), (10.0, 0.015)])
def test_the_picture_agrees_but_for_perspective_within_the_hand(hand, focal, tolerance):
    points, place = hand
    moved = to_true_camera(points, place, both(CANONICAL), both(focal))
    after = pictures(points + (moved - place)[:, None], both(focal))
    error = (after - pictures(points, both(CANONICAL))).norm(dim=-1)
    assert error.mean() < tolerance  # sides of the crop


def test_the_step_is_near_the_least_squares_optimum(hand):
    points, place = hand
    goal, focal = pictures(points, both(CANONICAL)), both(1.4)
    moved = to_true_camera(points, place, both(CANONICAL), focal)
    for number in range(2):

        def residual(shift, number=number):
            here = points[number] + torch.from_numpy(shift) - place[number]
            return (1.4 * here[:, :2] / here[:, 2:] - goal[number]).flatten().numpy()

        best = scipy.optimize.least_squares(residual, moved[number].numpy())
        cost = 0.5 * (residual(moved[number].numpy()) ** 2).sum()
        assert cost < 1.1 * best.cost
        plain = place[number] * torch.tensor([1, 1, 1.4 / CANONICAL])
        assert cost < 0.5 * (residual(plain.numpy()) ** 2).sum(), "the step improves on scaling the depth"


def test_steps_of_small_errors_undo_them(hand):
    points, _ = hand
    shift = torch.tensor([[1e-4, -2e-4, 3e-4]], dtype=torch.float64).expand(2, 3)
    found = translation_step(points + shift[:, None], pictures(points, both(2.0)), both(2.0))
    torch.testing.assert_close(found, -shift, rtol=1e-2, atol=1e-6)
