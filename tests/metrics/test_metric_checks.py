"""Wrong units, permuted joints and flipped axes are noticed; honest errors are not."""

import numpy as np
import pytest

from s2hand.metrics import check_axes, check_joint_order, check_units
from s2hand.skeleton import (
    FREIHAND_TO_HO3D,
    HO3D_TO_FREIHAND,
    MANO_WITH_TIPS_TO_FREIHAND,
)

BASES_M = np.array([[25, 30, 10], [25, 90, 0], [3, 92, 0], [-17, 85, 0], [-35, 75, 0]]) / 1000
SEGMENTS_M = np.array([[35, 30, 25], [40, 24, 22], [45, 28, 24], [40, 26, 23], [32, 19, 20]]) / 1000
DIRECTIONS = np.array([[0.6, 0.8], [0.1, 1], [0.0, 1], [-0.1, 1], [-0.2, 1]])


TIPS_FIRST = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
RING_AND_LITTLE_SWAPPED = (*range(13), 17, 18, 19, 20, 13, 14, 15, 16)


def sample_hands(count, seed):
    """(N, 21, 3) metres: hands with human proportions, fingers bent at random, sizes from 0.85 to 1.15."""
    rng = np.random.default_rng(seed)
    bend = rng.uniform(0, 0.8, size=(count, 5, 3)).cumsum(-1)[..., None]
    directions = np.concatenate([np.cos(bend) * DIRECTIONS[:, None], np.sin(bend)], -1)
    steps = np.concatenate(
        [np.broadcast_to(BASES_M[:, None], (count, 5, 1, 3)), directions * SEGMENTS_M[..., None]], 2
    )
    fingers = steps.cumsum(2).reshape(count, 20, 3)
    joints = np.concatenate([np.zeros((count, 1, 3)), fingers], 1)
    return joints * rng.uniform(0.85, 1.15, size=(count, 1, 1)) + [0, 0, 0.6]


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres")])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_wrong_units_are_named(factor, unit, size):
    message = check_units(factor * size * sample_hands(5, 0), "predicted joints")
    assert message.startswith(f"predicted joints look like {unit}")
    assert f"divide by {factor}" in message


@pytest.mark.parametrize("size", [0.0, 0.01, 0.5, 1.0, 2.0])
def test_metres_are_accepted_even_of_poor_predictions(size):
    assert check_units(size * sample_hands(5, 0), "predicted joints") is None


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (FREIHAND_TO_HO3D, "HO-3D's order instead of FreiHAND's"),
        (HO3D_TO_FREIHAND, "FreiHAND's order instead of HO-3D's"),
        (MANO_WITH_TIPS_TO_FREIHAND, "MANO's order with fingertips"),
        (TIPS_FIRST, "thumb, index, middle, ring, little, each from its tip"),
        (RING_AND_LITTLE_SWAPPED, "thumb, index, middle, little, ring, each from its base"),
    ],
)
@pytest.mark.parametrize("count", [1, 40, 300])
def test_likely_orders_are_named(order, name, count):
    """Of predictions that are 5 mm off, in millimetres."""
    gt = sample_hands(count, 0)
    predicted = gt + np.random.default_rng(1).normal(0, 0.005, gt.shape)
    message = check_joint_order(gt, 1000 * predicted[:, list(order)])
    assert "look permuted" in message
    assert name in message


def test_unknown_orders_are_noticed():
    gt = sample_hands(40, 0)
    for predicted in (gt[:, np.random.default_rng(2).permutation(21)], 0 * gt):
        assert "look permuted, or are no hands" in check_joint_order(gt, predicted)


@pytest.mark.parametrize("noise_m", [0.0, 0.005, 0.01])
def test_poor_predictions_in_the_right_order_pass(noise_m):
    """Other hands than the labelled ones, noise on top, and the mean of them all."""
    rng = np.random.default_rng(3)
    assert check_joint_order(sample_hands(40, 0), sample_hands(40, 0)) is None
    predicted = sample_hands(40, 1) + noise_m * rng.normal(size=(40, 21, 3))
    assert check_joint_order(sample_hands(40, 0), predicted) is None
    mean_hand = np.broadcast_to(predicted.mean(0), predicted.shape)
    assert check_joint_order(sample_hands(40, 0), mean_hand) is None


def test_axes():
    gt = sample_hands(4, 0)
    assert check_axes(gt, gt + 0.1, "predicted joints") is None
    message = check_axes(gt, gt * [1, -1, -1], "predicted vertices")
    assert message.startswith("predicted vertices lie behind")
    assert "multiply y and z by -1" in message
    relative = gt - gt[:, :1]
    message = check_axes(gt, relative, "predicted joints")
    assert message.startswith("predicted joints lie at the camera itself")
    assert "relative to a joint" in message
