import numpy as np
import pytest

from s2hand.prediction.checks import doubts_of

KEYPOINTS = np.random.default_rng(0).uniform(100, 200, (21, 2))
SURE, SIZE = np.ones(21), (400, 300)


def test_a_hand_on_its_keypoints_is_not_doubted():
    noise = np.random.default_rng(1).normal(0, 2, (21, 2))
    assert doubts_of(KEYPOINTS + noise, SIZE, KEYPOINTS, SURE) == []


@pytest.mark.parametrize(
    ("joints", "doubt"),
    [
        (KEYPOINTS + np.array([0, 60]), "px from its keypoints, which span"),
        (KEYPOINTS.mean(0) + 2 * (KEYPOINTS - KEYPOINTS.mean(0)), "2.0 times as large"),
        (KEYPOINTS.mean(0) + 0.5 * (KEYPOINTS - KEYPOINTS.mean(0)), "0.5 times as large"),
        (KEYPOINTS + np.array([330, 0]), "100% of its joints are outside"),
    ],
)
def test_a_hand_elsewhere_or_of_another_size_is(joints, doubt):
    assert any(doubt in phrase for phrase in doubts_of(joints, SIZE, KEYPOINTS, SURE))


def test_without_keypoints_only_the_photo_counts():
    nothing = np.zeros((21, 2)), np.zeros(21)
    assert doubts_of(KEYPOINTS, SIZE, *nothing) == []
    (doubt,) = doubts_of(KEYPOINTS - 500, SIZE, *nothing)
    assert "outside of the photo" in doubt
