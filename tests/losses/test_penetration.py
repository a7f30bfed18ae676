"""Fingers in each other and in the palm: against a loop over spheres, in posed hands, and pushed out."""

import math

import numpy as np
import pytest
import torch

from s2hand.hand import load_hand_model, sample_poses
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.spheres import YIELDING, HandSpheres
from s2hand.losses.penetration import penetration_loss
from s2hand.skeleton import FINGERS, WRIST

INDEX, MIDDLE, LITTLE, RING, THUMB = range(5)
"""Fingers in MANO's order."""


@pytest.fixture(scope="module")
def model():
    return load_hand_model("generic")


@pytest.fixture(scope="module")
def spheres(model):
    return HandSpheres(model)


@pytest.fixture(scope="module")
def posed(model):
    """``posed(degrees)``: joints (B, 21, 3) of hands with finger angles (B, 5, 3, 3)."""
    chain = JointChain(model)

    def pose(degrees):
        angles = torch.as_tensor(degrees, dtype=torch.float32).deg2rad().reshape(-1, 15, 3)
        count = len(angles)
        return chain(angles, torch.zeros(count, 10), torch.eye(3).expand(count, 3, 3))

    return pose


def hand_with(finger, *bends, spread=0):
    """Angles (1, 5, 3, 3) in degrees of a flat hand, one of whose fingers is bent."""
    degrees = np.zeros((1, 5, 3, 3))
    degrees[0, finger, :, 2] = bends
    degrees[0, finger, 0, 1] = spread
    return degrees


def test_a_hand_at_rest_touches_nothing(posed, spheres):
    assert penetration_loss(posed(np.zeros((1, 5, 3, 3))), spheres) < 1e-6


@pytest.mark.parametrize(
    ("fair", "foul"),
    [
        # A finger that goes on bending where the palm stops it.
        (hand_with(INDEX, 80, 90, 30), hand_with(INDEX, 110, 110, 30)),
        (hand_with(LITTLE, 80, 90, 30), hand_with(LITTLE, 110, 110, 30)),
        # A finger that is moved into its neighbour.
        (hand_with(INDEX, 0, 0, 0, spread=5), hand_with(INDEX, 0, 0, 0, spread=-20)),
        (hand_with(RING, 0, 0, 0), hand_with(RING, 0, 0, 0, spread=20)),
    ],
)
def test_flesh_in_flesh_is_charged(fair, foul, posed, spheres):
    assert penetration_loss(posed(fair), spheres) < 0.001
    assert penetration_loss(posed(foul), spheres) > 0.005


def test_drawn_hands_are_charged_an_eighth_of_random_ones(posed, spheres):
    drawn = np.rad2deg(sample_poses(0, 500))
    random = np.random.default_rng(0).uniform(-20, 100, (500, 45))
    assert penetration_loss(posed(drawn), spheres) < 0.125 * penetration_loss(posed(random), spheres)


def test_radii_are_those_of_fingers_and_palm(spheres):
    """Fingers of an adult are 13 to 20 mm thick, the palm 25 to 35."""
    of_palm = (spheres.near_joints == WRIST).nonzero().flatten()
    middle = torch.tensor(FINGERS["middle"])
    of_finger = torch.isin(spheres.near_joints, middle).nonzero().flatten()
    assert 0.0045 < spheres.radii_m[of_finger].min() < spheres.radii_m[of_finger][1:].max() < 0.0105
    assert spheres.radii_m[of_finger][0] < 0.0125, "at the knuckle, in the flesh of the palm"
    assert 0.011 < spheres.radii_m[of_palm].median() < 0.0175


def test_the_loss_equals_a_loop(model, spheres):
    """Spheres are placed, chosen and compared once more, one pair after the other."""
    rest = JointChain(model)(torch.zeros(1, 15, 3), torch.zeros(1, 10), torch.eye(3)[None])[0].numpy()
    joints = rest + np.random.default_rng(0).normal(0, 0.02, (2, 21, 3))
    finger_of = {joint: name for name, chain in FINGERS.items() for joint in chain}
    total = 0.0
    for hand in joints:
        size = np.linalg.norm(hand[9] - hand[0]) / np.linalg.norm(rest[9] - rest[0])
        placed = []
        for near, far, share, radius in zip(
            spheres.near_joints.tolist(),
            spheres.far_joints.tolist(),
            spheres.shares.flatten().tolist(),
            spheres.radii_m.tolist(),
            strict=True,
        ):
            centre, at_rest = ((1 - share) * points[near] + share * points[far] for points in (hand, rest))
            first_bone = near in {chain[0] for chain in FINGERS.values()}
            owner = "palm" if near == WRIST else finger_of[near]
            placed.append((centre / size, at_rest, radius, owner, first_bone))
        for i, (a, rest_a, radius_a, owner_a, first_a) in enumerate(placed):
            for b, rest_b, radius_b, owner_b, first_b in placed[i + 1 :]:
                if owner_a == owner_b or ("palm" in (owner_a, owner_b) and (first_a or first_b)):
                    continue
                touch = min(YIELDING * (radius_a + radius_b), math.dist(rest_a, rest_b))
                total += max(touch**2 - math.dist(a, b) ** 2, 0) / (2 * touch)
    found = penetration_loss(torch.from_numpy(joints).float(), spheres)
    assert float(found) == pytest.approx(total / 2, rel=1e-4)


def test_size_and_place_of_a_hand_do_not_matter(posed, spheres):
    joints = posed(hand_with(INDEX, 110, 110, 30))
    moved = 1.3 * joints + torch.tensor([0.1, -0.2, 0.7])
    torch.testing.assert_close(
        penetration_loss(moved, spheres), penetration_loss(joints, spheres), rtol=1e-3, atol=0
    )


def test_gradients_equal_finite_differences(posed, model):
    joints = posed(hand_with(INDEX, 110, 110, 30)).double().requires_grad_()
    exact = HandSpheres(model).double()
    assert torch.autograd.gradcheck(lambda j: penetration_loss(j, exact), joints)


def test_descending_the_loss_takes_the_finger_out_of_the_palm(model, spheres):
    chain = JointChain(model)
    angles = torch.as_tensor(hand_with(INDEX, 110, 110, 30)).float().deg2rad().reshape(1, 15, 3)
    angles.requires_grad_()
    optimiser = torch.optim.Adam([angles], lr=0.02)
    before = None
    for _ in range(60):
        joints = chain(angles, torch.zeros(1, 10), torch.eye(3)[None])
        loss = penetration_loss(joints, spheres)
        before = before or float(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05 * before
    assert angles[0, 0, 2].rad2deg() < 108  # of the 110 degrees before


def test_collapsed_hands_have_finite_gradients(spheres):
    joints = torch.zeros(2, 21, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(penetration_loss(joints, spheres), joints)
    assert gradient.isfinite().all()
