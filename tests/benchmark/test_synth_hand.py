"""SynthHand: the same dataset for everyone, and errors that the official metrics lack."""

import json

import numpy as np
import pytest

from s2hand import cli
from s2hand.benchmark import synth_hand
from s2hand.benchmark.synth_hand import SETTINGS, relative_errors
from s2hand.config import load_config
from s2hand.evaluation.evaluator import Evaluation


@pytest.fixture
def tiny(monkeypatch):
    """A benchmark of a few hands."""
    few = SETTINGS | {"synthetic_train_size": 2, "synthetic_eval_size": 6}
    monkeypatch.setattr(synth_hand, "SETTINGS", few)


@pytest.mark.parametrize("name", ["SSL", "SSL-scratch", "SSL-image", "SSL-detections", "full"])
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


def test_root_relative_error_and_depth():
    truth = np.random.default_rng(0).normal((0, 0, 0.6), 0.03, (4, 21, 3))
    found = truth + np.array([0.0, 0.0, 0.02])
    found[:, 3, 0] += 0.021
    errors = relative_errors(Evaluation(metrics={}, index=np.arange(4), joints=found, gt_joints=truth))
    assert errors["relative_mpjpe"] == pytest.approx(1.0)
    assert errors["depth_mm"] == pytest.approx(20.0)
