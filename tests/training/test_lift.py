"""The lift's training: batches that are the same by number, and losses that only the truth makes small."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import view_hands
from s2hand.models.landmark_lift import LandmarkLifter
from s2hand.training.lift import (
    LANDMARK_UNIT,
    SHAPE_WEIGHT,
    SOURCE_WEIGHTS,
    LiftLosses,
    LiftObjective,
    landmark_loss,
    lift_errors,
)
from s2hand.training.lift_batches import LiftBatch, LiftBatches, SeenHands

BATCH = 32
PERFECT = 0.1
"""The smooth distance of a joint that lies where it should: the root of 0.01."""


def batches(seed=0, size=BATCH, seen=None):
    return LiftBatches(load_hand_model("generic"), "freihand", size, seed, seen)


@pytest.fixture(scope="module")
def hands():
    return batches()[3].random


@pytest.fixture(scope="module")
def chain():
    return JointChain(load_hand_model("generic"))


class Knowing:
    """Stands for a lifter that knows the truth, but for what is changed.

    Args:
        hands: with the truth.
        turn: axis-angle by which all rotations are wrong.
        bend: what is added to each angle.
    """

    mean_pose = torch.full((45,), 0.2)

    def __init__(self, hands, turn=(0.0, 0.0, 0.0), bend=0.0):
        self.hands = hands
        self.turn = axis_angle_to_matrix(torch.tensor([turn]))
        self.angles = hands.angles + bend

    def net(self, features):
        rotation = view_hands(self.hands.landmarks).rotation @ self.hands.rotation @ self.turn
        return self.angles.flatten(1) - self.mean_pose, self.hands.betas, rotation

    def __call__(self, landmarks):
        return SimpleNamespace(angles=self.angles, betas=self.hands.betas, rotation=self.hands.rotation)


def test_a_number_names_a_batch(hands):
    assert batches()[3].random.joints.equal(hands.joints)
    assert batches()[3].random.landmarks.rays.equal(hands.landmarks.rays)
    for other in (batches()[4].random, batches(seed=1)[3].random, batches().held_out(BATCH)):
        assert not other.joints.equal(hands.joints)
    assert batches(seed=1).held_out(BATCH).joints.equal(batches().held_out(BATCH).joints)
    assert len(batches(seed=2**53 - 1)[0].random) == BATCH  # the largest seed of a config


def test_processes_draw_the_same_hands(hands):
    loader = DataLoader(batches(), batch_size=None, sampler=range(2, 5), num_workers=2)
    drawn = list(loader)
    assert len(drawn) == 3
    assert drawn[1].random.joints.equal(hands.joints)
    assert torch.equal(drawn[1].random.landmarks.world.nan_to_num(), hands.landmarks.world.nan_to_num())


def test_hands_of_images_are_drawn_by_the_number_too(hands):
    pool = batches().held_out(50)
    source = batches(seen=SeenHands(generated=pool, photos=pool.landmarks))
    batch, again, other = source[3], source[3], source[4]
    assert batch.random.joints.equal(hands.joints)  # the random ones are the same with and without images
    assert batch.seen.generated.joints.shape == (BATCH, 21, 3)
    assert batch.seen.photos.rays.shape == (BATCH // 2, 21, 2)
    assert batch.seen.generated.joints.equal(again.seen.generated.joints)
    assert not batch.seen.generated.joints.equal(other.seen.generated.joints)
    # Each keeps the landmarks that belong to it.
    for row in range(BATCH):
        place = (pool.joints == batch.seen.generated.joints[row]).all(2).all(1).nonzero().item()
        assert pool.landmarks.rays[place].equal(batch.seen.generated.landmarks.rays[row])


def test_hands_of_photos_cost_what_they_miss_their_landmarks_by(hands):
    """A slow loop over hands and joints; joints that were not found cost nothing."""
    torch.manual_seed(0)
    lifter = LandmarkLifter.bundled()
    landmarks = hands.landmarks
    confidence = torch.where(torch.rand(BATCH, 21) < 0.2, 0, landmarks.confidence)
    landmarks = replace(landmarks, confidence=confidence)
    view = view_hands(landmarks)
    hand = lifter.in_view(view)
    points = lifter.chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
    costs = []
    for row in range(BATCH):
        found = confidence[row] > 0
        rays, seen = view.rays[row][found], points[row][found]
        side = (rays.max(0).values - rays.min(0).values).max()
        for ray, point in zip(rays, seen, strict=True):
            off = (point[:2] / point[2] - ray) / side / LANDMARK_UNIT
            costs.append((off.square().sum() + 0.01).sqrt().item())
    expected = sum(costs) / len(costs) + SHAPE_WEIGHT * hand.betas.square().mean().item()
    assert landmark_loss(lifter, landmarks).item() == pytest.approx(expected, rel=1e-4)


def test_the_total_weighs_where_hands_come_from(hands, chain):
    model, objective = SimpleNamespace(hand_head=LandmarkLifter.bundled()), LiftObjective(chain)
    losses = LiftLosses.forward(
        SimpleNamespace(model=model, objective=objective),
        LiftBatch(hands, SeenHands(generated=hands, photos=hands.landmarks)),
    )
    alone = objective(model.hand_head, hands)["total"]
    expected = SOURCE_WEIGHTS["random"] * alone + SOURCE_WEIGHTS["generated"] * alone
    expected = expected + SOURCE_WEIGHTS["photos"] * landmark_loss(model.hand_head, hands.landmarks)
    assert losses["total"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert losses["generated"].item() == pytest.approx(alone.item(), rel=1e-6)


def test_the_truth_has_no_loss(hands, chain):
    losses = LiftObjective(chain)(Knowing(hands), hands)
    for name in ("joints", "posed"):
        assert losses[name].item() == pytest.approx(PERFECT, abs=1e-4)
    for name in ("angles", "rotation", "betas"):
        assert losses[name].item() == pytest.approx(0, abs=1e-5)
    assert losses["total"].item() == pytest.approx(2 * PERFECT, abs=1e-3)


def test_a_wrong_rotation_is_no_wrong_pose_and_the_other_way_round(hands, chain):
    objective = LiftObjective(chain)
    turned = objective(Knowing(hands, turn=(0.0, 0.3, 0.0)), hands)
    assert turned["posed"].item() == pytest.approx(PERFECT, abs=1e-4)
    assert min(turned["joints"], turned["rotation"]) > 3 * PERFECT
    bent = objective(Knowing(hands, bend=0.3), hands)
    assert bent["rotation"].item() == pytest.approx(0, abs=1e-5)
    assert min(bent["posed"], bent["angles"]) > 3 * PERFECT


def test_a_joint_a_centimetre_off_costs_about_one(hands, chain):
    """A slow loop over the hands, in the camera's frame instead of the view's."""
    lifter = Knowing(hands, turn=(0.0, 0.3, 0.0))
    distances = []
    for number in range(BATCH):
        own = chain(hands.angles, hands.betas, hands.rotation @ lifter.turn)[number]
        truth = hands.joints[number]
        off = (own - own.mean(0)) - (truth - truth.mean(0))
        distances += [((100 * joint).norm() ** 2 + 0.01).sqrt().item() for joint in off]
    found = LiftObjective(chain)(lifter, hands)["joints"].item()
    assert found == pytest.approx(sum(distances) / len(distances), rel=1e-4)


def test_errors_are_those_of_all_hands_and_of_some(chain):
    hands = batches().held_out(200)
    assert lift_errors(Knowing(hands), hands, chain)["pa_mpjpe"] < 1e-3
    errors = lift_errors(Knowing(hands, bend=0.3), hands, chain)
    assert errors.keys() == {"pa_mpjpe", "with_all", "with_2d", "tips"}
    assert errors["tips"] > errors["pa_mpjpe"] > 1
    single = batches(size=1).held_out(1)
    assert len(lift_errors(Knowing(single, bend=0.3), single, chain)) < 4  # one hand is not of every kind
