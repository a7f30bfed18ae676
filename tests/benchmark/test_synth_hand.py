"""SynthHand: the same dataset for everyone, and errors that the official metrics lack."""

import json

import numpy as np
import pytest
import torch
from support.untrained_checkpoint import write_own

from s2hand import cli
from s2hand.benchmark import synth_hand
from s2hand.benchmark.synth_hand import SETTINGS, relative_errors
from s2hand.benchmark.synth_refined import mean_hand_before
from s2hand.config import load_config
from s2hand.errors import S2HandError
from s2hand.evaluation.evaluator import Evaluation
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import HandLandmarks


@pytest.fixture
def tiny(monkeypatch):
    """A benchmark of a few hands."""
    few = SETTINGS | {"synthetic_train_size": 2, "synthetic_eval_size": 6}
    monkeypatch.setattr(synth_hand, "SETTINGS", few)


@pytest.mark.parametrize("name", ["SSL", "SSL-scratch", "SSL-image", "SSL-detections", "SSL-fits", "full"])
def test_the_experiments_have_the_benchmarks_data(name):
    config = load_config(f"configs/SynthHand/{name}.json")
    for key, value in SETTINGS.items():
        assert getattr(config, key) == (tuple(value) if isinstance(value, list) else value), key
    labelled = [loss for loss in config.losses if loss.startswith("joint_")]
    assert bool(labelled) == (name == "full")


@pytest.mark.slow
def test_the_bundled_network_beats_the_mean_hand(tiny, tmp_path, capsys):
    arguments = [
        "benchmark",
        "synthetic",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "out.json"),
    ]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "SynthHand, 6 hands" in shown
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["hands"] == 6
    assert 0 < result["metrics"]["pa_mpjpe"] < result["mean_hand"]["pa_mpjpe"]
    assert result["detector_px"] > 0
    assert result["detected"] is None
    for groups in result["groups"].values():
        assert sum(group["hands"] for group in groups.values()) == 6
        errors = sum(group["hands"] * group["pa_mpjpe"] for group in groups.values()) / 6
        assert errors == pytest.approx(result["metrics"]["pa_mpjpe"], rel=1e-4)
    capsys.readouterr()
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.slow
def test_the_bundled_detector_looks_for_itself(tiny, tmp_path):
    result = synth_hand.synth_hand(None, tmp_path / "data", detect=True)
    assert result.detected["found"] >= 0.5
    assert 3 < result.detected["detected_pa_mpjpe"] < result.mean_hand["pa_mpjpe"]
    views = result.groups["view"].values()
    found = sum(view["hands"] * view["found"] for view in views)
    assert found == pytest.approx(6 * result.detected["found"])
    assert "found: PA-MPJPE" in result.table()


@pytest.mark.slow
def test_hands_are_fitted_with_and_without_the_network(tiny, tmp_path):
    result = synth_hand.synth_hand(None, tmp_path / "data", refine=True)
    assert result.fitted.keys() == {"refined", "fitting alone"}
    for scores in result.fitted.values():
        assert 0 < scores["pa_mpjpe"] < result.mean_hand["pa_mpjpe"]
        assert scores["keypoints_px"] < result.detector_px  # errors of single joints average out
    lines = result.table().splitlines()
    assert [line.split("  ")[0] for line in lines[2:6]] == [
        "network",
        "refined",
        "fitting alone",
        "mean hand",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 64}, "sees images of 64 px, but SynthHand has 224 px"),
        (
            {"hand_model": "generic-1", "image_size": 224},
            "its hand_model is generic-1, but SynthHand's hands are generic",
        ),
    ],
)
def test_networks_for_other_data_are_refused(tmp_path, changes, message):
    path = tmp_path / "run/checkpoint_last.pt"
    write_own(path, **changes)
    with pytest.raises(S2HandError, match=message):
        synth_hand.synth_hand(tmp_path / "run", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_arguments_are_refused_in_their_own_words(tmp_path):
    with pytest.raises(S2HandError, match="hands to score: expected 1 or more, got 0"):
        synth_hand.synth_hand(None, tmp_path, 0)
    (tmp_path / "config.json").write_text("{}")
    for source in ("missing", "config.json"):
        with pytest.raises(S2HandError, match=f"{source} is no folder; expected that of a run"):
            synth_hand.synth_hand(tmp_path / source, tmp_path / "data")


def test_the_mean_hand_is_put_where_it_is_seen():
    """Detections of a turned mean hand lead back to it; with too few of them it stays as it is."""
    model = load_hand_model("generic")
    chain, layer = JointChain(model), ManoLayer(model, num_pca=45)
    turn = axis_angle_to_matrix(torch.tensor([[0.4, -0.8, 1.1], [2.0, 0.3, -0.4]]))
    angles = layer.pose_mean.unflatten(-1, (-1, 3)).expand(2, -1, -1)
    points = chain(angles, torch.zeros(2, 10), turn) + torch.tensor([0.05, -0.02, 0.5])
    confidence = torch.ones(2, 21)
    confidence[1, 7:] = 0
    landmarks = HandLandmarks(points[..., :2] / points[..., 2:], confidence)
    found = mean_hand_before(landmarks, chain, layer)
    assert torch.allclose(found.rotation[0], turn[0], atol=1e-3)
    assert torch.allclose(found.translation[0], torch.tensor([0.05, -0.02, 0.5]), atol=1e-3)
    assert found.rotation[1].equal(torch.eye(3))


def test_root_relative_error_and_depth():
    truth = np.random.default_rng(0).normal((0, 0, 0.6), 0.03, (4, 21, 3))
    found = truth + np.array([0.0, 0.0, 0.02])
    found[:, 3, 0] += 0.021
    errors = relative_errors(Evaluation(metrics={}, index=np.arange(4), joints=found, gt_joints=truth))
    assert errors["relative_mpjpe"] == pytest.approx(1.0)
    assert errors["depth_mm"] == pytest.approx(20.0)
