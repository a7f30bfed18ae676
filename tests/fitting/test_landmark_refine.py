"""Refinement: never worse than its start, nearer to the landmarks, out of wrong folds, true derivatives."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.errors import S2HandError
from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.fitting.landmark_residuals import (
    LIFTED_ERRORS,
    LandmarkResiduals,
    RefinementErrors,
    precision,
)
from s2hand.fitting.lifted_refine import LiftedHandRefiner
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.posed_hand import NUM_UNKNOWNS, PosedHand
from s2hand.hand.wide_poses import sample_wide_poses
from s2hand.models.hand_view import HandLandmarks, view_hands
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.models.landmark_lift import solve_translation
from s2hand.models.random_hands import uniform_rotations

COUNT = 8


@pytest.fixture(scope="module")
def chain():
    return mediapipe_chain(load_hand_model("generic"))


@pytest.fixture(scope="module")
def refiner(chain):
    return LandmarkRefiner(chain)


@pytest.fixture(scope="module")
def scene(chain):
    """True hands, their exact landmarks with small noise, and starts of another pose and a turned wrist."""
    random = torch.Generator().manual_seed(3)
    angles = torch.from_numpy(sample_wide_poses(3, COUNT)).float().unflatten(-1, (15, 3))
    truth = PosedHand(
        angles=angles,
        betas=0.5 * torch.randn(COUNT, 10, generator=random),
        rotation=uniform_rotations(torch.randn(COUNT, 4, generator=random)),
        translation=torch.tensor([0.05, -0.05, 0.6]).expand(COUNT, 3),
    )
    points = place(chain, truth)
    rays = points[..., :2] / points[..., 2:] + 5e-4 * torch.randn(COUNT, 21, 2, generator=random)
    landmarks = HandLandmarks(rays, torch.ones(COUNT, 21), world=1.12 * points)
    start = truth.moved(0.15 * torch.randn(COUNT, NUM_UNKNOWNS, generator=random) * movable())
    placed = chain(start.angles, start.betas, start.rotation)
    start = replace(start, translation=solve_translation(placed, rays, landmarks.confidence))
    return truth, landmarks, start


def movable():
    return torch.cat([torch.ones(45), torch.zeros(10), torch.ones(3), torch.zeros(3)])


def place(chain, hand):
    return chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]


def distance_2d(chain, hand, landmarks):
    """Mean distance to the landmarks in sizes of the hand, (B,)."""
    points = place(chain, hand)
    error = (points[..., :2] / points[..., 2:] - landmarks.rays).norm(dim=-1)
    return (error * (landmarks.confidence > 0)).mean(1) / view_hands(landmarks).size


def test_never_worse_and_nearer_to_the_landmarks(refiner, chain, scene):
    truth, landmarks, start = scene
    refined = refiner(landmarks, start)
    assert (refined.objective <= refined.start_objective).all()
    assert distance_2d(chain, refined.hand, landmarks).max() < 0.05
    before, after = (
        (place(chain, hand) - place(chain, hand).mean(1, keepdim=True)) for hand in (start, refined.hand)
    )
    true = place(chain, truth) - place(chain, truth).mean(1, keepdim=True)
    assert (after - true).norm(dim=-1).mean() < 0.5 * (before - true).norm(dim=-1).mean()


def test_an_outlier_hardly_pulls(refiner, chain, scene):
    _, landmarks, start = scene
    size = view_hands(landmarks).size
    rays = landmarks.rays.clone()
    rays[:, 8] += 3 * size[:, None]
    refined = refiner(replace(landmarks, rays=rays), start)
    points = place(chain, refined.hand)
    error = (points[..., :2] / points[..., 2:] - landmarks.rays).norm(dim=-1) / size[:, None]
    assert error[:, [0, 4, 12, 16, 20]].mean() < 0.1


def test_missing_joints_may_be_nan(refiner, scene):
    _, landmarks, start = scene
    rays, confidence = landmarks.rays.clone(), landmarks.confidence.clone()
    rays[:, 5], confidence[:, 5] = torch.nan, 0
    refined = refiner(HandLandmarks(rays, confidence), start)
    assert torch.isfinite(refined.objective).all()
    assert (refined.objective < refined.start_objective).all()


def test_other_starts_leave_a_wrong_fold(refiner, chain, scene):
    """An open hand that was lifted as a fist: descent from the fist alone does not open it."""
    _, landmarks, start = scene
    flat = replace(start, angles=torch.zeros_like(start.angles))
    points = place(chain, flat)
    landmarks = HandLandmarks(points[..., :2] / points[..., 2:], landmarks.confidence)
    fist = torch.zeros(COUNT, 5, 3, 3)
    fist[:, :4, :, 2] = torch.tensor([1.4, 1.7, 1.2])
    fist = replace(flat, angles=fist.flatten(1, 2))
    view = view_hands(landmarks)
    seen = fist.turned(view.rotation)
    _, alone = refiner._descend(seen, seen, view, refiner.scout_steps + refiner.final_steps)
    refined = refiner(landmarks, fist)
    assert (refined.objective <= alone + 1e-3).float().mean() > 0.7
    assert (refined.objective < 0.95 * alone).any()


def test_hands_of_a_batch_do_not_touch(refiner, scene):
    _, landmarks, start = scene
    one = HandLandmarks(landmarks.rays[:1], landmarks.confidence[:1], world=landmarks.world[:1])
    alone = refiner(one, start.select(torch.tensor([0])))
    torch.testing.assert_close(alone.objective, refiner(landmarks, start).objective[:1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("errors", [RefinementErrors(), LIFTED_ERRORS])
def test_gradients(chain, scene, errors):
    _, landmarks, start = scene
    residuals = LandmarkResiduals(copy.deepcopy(chain), errors).double()
    landmarks = HandLandmarks(
        landmarks.rays.double(),
        landmarks.confidence.double(),
        0.1 * landmarks.rays[..., 0].double(),
        landmarks.world.double(),
    )
    start = PosedHand(*(value.double() for value in vars(start).values()))
    view = view_hands(landmarks)
    hand = start.turned(view.rotation)
    # Tips are taken as rigid in the derivatives, so those of the thumb's and fingers' bases are compared.
    view = replace(view, confidence=view.confidence * (torch.arange(21) % 4 != 0))
    turn = axis_angle_to_matrix(torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64))
    anchor = replace(hand, angles=hand.angles + 0.1, betas=hand.betas + 0.2, rotation=turn @ hand.rotation)
    _, gradient, matrix = residuals(hand, anchor, view)
    step = 1e-6
    for unknown in (0, 2, 20, 44, 45, 50, 55, 57, 58, 60):
        ahead, behind = (torch.zeros(COUNT, NUM_UNKNOWNS, dtype=torch.float64) for _ in range(2))
        ahead[:, unknown], behind[:, unknown] = step, -step
        difference = (
            residuals(hand.moved(ahead), anchor, view)[0] - residuals(hand.moved(behind), anchor, view)[0]
        )
        torch.testing.assert_close(gradient[:, unknown], difference / (4 * step), rtol=2e-2, atol=0.5)
    assert (torch.linalg.eigvalsh(matrix) > -1e-6).all()


def test_refuses_hands_that_are_not_finite(refiner, scene):
    _, landmarks, start = scene
    betas = start.betas.clone()
    betas[2] = np.nan
    with pytest.raises(S2HandError, match=r"hands \[2\]"):
        refiner(landmarks, replace(start, betas=betas))


def test_weights_are_the_inverse_squares_of_the_errors_that_confidences_tell():
    deviations = torch.tensor([0.03, 0.06, 0.12, 0.3], dtype=torch.float64)
    errors = torch.randn(4, 200_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    confidence = ((errors * deviations[:, None, None]).norm(dim=-1) < 0.1).double().mean(1)
    expected = deviations[-1] ** 2 / deviations**2
    weights = precision(confidence)
    assert weights[0] > 1 - 1e-9  # surer than what is expected of a sure landmark
    torch.testing.assert_close((weights / weights[-1])[1:], expected[1:], rtol=0.03, atol=0)
    torch.testing.assert_close(precision(torch.tensor([0.0, 1.0])), torch.tensor([0.0, 1.0]))


def test_hands_that_are_known_whole_stay_near_the_lifted_ones(chain, refiner, scene):
    """In a batch with hands of which less is known, which go as far as the free refiner takes them."""
    _, landmarks, start = scene
    depths = 0.1 * landmarks.rays[..., 0]
    depths[::2] = torch.nan
    landmarks = replace(landmarks, depths=depths)
    assert landmarks.whole.tolist() == [False, True] * (COUNT // 2)
    hand = LiftedHandRefiner(chain)(landmarks, start)
    free = refiner(landmarks, start).hand
    torch.testing.assert_close(hand.angles[::2], free.angles[::2], atol=0.02, rtol=0)
    assert not torch.equal(hand.angles[1::2], start.angles[1::2])
    for name in ("angles", "rotation"):
        moved, freely = ((getattr(each, name) - getattr(start, name))[1::2].norm() for each in (hand, free))
        assert moved < freely, name
    before, after = (distance_2d(chain, each, landmarks)[1::2] for each in (start, hand))
    assert (after < before).all()


def test_a_hand_without_depths_is_not_known_whole(scene):
    _, landmarks, _ = scene
    assert not landmarks.whole.any()
    depths = torch.zeros(COUNT, 21)
    assert replace(landmarks, depths=depths).whole.all()
    assert not replace(landmarks, depths=depths, world=None).whole.any()
    confidence = landmarks.confidence.clone()
    confidence[0, 3] = 0
    assert replace(landmarks, depths=depths, confidence=confidence).whole.tolist() == [False] + [True] * (
        COUNT - 1
    )
