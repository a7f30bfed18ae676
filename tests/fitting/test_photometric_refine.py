"""Photometric refinement: drawn hands whose shape is known, and what colours tell of pixels."""

import numpy as np
import pytest
import torch

from s2hand.fitting.hand_pixels import forearm_pixels, hand_pixels
from s2hand.fitting.photometric_refine import PhotometricRefiner
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.rendering import MeshRenderer

SIZE = 160
SKIN, WALL = (0.8, 0.6, 0.5), (0.3, 0.45, 0.6)
STOUT = 3
"""The shape coefficient of thick fingers and palms."""


@pytest.fixture(scope="module")
def refiner():
    model = load_hand_model("generic")
    faces = torch.from_numpy(model.faces)
    return PhotometricRefiner(mediapipe_chain(model), ManoLayer(model, num_pca=45), faces, steps=30)


@pytest.fixture(scope="module")
def K():
    return torch.tensor([[[300.0, 0, SIZE / 2], [0, 300, SIZE / 2], [0, 0, 1]]])


def hand(refiner, stoutness=0.0):
    """A flat hand whose middle lies before the camera."""
    betas = torch.zeros(1, 10)
    betas[0, STOUT] = stoutness
    angles = refiner.layer.pose_mean.unflatten(-1, (15, 3))[None]
    rotation = torch.tensor([[[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]])  # the palm or the back is seen
    points = refiner.residuals.chain(angles, betas, rotation)
    return PosedHand(angles, betas, rotation, torch.tensor([[0, 0, 0.45]]) - points.mean(1))


def photo_of(refiner, posed, K, wall=WALL):
    renderer = MeshRenderer(refiner.renderer.faces, SIZE, background=wall)
    textures = torch.tensor(SKIN).expand(1, len(refiner.renderer.faces), 3).atanh()
    light = torch.tensor([[0.7, 0.4, 1, 1, 1, 1, 1, 1, 0, 0, 1]])
    drawn = renderer(refiner._vertices(posed), K, textures, light)
    return (drawn.rgb[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy(), drawn.silhouette[0]


def landmarks_of(refiner, posed):
    points = refiner.residuals.chain(posed.angles, posed.betas, posed.rotation) + posed.translation[:, None]
    rays = points[..., :2] / points[..., 2:]
    return HandLandmarks(rays, torch.ones(1, 21))


def overlap(one, other):
    return float(torch.minimum(one, other).sum() / torch.maximum(one, other).sum())


def distance_mm(refiner, one, other):
    """Mean distance of vertices about their middles."""
    centred = [vertices - vertices.mean(1) for vertices in map(refiner._vertices, (one, other))]
    return 1000 * float((centred[0] - centred[1]).norm(dim=-1).mean())


@pytest.mark.slow
def test_a_narrow_hand_becomes_as_stout_as_in_the_photo(refiner, K):
    stout, narrow = hand(refiner, 2.5), hand(refiner, -0.5)
    photo, silhouette = photo_of(refiner, stout, K)
    found = refiner([photo], K, landmarks_of(refiner, stout), narrow)
    assert found.objective < 0.5 * found.start_objective
    before, after = (photo_of(refiner, posed, K)[1] for posed in (narrow, found.hand))
    assert overlap(before, silhouette) < 0.95
    assert overlap(after, silhouette) > 0.97
    assert distance_mm(refiner, found.hand, stout) < 0.7 * distance_mm(refiner, narrow, stout)
    assert found.hand.betas[0, STOUT] > narrow.betas[0, STOUT] + 0.75
    again = refiner([photo], K, landmarks_of(refiner, stout), found.hand)
    assert again.objective <= again.start_objective


@pytest.mark.slow
def test_a_hand_before_its_own_colour_follows_its_landmarks_alone(refiner, K):
    posed = hand(refiner)
    photo = np.full((SIZE, SIZE, 3), 180, np.uint8)
    seen = refiner.look([photo], K, posed)
    assert seen.reliability == 0
    found = refiner([photo], K, landmarks_of(refiner, posed), posed)
    moved = refiner._vertices(found.hand) - refiner._vertices(posed)
    assert found.objective <= found.start_objective
    assert moved.norm(dim=-1).max() < 0.004


def test_pixels_of_the_hand_are_told_by_colour_and_the_forearm_is_left_out():
    random = np.random.default_rng(0)
    pixels = np.tile(WALL, (96, 96, 1)).astype(float)
    true = np.zeros((96, 96), bool)
    true[20:70, 30:66] = True
    pixels[20:, 30:66] = SKIN  # it goes on below as the forearm
    pixels = np.clip(pixels + random.normal(0, 0.02, pixels.shape), 0, 1)
    pixels[:4] = np.nan  # outside of the photo
    rough = np.zeros_like(true)
    rough[24:70, 34:60] = True
    forearm = np.arange(96)[:, None] >= np.full((1, 96), 70)
    told = hand_pixels(pixels, rough, forearm)
    assert told.reliability == 1
    sure = told.weight > 0.5
    assert not sure[forearm].any()
    assert not sure[:4].any()
    assert ((told.likeness > 0.5) == true)[sure].mean() > 0.99
    assert (told.likeness > 0.5)[true & ~rough].mean() > 0.9
    assert hand_pixels(pixels, np.zeros_like(rough), forearm).reliability == 0


def test_the_forearm_lies_beyond_the_wrist():
    keypoints = np.full((21, 2), [50.0, 30.0])
    keypoints[0] = [50, 60]
    beyond = forearm_pixels(keypoints, (5, 9, 13, 17), 100)
    assert beyond[61:].all()
    assert not beyond[:60].any()
    keypoints[0] = [50, 32]  # the palm points to the camera
    assert not forearm_pixels(keypoints, (5, 9, 13, 17), 100).any()
