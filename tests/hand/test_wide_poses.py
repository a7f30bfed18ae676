"""Wide poses: inside their limits, wider than the gestures they come from, and still hands."""

import numpy as np
import pytest

from s2hand.hand import sample_poses
from s2hand.hand.pose_sampling import JOINT_RANGES_DEG, THUMB
from s2hand.hand.wide_poses import WIDE_RANGES_DEG, sample_wide_poses

COUNT = 4000


@pytest.fixture(scope="module")
def degrees():
    return np.rad2deg(sample_wide_poses(3, COUNT)).reshape(COUNT, 5, 3, 3)


def test_stays_inside_the_limits(degrees):
    angles = degrees.reshape(COUNT, 15, 3)
    assert (angles >= WIDE_RANGES_DEG[..., 0] - 1e-9).all()
    assert (angles <= WIDE_RANGES_DEG[..., 1] + 1e-9).all()


def test_the_limits_contain_the_published_ones():
    assert (WIDE_RANGES_DEG[..., 0] <= JOINT_RANGES_DEG[..., 0]).all()
    assert (WIDE_RANGES_DEG[..., 1] >= JOINT_RANGES_DEG[..., 1]).all()


def test_same_seed_same_poses():
    np.testing.assert_array_equal(sample_wide_poses(1, 20), sample_wide_poses(np.random.default_rng(1), 20))
    assert not np.array_equal(sample_wide_poses(1, 20), sample_wide_poses(2, 20))
    assert sample_wide_poses(0, 0).shape == (0, 45)


def test_reaches_where_gestures_do_not(degrees):
    gestures = np.rad2deg(sample_poses(3, COUNT)).reshape(COUNT, 5, 3, 3)
    base_bend = degrees[:, :THUMB, 0, 2]
    assert (base_bend < -12).mean() > 0.02, "finger bases bend back"
    assert degrees[:, :THUMB, 1, 2].max() > 105, "tight fists"
    assert np.quantile(degrees[:, THUMB, 0, 0], 0.95) > np.quantile(gestures[:, THUMB, 0, 0], 0.95) + 10


def test_fingers_bend_apart_more_than_in_gestures(degrees):
    gestures = np.rad2deg(sample_poses(3, COUNT)).reshape(COUNT, 5, 3, 3)

    def apart(angles):
        return angles[:, :THUMB, :, 2].sum(-1).std(1).mean()

    assert apart(degrees) > apart(gestures)


def test_middle_and_end_joints_still_move_together(degrees):
    assert np.corrcoef(degrees[:, 0, 1, 2], degrees[:, 0, 2, 2])[0, 1] > 0.7
