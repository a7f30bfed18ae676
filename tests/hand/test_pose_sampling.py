"""Sampled poses: inside the joint limits, varied, and coupled as fingers are."""

import numpy as np
import pytest

from s2hand.hand import sample_poses
from s2hand.hand.pose_sampling import INDEX, JOINT_RANGES_DEG, LITTLE, RING, THUMB

COUNT = 4000


@pytest.fixture(scope="module")
def degrees():
    return np.rad2deg(sample_poses(3, COUNT)).reshape(COUNT, 5, 3, 3)


def test_stays_inside_the_limits(degrees):
    angles = degrees.reshape(COUNT, 15, 3)
    assert (angles >= JOINT_RANGES_DEG[..., 0] - 1e-9).all()
    assert (angles <= JOINT_RANGES_DEG[..., 1] + 1e-9).all()


def test_limits_are_the_published_ones():
    assert JOINT_RANGES_DEG.shape == (15, 3, 2)
    np.testing.assert_array_equal(JOINT_RANGES_DEG[0], [(-5, 5), (-10, 10), (-10, 100)])
    np.testing.assert_array_equal(JOINT_RANGES_DEG[6], [(-20, 5), (-10, 20), (-10, 100)])
    np.testing.assert_array_equal(JOINT_RANGES_DEG[12], [(0, 90), (-22.5, 33.75), (-22.5, 22.5)])
    np.testing.assert_array_equal(JOINT_RANGES_DEG[14, 2], (-20, 100))


def test_same_seed_same_poses():
    np.testing.assert_array_equal(sample_poses(1, 20), sample_poses(np.random.default_rng(1), 20))
    assert not np.array_equal(sample_poses(1, 20), sample_poses(2, 20))
    assert sample_poses(0, 0).shape == (0, 45)


def test_covers_open_and_closed_hands(degrees):
    bend = degrees[:, :THUMB, :, 2].mean(-1)
    assert (bend.max(1) < 15).mean() > 0.03, "open hands"
    assert (bend.min(1) > 60).mean() > 0.05, "fists"
    pointing = (bend[:, INDEX] < 20) & (bend[:, [LITTLE, RING]].min(1) > 50)
    assert pointing.mean() > 0.01
    assert degrees[:, THUMB, 0, 0].std() > 10, "the thumb opposes"


def test_joints_move_together(degrees):
    middle, end = degrees[:, INDEX, 1, 2], degrees[:, INDEX, 2, 2]
    assert np.corrcoef(middle, end)[0, 1] > 0.9
    assert np.corrcoef(degrees[:, RING, 0, 2], degrees[:, LITTLE, 0, 2])[0, 1] > 0.5


def test_bent_fingers_do_not_spread(degrees):
    spread = np.abs(degrees[:, INDEX, 0, 1])
    bent = degrees[:, INDEX, 0, 2] > 70
    assert spread[bent].mean() < 0.6 * spread[~bent].mean()
