"""Lifting: equivariant however it was trained, its translation the least squares', and its weights good."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.errors import S2HandError
from s2hand.geometry.mirror import mirror_points
from s2hand.geometry.procrustes import similarity_align
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import (
    BUNDLED_WEIGHTS,
    LandmarkLifter,
    LiftNet,
    rotation_from_6d,
    solve_translation,
)
from s2hand.models.random_hands import RandomHandSource

COUNT = 256


@pytest.fixture(scope="module")
def hand_model():
    return load_hand_model("generic")


@pytest.fixture(scope="module")
def random_hands(hand_model):
    return RandomHandSource(5, mediapipe_chain(hand_model), mediapipe_world_chain(hand_model)).draw(COUNT)


@pytest.fixture(scope="module")
def untrained(hand_model):
    """Weights that make the answer depend on every input."""
    torch.manual_seed(0)
    net = LiftNet(64)
    torch.nn.init.normal_(net.last.weight, std=0.05)
    return LandmarkLifter(net, hand_model).eval()


@pytest.fixture(scope="module")
def bundled():
    return LandmarkLifter.bundled()


def joints(lifter, hand):
    return lifter.chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]


@pytest.mark.parametrize("lifter", ["untrained", "bundled"])
@torch.no_grad()
def test_turning_the_picture_turns_the_hand(lifter, random_hands, request):
    lifter, landmarks = request.getfixturevalue(lifter), random_hands.landmarks
    for angle in (0.3, math.pi / 2, 3.0):
        turn = torch.eye(3)
        turn[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        turned = replace(landmarks, rays=landmarks.rays @ turn[:2, :2].T, world=landmarks.world @ turn.T)
        before, after = joints(lifter, lifter(landmarks)), joints(lifter, lifter(turned))
        assert (after - before @ turn.T).abs().max() < 1e-3  # metres, at up to two of them


@torch.no_grad()
def test_looking_elsewhere_turns_the_hand_with_it(untrained, random_hands):
    landmarks = random_hands.landmarks
    rotation = torch.linalg.matrix_exp(torch.tensor([[0.0, 0, 0.3], [0, 0, -0.2], [-0.3, 0.2, 0]]))
    seen = torch.nn.functional.pad(landmarks.rays, (0, 1), value=1.0) @ rotation.T
    elsewhere = replace(landmarks, rays=seen[..., :2] / seen[..., 2:], world=None, depths=None)
    here = replace(landmarks, world=None, depths=None)
    before, after = joints(untrained, untrained(here)), joints(untrained, untrained(elsewhere))
    # The middle of the rays moves a little against the hand with the direction in which it is sought.
    error = (after - before @ rotation.T).norm(dim=-1) / before.norm(dim=-1)
    assert error.median() < 0.02


@torch.no_grad()
def test_left_hands_are_mirrored_right_ones(untrained, random_hands):
    landmarks = random_hands.landmarks
    left = torch.arange(COUNT) % 2 == 0
    found = untrained(landmarks.mirrored(left), left)
    expected = untrained(landmarks)
    for name in ("angles", "betas", "rotation", "translation"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    mirrored = mirror_points(joints(untrained, found))
    torch.testing.assert_close(mirrored[..., 0], -joints(untrained, expected)[..., 0])


@torch.no_grad()
def test_hands_of_a_batch_do_not_touch(untrained, random_hands):
    landmarks = random_hands.landmarks
    few = HandLandmarks(*(value[:3] for value in vars(landmarks).values()))
    torch.testing.assert_close(untrained(few).angles, untrained(landmarks).angles[:3])


@torch.no_grad()
def test_bundled_weights_lift_random_hands(bundled, random_hands, hand_model):
    found = bundled(random_hands.landmarks)
    chain = JointChain(hand_model)
    lifted = chain(found.angles, found.betas, found.rotation).numpy()
    truth = random_hands.joints.numpy()
    error = np.linalg.norm(similarity_align(lifted, truth) - truth, axis=-1).mean() * 1000
    mean_hand = np.broadcast_to(chain(*neutral(hand_model)).numpy(), truth.shape)
    chance = np.linalg.norm(similarity_align(mean_hand, truth) - truth, axis=-1).mean() * 1000
    assert error < 8 < chance


@torch.no_grad()
def test_bundled_weights_take_2d_alone(bundled, random_hands, hand_model):
    found = bundled(replace(random_hands.landmarks, depths=None, world=None))
    lifted = JointChain(hand_model)(found.angles, found.betas, found.rotation).numpy()
    truth = random_hands.joints.numpy()
    assert np.linalg.norm(similarity_align(lifted, truth) - truth, axis=-1).mean() * 1000 < 9


def test_the_card_names_the_weights():
    card = json.loads(BUNDLED_WEIGHTS.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest()
    assert BUNDLED_WEIGHTS.stat().st_size < 8e6


@torch.no_grad()
def test_parameters_are_the_hand_layers(untrained, random_hands, hand_model):
    hand = untrained(random_hands.landmarks)
    parameters = hand.parameters(ManoLayer(hand_model, 45))
    output = ManoLayer(hand_model, 45)(parameters.hand_pose, parameters.betas, parameters.rotation)
    expected = JointChain(hand_model)(hand.angles, hand.betas, hand.rotation)
    torch.testing.assert_close(output.joints, expected, rtol=0, atol=1e-5)
    with pytest.raises(S2HandError, match="num_pca 45"):
        hand.parameters(ManoLayer(hand_model, 30))


def test_translation_is_recovered_from_exact_rays():
    random = torch.Generator().manual_seed(0)
    points = 0.05 * torch.randn(4, 21, 3, generator=random, dtype=torch.float64)
    translation = torch.tensor([[0.1, -0.1, 0.5]], dtype=torch.float64).expand(4, 3)
    moved = points + translation[:, None]
    rays, confidence = moved[..., :2] / moved[..., 2:], torch.rand(4, 21, generator=random).double()
    torch.testing.assert_close(solve_translation(points, rays, confidence), translation)
    # A joint without confidence has no say.
    rays[:, 7], confidence[:, 7] = 5.0, 0.0
    torch.testing.assert_close(solve_translation(points, rays, confidence), translation)


def test_rotations_from_six_numbers():
    random = torch.Generator().manual_seed(0)
    rotation = rotation_from_6d(torch.randn(8, 6, generator=random, dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64).expand(8, 3, 3)
    torch.testing.assert_close(rotation.transpose(1, 2) @ rotation, identity)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(8, dtype=torch.float64))


def test_says_which_weights_cannot_be_read(tmp_path):
    with pytest.raises(S2HandError, match=r"nowhere\.safetensors cannot be read"):
        LandmarkLifter.bundled(path=tmp_path / "nowhere.safetensors")


def neutral(hand_model):
    pose = torch.from_numpy(hand_model.hands_mean).float().view(1, 15, 3)
    return pose, torch.zeros(1, 10), torch.eye(3)[None]
