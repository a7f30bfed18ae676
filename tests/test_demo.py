"""The demo, small: all of its steps on a few pictures."""

import contextlib
import json
import re
import time

import numpy as np
import pytest
import torch

from s2hand.demo import run_demo
from s2hand.demo.demo import MeanHand, demo_configs, stopwatch
from s2hand.geometry.procrustes import similarity_align
from s2hand.hand import ManoLayer, load_hand_model

SMALL = {
    "synthetic_train_size": 24,
    "synthetic_eval_size": 8,
    "image_size": 64,
    "num_workers": 0,
    "total_epochs": 1,
    "train_batch": 8,
    "device": "cpu",
    "precision": "fp32",
}


def test_the_embedded_stages_load_and_never_read_a_label(tmp_path):
    labelled = {"joint_2d", "joint_3d", "joint_3d_norm", "bone_direc", "hm_integral_gt", "sil", "scale"}
    configs = demo_configs(tmp_path)
    assert [config.notes for config in configs] == [()] * len(configs)
    assert not labelled & {loss for config in configs for loss in config.losses}
    assert [config.pretrain_model for config in configs[1:]] == [c.base_out_path for c in configs[:-1]]


@pytest.mark.slow
def test_demo_ends_with_a_table_a_page_and_pictures(tmp_path):
    said = []
    (tmp_path / "seconds.json").write_text("3600.0\n")  # an earlier call was interrupted after an hour
    page = run_demo(tmp_path, SMALL, said.append)
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == [
        *(
            "trained network",
            "the same, before training",
            "always the mean hand",
            "the detector it learned from",
        )
    ]
    for name in list(results)[:3]:
        assert results[name]["pa_mpjpe"] > 0
        assert results[name]["pa_mpvpe"] > 0
        assert results[name]["keypoints_px"] > 0
    assert any("PA-MPJPE mm" in line and "never seen" in line for line in said)
    text = page.read_text()
    assert re.search(r"It took 6\d minutes\.", text)
    assert text.startswith("<!doctype html>")
    assert text.count("<img") >= 5
    assert (tmp_path / "hero.png").stat().st_size > 10_000
    assert (tmp_path / "turntable.gif").stat().st_size > 10_000
    said.clear()
    run_demo(tmp_path, SMALL, said.append)
    assert sum("already complete" in line for line in said) == len(demo_configs(tmp_path))
    assert json.loads((tmp_path / "results.json").read_text()) == results


def test_time_of_interrupted_calls_counts(tmp_path):
    path = tmp_path / "run" / "seconds.json"
    with contextlib.suppress(KeyboardInterrupt), stopwatch(path):
        time.sleep(0.2)
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) >= 0.2
    path.write_text("100.0\n")
    with stopwatch(path) as seconds:
        assert seconds() >= 100
    assert json.loads(path.read_text()) >= 100
    assert list(path.parent.iterdir()) == [path]


def test_mean_hand_is_the_models_own_wherever_it_is_put():
    layer = ManoLayer(load_hand_model("generic"))
    K = torch.tensor([[[120.0, 0, 32], [0, 120, 32], [0, 0, 1]]]).expand(2, 3, 3)
    answer = MeanHand(layer)(torch.rand(2, 3, 64, 64), K)
    mean = (
        layer(torch.zeros(1, 30), torch.zeros(1, 10), torch.tensor([[0.3, -1.0, 0.4]]))
        .joints.double()
        .numpy()
    )
    aligned = similarity_align(answer.joints[:1].double().numpy(), mean)
    np.testing.assert_allclose(aligned, mean, atol=1e-6)
    assert answer.keypoints_2d.shape == (2, 21, 2)
    assert answer.vertices.shape == (2, 778, 3)
