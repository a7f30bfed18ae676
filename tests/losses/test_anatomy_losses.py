"""How a finger's joints move together: made-up cases, a slow loop, finite differences, plausible hands."""

import math

import numpy as np
import pytest
import torch

from s2hand.hand.pose_sampling import sample_poses
from s2hand.losses.anatomy import bend_coupling_loss, bend_limit_loss

INDEX, MIDDLE, LITTLE, RING = 1, 4, 7, 10
"""Rows of the fingers' base joints in MANO's order."""


def pose_of(**angles_deg):
    """A flat hand but for ``row_component=degrees``, as in ``j1_2=90`` for the bend of row 1."""
    pose = torch.zeros(1, 16, 3, dtype=torch.float64)
    for place, degrees in angles_deg.items():
        row, component = map(int, place[1:].split("_"))
        pose[0, row, component] = math.radians(degrees)
    return pose


def excess_deg(loss, pose):
    return math.degrees(float(loss(pose))) * 4  # of the one finger that is off


@pytest.mark.parametrize(
    ("row", "bend", "spread", "excess"),
    [
        (INDEX, 0, 15, 0),
        (INDEX, 0, 18, 3),
        (INDEX, -30, -18, 3),  # bent back as if straight
        (INDEX, 35, 12, 2),  # half way from 15 to 5
        (INDEX, 70, 12, 7),
        (INDEX, 95, -12, 7),
        (MIDDLE, 70, 5, 0),
        (LITTLE, 0, 20, 0),
        (LITTLE, 70, 16, 1),  # drawn to the base of the thumb
        (LITTLE, 70, -8, 3),
        (RING, 90, 9, 0),
        (RING, 90, 13, 3),
    ],
)
def test_a_bent_finger_hardly_spreads(row, bend, spread, excess):
    pose = pose_of(**{f"j{row}_2": bend, f"j{row}_1": spread})
    assert excess_deg(bend_limit_loss, pose) == pytest.approx(excess, abs=1e-9)


def test_other_joints_and_the_thumb_are_free_to_spread():
    angles = {f"j{row}_{component}": 80 for row in (0, 2, 3, 13, 14, 15) for component in (1, 2)}
    assert bend_limit_loss(pose_of(**angles)) == 0


@pytest.mark.parametrize(
    ("middle", "end", "excess"),
    [
        (0, 0, 0),
        (90, 60, 0),
        (90, 75, 0),  # just within the tolerance
        (90, 80, 5),
        (90, 30, 15),
        (0, 40, 25),  # an end joint does not bend alone
        (0, -20, 5),
    ],
)
@pytest.mark.parametrize("row", [INDEX, MIDDLE, LITTLE, RING])
def test_middle_and_end_joint_bend_together(row, middle, end, excess):
    pose = pose_of(**{f"j{row + 1}_2": middle, f"j{row + 2}_2": end})
    assert excess_deg(bend_coupling_loss, pose) == pytest.approx(excess, abs=1e-9)


def test_losses_equal_a_loop():
    degrees = np.random.default_rng(0).uniform(-40, 110, (3, 16, 3))
    straight = {INDEX: (-15, 15), MIDDLE: (-15, 15), LITTLE: (-15, 20), RING: (-15, 15)}
    bent = {INDEX: (-5, 5), MIDDLE: (-5, 5), LITTLE: (-5, 15), RING: (-5, 10)}
    limits = coupling = 0.0
    for hand in degrees:
        for row in straight:
            share = min(max(hand[row, 2] / 70, 0), 1)
            low, high = (a + share * (b - a) for a, b in zip(straight[row], bent[row], strict=True))
            limits += max(low - hand[row, 1], 0) + max(hand[row, 1] - high, 0)
            coupling += max(abs(hand[row + 2, 2] - 2 / 3 * hand[row + 1, 2]) - 15, 0)
    pose = torch.from_numpy(np.deg2rad(degrees))
    assert float(bend_limit_loss(pose)) == pytest.approx(math.radians(limits / 12), rel=1e-12)
    assert float(bend_coupling_loss(pose)) == pytest.approx(math.radians(coupling / 12), rel=1e-12)


def test_gradients_equal_finite_differences_and_reach_bend_and_spread():
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(2, 16, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bend_limit_loss, pose)
    assert torch.autograd.gradcheck(bend_coupling_loss, pose)
    half_bent = pose_of(j1_2=35, j1_1=20).requires_grad_()
    (gradient,) = torch.autograd.grad(bend_limit_loss(half_bent), half_bent)
    assert gradient[0, INDEX, 1] > 0
    assert gradient[0, INDEX, 2] > 0
    assert gradient.count_nonzero() == 2


def test_drawn_hands_are_hardly_charged_and_wild_ones_are():
    drawn = torch.from_numpy(sample_poses(0, 2000).reshape(-1, 15, 3))
    wild = torch.from_numpy(np.deg2rad(np.random.default_rng(0).uniform(-40, 100, (2000, 15, 3))))
    for loss in (bend_limit_loss, bend_coupling_loss):
        plausible, impossible = (
            math.degrees(float(loss(torch.cat([torch.zeros(2000, 1, 3), angles], 1))))
            for angles in (drawn, wild)
        )
        assert plausible < 0.15
        assert impossible > 10
