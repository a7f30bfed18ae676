"""Refinement: it fits the 2D branch's keypoints, mends the hand, and keeps samples apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.errors import S2HandError
from s2hand.evaluation.submission import read_submission
from s2hand.experiment.run import run
from s2hand.fitting.refine import REFINEMENT_LOSSES, STEP_SIZES, HandRefiner
from s2hand.geometry.procrustes import similarity_align
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.losses.priors import bone_length
from s2hand.metrics import FREIHAND_SCALE_JOINT, hand_metrics
from s2hand.models import HandNet
from s2hand.structures import HandBatch, HandParameters, HandPrediction

SAMPLES, IMAGE_SIZE = 6, 224


@pytest.fixture(scope="module")
def hand_net():
    return HandNet(mano_layer=ManoLayer(load_hand_model("generic"), 30))


@pytest.fixture(scope="module")
def objective():
    faces = torch.from_numpy(load_hand_model("generic").faces)
    return Objective({name: DEFAULT_WEIGHTS[name] for name in REFINEMENT_LOSSES}, faces, IMAGE_SIZE)


@pytest.fixture(scope="module")
def problem(hand_net):
    """True hands, and a prediction some way off whose 2D branch sees the true keypoints."""
    random = torch.Generator().manual_seed(3)

    def noise(*shape):
        return torch.randn(shape, generator=random)

    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(SAMPLES, 3, 3)
    centre = torch.tensor([0.0, 0.0, 0.6])
    true = HandParameters(
        0.4 * noise(SAMPLES, 30),
        0.5 * noise(SAMPLES, 10),
        0.8 * noise(SAMPLES, 3),
        centre,
        torch.ones(SAMPLES),
    )
    middle = hand_net.place_hand(replace(true, translation=0 * noise(SAMPLES, 3)), K)["joints"].mean(1)
    true = replace(true, translation=centre - middle)
    # The length that one picture cannot tell is the prior's, so that the fit can be right in 3D.
    scale = 0.0282 / bone_length(hand_net.place_hand(true, K)["joints"])
    true = replace(true, scale=scale, translation=centre - scale[:, None] * middle)
    start = HandParameters(
        true.hand_pose + 0.2 * noise(SAMPLES, 30),
        torch.zeros(SAMPLES, 10),
        true.rotation + 0.15 * noise(SAMPLES, 3),
        true.translation + 0.01 * noise(SAMPLES, 3),
        scale,
    )
    hand = hand_net.place_hand(true, K)
    blank = torch.zeros(SAMPLES, 3, IMAGE_SIZE, IMAGE_SIZE)
    batch = HandBatch(blank, K, torch.arange(SAMPLES), gt_joints=hand["joints"])
    stages = torch.stack([torch.zeros(SAMPLES, 21, 2), hand["keypoints_2d"]])
    return HandPrediction(**hand_net.place_hand(start, K), heatmap_keypoints=stages), batch, hand


def errors_px(prediction, hand):
    return torch.linalg.vector_norm(prediction.keypoints_2d - hand["keypoints_2d"], dim=-1).mean(-1)


def aligned_errors_mm(prediction, hand):
    aligned = similarity_align(prediction.joints, hand["joints"])
    return 1000 * np.linalg.norm(aligned - hand["joints"].double().numpy(), axis=-1).mean(-1)


@pytest.mark.slow
def test_fit_mends_two_and_three_dimensions(hand_net, objective, problem):
    prediction, batch, hand = problem
    refined = HandRefiner(hand_net.place_hand, objective)(prediction, batch)
    before, after = errors_px(prediction, hand), errors_px(refined, hand)
    assert (after < 0.4 * before).all(), (before, after)
    assert after.mean() < 2.5
    assert aligned_errors_mm(refined, hand).mean() < 0.7 * aligned_errors_mm(prediction, hand).mean()
    # The joints that are reported are those of the parameters that are reported.
    again = hand_net.place_hand(refined.parameters, batch.K)
    assert torch.equal(again["vertices"], refined.vertices)
    changed = [
        not torch.equal(getattr(refined.parameters, name), getattr(prediction.parameters, name))
        for name in STEP_SIZES
    ]
    assert all(changed)


@pytest.mark.slow
def test_priors_hold_the_hand(hand_net, problem):
    """Without keypoints' pull the fit only obeys the priors: size, mean shape, joint limits."""
    prediction, batch, _ = problem
    far = replace(
        prediction.parameters,
        scale=1.1 * prediction.parameters.scale,
        betas=torch.full((SAMPLES, 10), 0.5),
        hand_pose=3 * prediction.parameters.hand_pose,
    )
    start = HandPrediction(
        **hand_net.place_hand(far, batch.K), heatmap_keypoints=prediction.heatmap_keypoints
    )
    weights = dict.fromkeys(REFINEMENT_LOSSES, 0.0)
    weights |= {name: DEFAULT_WEIGHTS[name] for name in ("mscale", "mshape", "tsa_poses")}
    priors = Objective(weights, hand_net.mano_layer.faces, IMAGE_SIZE)
    refined = HandRefiner(hand_net.place_hand, priors)(start, batch)
    for name in ("mscale", "mshape", "tsa_poses"):
        alone = Objective({name: 1.0}, hand_net.mano_layer.faces, IMAGE_SIZE)
        assert alone(refined, batch)[name] < 0.6 * alone(start, batch)[name], name


