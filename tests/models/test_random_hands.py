"""Random hands and their simulated detections: reproducible, as wrong as they say, and honest about it."""

import numpy as np
import pytest
import torch

from s2hand.geometry.procrustes import similarity_align
from s2hand.hand import load_hand_model
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.random_hands import (
    DEPTH_GAIN,
    FARTHEST_M,
    LACKS_BOTH,
    LACKS_DEPTHS,
    NEAREST_M,
    RandomHandSource,
    uniform_rotations,
)

COUNT = 2000


def source(seed=0):
    model = load_hand_model("generic")
    return RandomHandSource(seed, mediapipe_chain(model), mediapipe_world_chain(model))


@pytest.fixture(scope="module")
def hands():
    return source().draw(COUNT)


def test_same_seed_same_hands(hands):
    again = source().draw(COUNT)
    assert torch.equal(again.landmarks.rays, hands.landmarks.rays)
    assert not torch.equal(source(1).draw(COUNT).landmarks.rays, hands.landmarks.rays)


def test_hands_are_where_they_should_be(hands):
    distance = hands.joints[..., 2].mean(1)
    assert distance.min() >= NEAREST_M - 1e-4
    assert distance.max() <= FARTHEST_M + 1e-4


def test_keypoints_lie_near_the_joints(hands):
    found = hands.landmarks.confidence > 0
    rays = hands.joints[..., :2] / hands.joints[..., 2:]
    error = (hands.landmarks.rays - rays).norm(dim=-1) * hands.joints[..., 2].mean(1, keepdim=True)
    assert 0.003 < error[found].median() < 0.012  # metres: noise, and landmarks beside the joints


def test_confidence_tells_good_joints_from_bad(hands):
    certain = (hands.landmarks.confidence == 1).all(1)
    confidence = hands.landmarks.confidence[~certain].flatten()
    rays = hands.joints[..., :2] / hands.joints[..., 2:]
    error = (hands.landmarks.rays - rays).norm(dim=-1) * hands.joints[..., 2].mean(1, keepdim=True)
    error, found = error[~certain].flatten(), confidence > 0
    error, confidence = error[found], confidence[found]
    low, high = confidence.quantile(0.25), confidence.quantile(0.75)
    assert error[confidence > high].mean() < 0.7 * error[confidence < low].mean()


def test_depths_are_flattened(hands):
    known = torch.isfinite(hands.landmarks.depths).all(1)
    assert (~known).float().mean() == pytest.approx(LACKS_BOTH + LACKS_DEPTHS, abs=0.03)
    joints = hands.joints[known]
    depth = (joints[..., 2] - joints[..., 2].mean(1, keepdim=True)) / joints[..., 2].mean(1)[:, None, None][
        ..., 0
    ]
    slope = (depth * hands.landmarks.depths[known]).sum() / depth.square().sum()
    assert slope == pytest.approx(DEPTH_GAIN, abs=0.1)


def test_world_landmarks_are_wrong_in_pose_too(hands):
    known = torch.isfinite(hands.landmarks.world).flatten(1).all(1)
    joints, world = hands.joints[known].numpy(), hands.landmarks.world[known].numpy()
    error = np.linalg.norm(similarity_align(world, joints) - joints, axis=-1) * 1000
    assert 9 < error.mean() < 16
    assert error[:, 4::4].mean() > 1.5 * error[:, 1::4].mean(), "tips most of all"


def test_rotations_are_uniform():
    normal = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotation = uniform_rotations(normal)
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity.expand_as(rotation))
    # Every entry of a uniform rotation has mean 0 and variance 1 / 3.
    assert rotation.mean(0).abs().max() < 0.02
    assert (rotation.square().mean(0) - 1 / 3).abs().max() < 0.01
