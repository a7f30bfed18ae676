"""The view of a hand: it looks at the middle, stands upright, and forgets how the picture was turned."""

import math

import pytest
import torch

from s2hand.errors import S2HandError
from s2hand.models.hand_view import FINGER_BASES, HandLandmarks, rotation_towards, view_hands

COUNT = 6


@pytest.fixture
def landmarks():
    random = torch.Generator().manual_seed(0)
    rays = 0.3 + 0.1 * torch.randn(COUNT, 21, 2, generator=random, dtype=torch.float64)
    return HandLandmarks(
        rays=rays,
        confidence=torch.ones(COUNT, 21, dtype=torch.float64),
        depths=0.05 * torch.randn(COUNT, 21, generator=random, dtype=torch.float64),
        world=0.05 * torch.randn(COUNT, 21, 3, generator=random, dtype=torch.float64),
    )


def test_looks_at_the_middle_and_stands_upright(landmarks):
    view = view_hands(landmarks)
    assert view.centre.abs().max() < 0.05
    up = (view.rays[:, list(FINGER_BASES)] - view.rays[:, :1]).mean(1)
    torch.testing.assert_close(up[:, 0], torch.zeros(COUNT, dtype=torch.float64))
    assert (up[:, 1] < 0).all()
    torch.testing.assert_close(view.plane.square().sum(-1).mean(1), torch.ones(COUNT, dtype=torch.float64))


def test_a_turned_picture_has_the_same_view(landmarks):
    angle = 2.0
    turn = torch.eye(3, dtype=torch.float64)
    turn[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = HandLandmarks(
        landmarks.rays @ turn[:2, :2].T, landmarks.confidence, landmarks.depths, landmarks.world @ turn.T
    )
    before, after = view_hands(landmarks), view_hands(turned)
    for name in ("plane", "depths", "world", "size"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name))
    torch.testing.assert_close(after.rotation @ turn, before.rotation)


def test_the_shortest_rotation(landmarks):
    rotation = rotation_towards(landmarks.rays[:, 0])
    identity = torch.eye(3, dtype=torch.float64).expand(COUNT, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity)
    ray = torch.nn.functional.pad(landmarks.rays[:, 0], (0, 1), value=1.0)
    seen = (rotation @ ray[..., None]).squeeze(-1)
    torch.testing.assert_close(seen, ray.norm(dim=-1, keepdim=True) * identity[:, 2])


def test_missing_joints_depths_and_world_landmarks_are_zero(landmarks):
    confidence = landmarks.confidence.clone()
    confidence[:, 3] = 0
    rays, world = landmarks.rays.clone(), landmarks.world.clone()
    rays[:, 3] = torch.nan
    world[1] = torch.nan
    view = view_hands(HandLandmarks(rays, confidence, None, world))
    assert torch.isfinite(view.rays).all()
    assert (view.plane[:, 3] == 0).all()
    assert not view.has_depths.any()
    assert view.has_world.tolist() == [True, False, True, True, True, True]
    assert (view.world[1] == 0).all()


def test_pixels_become_rays():
    K = torch.tensor([[[200.0, 0, 50], [0, 100, 40], [0, 0, 1]]])
    keypoints = torch.full((1, 21, 2), 60.0)
    found = HandLandmarks.from_pixels(keypoints, K, depths_px=torch.full((1, 21), 15.0))
    torch.testing.assert_close(found.rays[0, 0], torch.tensor([0.05, 0.2]))
    torch.testing.assert_close(found.depths[0, 0], torch.tensor(0.1))
    assert (found.confidence == 1).all()


def test_mirroring_twice_changes_nothing(landmarks):
    which = torch.tensor([True, False, True, False, True, False])
    once = landmarks.mirrored(which)
    torch.testing.assert_close(once.rays[1], landmarks.rays[1])
    torch.testing.assert_close(once.rays[0, :, 0], -landmarks.rays[0, :, 0])
    torch.testing.assert_close(once.mirrored(which).world, landmarks.world)


def test_says_what_is_wrong(landmarks):
    with pytest.raises(S2HandError, match=r"confidence has shape \(6, 20\), expected \(6, 21\)"):
        HandLandmarks(landmarks.rays, landmarks.confidence[:, :20])
    with pytest.raises(S2HandError, match="fewer than three"):
        view_hands(HandLandmarks(landmarks.rays, torch.zeros(COUNT, 21)))
    with pytest.raises(S2HandError, match="NaN"):
        view_hands(HandLandmarks(landmarks.rays * torch.nan, landmarks.confidence))