def test_samples_do_not_touch_each_other(hand_net, objective, problem):
    prediction, batch, _ = problem
    refiner = HandRefiner(hand_net.place_hand, objective, steps=20)
    moved = prediction.heatmap_keypoints.clone()
    moved[-1, 1] += 30
    one, other = refiner(prediction, batch), refiner(replace(prediction, heatmap_keypoints=moved), batch)
    same = (one.vertices == other.vertices).flatten(1).all(1)
    assert same.tolist() == [True, False, True, True, True, True]


def test_a_sample_is_refined_alike_in_any_batch(hand_net, objective, problem):
    prediction, batch, _ = problem
    refiner = HandRefiner(hand_net.place_hand, objective, steps=20)
    alone = [
        refiner(
            HandPrediction(
                parameters=HandParameters(
                    **{name: getattr(prediction.parameters, name)[[i]] for name in STEP_SIZES}
                ),
                heatmap_keypoints=prediction.heatmap_keypoints[:, [i]],
            ),
            HandBatch(batch.image[[i]], batch.K[[i]], batch.index[[i]]),
        ).joints
        for i in range(2)
    ]
    together = refiner(prediction, batch).joints[:2]
    assert torch.allclose(torch.cat(alone), together, rtol=0, atol=2e-4)  # metres; the fit moves by 1e-2


@pytest.mark.slow
def test_detections_are_followed_as_far_as_they_are_trusted(hand_net, objective, problem):
    """Missed joints pull nothing; faint detections pull their sample as much as sure ones."""
    prediction, batch, hand = problem
    confidence = torch.ones(SAMPLES, 21)
    confidence[0, 5:9] = 0
    keypoints = torch.where(confidence[..., None] > 0, hand["keypoints_2d"], 0)
    refiner = HandRefiner(hand_net.place_hand, objective, steps=60)
    target = replace(batch, keypoints_2d=keypoints, confidence=confidence)
    refined = refiner.fit(prediction, target)
    assert (errors_px(refined, hand) < 0.6 * errors_px(prediction, hand)).all()
    faint = replace(target, confidence=confidence * torch.linspace(0.1, 1, SAMPLES)[:, None])
    assert torch.allclose(refiner.fit(prediction, faint).joints, refined.joints, rtol=0, atol=2e-4)


