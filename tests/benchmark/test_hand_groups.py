"""Groups of synthetic hands: which hands belong to them, and what is the mean of what."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.benchmark.hand_groups import group_means, hand_groups, joint_errors_mm, palm_cosines
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.metrics import hand_metrics
from s2hand.synthetic.scene import BACK_VIEW, PALM_VIEW, hand_frame
from s2hand.synthetic.traits import SceneTraits


@pytest.fixture(scope="module")
def hand():
    """(21, 3) metres, the generic hand at rest about its middle, and its frame."""
    layer = ManoLayer(load_hand_model("generic"), num_pca=1)
    joints = layer(torch.zeros(1, 1), torch.zeros(1, 10), torch.zeros(1, 3)).joints[0].double().numpy()
    return joints - joints.mean(0), hand_frame(joints)


def seen(hand, view, degrees=0.0):
    """The hand half a metre away, in a view of the generator's, turned about its fingers' axis."""
    joints, frame = hand
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    return joints @ (turn @ view @ frame.T).T + (0, 0, 0.5)


def test_views_are_those_that_the_generator_means(hand):
    joints = np.stack([seen(hand, PALM_VIEW), seen(hand, BACK_VIEW), seen(hand, PALM_VIEW, 90)])
    np.testing.assert_allclose(palm_cosines(joints), [1, -1, 0], atol=1e-6)
    tilted = np.stack([seen(hand, PALM_VIEW, degrees) for degrees in (30, -60)])
    np.testing.assert_allclose(palm_cosines(tilted), [np.sqrt(0.75), 0.5], atol=1e-6)


def test_every_hand_is_in_one_group_of_each_kind(hand):
    random = np.random.default_rng(0)
    turns = Rotation.random(200, rng=random).as_matrix()
    traits = SceneTraits(
        tone=random.uniform(0, 5, 200),
        objects=random.random((200, 2)) < 0.3,
        hidden=random.random((200, 21)) < random.random((200, 1)),
        joints=hand[0] @ turns.transpose(0, 2, 1) + (0, 0, 0.5),
    )
    for kind, members in hand_groups(traits).items():
        assert (sum(chosen.astype(int) for chosen in members.values()) == 1).all(), kind


def test_named_groups():
    traits = SceneTraits(
        tone=np.array([0.4, 4.6]),
        objects=np.array([[True, False], [False, True]]),
        hidden=np.arange(21) < np.array([[5], [11]]),
        joints=np.random.default_rng(0).normal((0, 0, 0.5), 0.05, (2, 21, 3)),
    )
    groups = hand_groups(traits)
    first, second = [True, False], [False, True]
    assert groups["skin tone"]["1 (lightest)"].tolist() == groups["objects"]["in the hand"].tolist() == first
    assert (
        groups["skin tone"]["6 (darkest)"].tolist() == groups["objects"]["before the hand"].tolist() == second
    )
    assert groups["joints hidden"]["up to 25%"].tolist() == first
    assert groups["joints hidden"]["more than 50%"].tolist() == second


def test_errors_are_those_of_the_official_metrics():
    random = np.random.default_rng(0)
    truth = random.normal((0, 0, 0.5), 0.03, (4, 21, 3))
    found = truth + random.normal(0, 0.005, truth.shape)
    errors = joint_errors_mm(found, truth)
    assert errors["pa_mpjpe"].mean() == pytest.approx(hand_metrics(truth, found)["pa_mpjpe"])
    found[2] = np.nan
    for name, values in joint_errors_mm(found, truth).items():
        np.testing.assert_allclose(values, np.where(np.arange(4) == 2, np.nan, errors[name]))


def test_means_leave_out_what_is_not_known():
    groups = {"view": {"palm": np.array([True, True, False]), "back": np.array([False, False, True])}}
    groups["view"]["side"] = np.zeros(3, bool)
    found = group_means(
        groups, {"error": np.array([2.0, np.nan, np.nan]), "found": np.array([True, False, False])}
    )
    assert found == {
        "view": {"palm": {"hands": 2, "error": 2, "found": 0.5}, "back": {"hands": 1, "found": 0}}
    }