def test_a_sample_without_keypoints_stays_as_it_was(hand_net, objective, problem):
    """And the others are refined as in a batch without it."""
    prediction, batch, hand = problem
    missed = torch.arange(SAMPLES) == 2
    target = replace(
        batch,
        keypoints_2d=hand["keypoints_2d"] * ~missed[:, None, None],
        confidence=torch.ones(SAMPLES, 21) * ~missed[:, None],
    )
    refiner = HandRefiner(hand_net.place_hand, objective, steps=20)
    refined = refiner.fit(prediction, target)
    for name in STEP_SIZES:
        assert torch.equal(getattr(refined.parameters, name)[2], getattr(prediction.parameters, name)[2])
    for name in ("vertices", "joints", "keypoints_2d", "pose_axis_angle"):
        assert torch.equal(getattr(refined, name)[2], getattr(prediction, name)[2])
    others = [0, 1, 3, 4, 5]
    parameters = {name: getattr(prediction.parameters, name)[others] for name in STEP_SIZES}
    alone = refiner.fit(
        HandPrediction(parameters=HandParameters(**parameters)),
        HandBatch(
            *(batch.image[others], batch.K[others], batch.index[others]),
            keypoints_2d=target.keypoints_2d[others],
            confidence=target.confidence[others],
        ),
    )
    assert torch.allclose(alone.vertices, refined.vertices[others], rtol=0, atol=1e-6)
    assert not torch.allclose(alone.vertices, prediction.vertices[others], rtol=0, atol=1e-3)
    nothing = replace(target, confidence=torch.zeros(SAMPLES, 21))
    assert refiner.fit(prediction, nothing) is prediction


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_fits_where_gradients_are_off(hand_net, objective, problem, mode):
    prediction, batch, hand = problem
    with mode():
        copied = replace(prediction, parameters=replace(prediction.parameters).to("cpu"))
        refined = HandRefiner(hand_net.place_hand, objective, steps=5)(copied, batch)
    assert errors_px(refined, hand).mean() < errors_px(prediction, hand).mean()
    assert not refined.vertices.requires_grad
    assert all(parameter.grad is None for parameter in hand_net.parameters())


def test_bad_input_is_named(hand_net, objective, problem):
    prediction, batch, _ = problem
    refiner = HandRefiner(hand_net.place_hand, objective, steps=1)
    with pytest.raises(S2HandError, match="needs the hand and heatmaps"):
        refiner(replace(prediction, heatmap_keypoints=None), batch)
    broken = prediction.heatmap_keypoints.clone()
    broken[-1, 2, 0] = float("nan")
    with pytest.raises(S2HandError, match=r"samples \[2\] gave NaN"):
        refiner(replace(prediction, heatmap_keypoints=broken), batch)
    with pytest.raises(ValueError, match="steps must be positive"):
        HandRefiner(hand_net.place_hand, objective, steps=0)


@pytest.mark.slow
def test_a_run_reports_and_writes_both(small_config):
    """Before and after, in the figures and in prediction files."""
    lines = []
    result = run(
        small_config("finetune", mode=["evaluation"], test_refinement=True, refine_steps=3), lines.append
    )
    metrics, found = result.metrics["Synthetic"], result.evaluations["Synthetic"]
    plain = hand_metrics(found.gt_joints, found.joints, found.gt_vertices, found.vertices)
    refined = hand_metrics(found.gt_joints, found.refined_joints, found.gt_vertices, found.refined_vertices)
    official = [name for name in plain if not name.startswith("st_")]  # those are HO-3D's alone
    assert {name: metrics[name] for name in official} == pytest.approx(
        {name: plain[name] for name in official}
    )
    assert {name: metrics[f"refined_{name}"] for name in official} == pytest.approx(
        {name: refined[name] for name in official}
    )
    assert metrics["refined_keypoints_px"] != metrics["keypoints_px"]
    folder = result.folder / "predictions" / "Synthetic"
    for path, joints in ((folder, found.joints), (folder / "refined", found.refined_joints)):
        assert np.allclose(read_submission(path / "pred.zip")[0], joints, rtol=0, atol=1e-8)
    assert json.loads((folder / "metrics.json").read_text()) == pytest.approx(metrics)
    assert any("Synthetic, refined" in line for line in lines)


def test_scale_translation_figures_of_freihand_order():
    """HO-3D's evaluation has joints in FreiHAND order, where the middle finger's first joint is number 9."""
    from s2hand.experiment.evaluating import SCALE_JOINTS

    assert SCALE_JOINTS["HO3D"] == FREIHAND_SCALE_JOINT == 9
