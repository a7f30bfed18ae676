"""What people run, on a GPU: stages train, resume and are evaluated, and answers are those of the CPU."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from support.own_photos import draw_photos
from support.stopped_runs import stopped_by_nan

from s2hand import HandReconstructor, cli
from s2hand.benchmark import synth_hand
from s2hand.benchmark.synth_hand import SETTINGS
from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.config import config_from_dict
from s2hand.experiment import Experiment, config_to_evaluate, run
from s2hand.experiment.replay import replay_losses
from s2hand.experiment.training import build_trainer
from s2hand.prediction.sample_photos import sample_photos
from s2hand.runtime.interrupt import TrainingInterrupted
from s2hand.training.reporting import RunRecorder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

DEVICE = "cuda"

SAME_HAND_M = 1e-3
"""How far vertices may be from those that the CPU answers: iterations end where rounding lets them."""


def silent(line: str) -> None:
    """Takes what a run says."""


def tensors_of(folder) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in read_checkpoint(folder)["model"].items()}


@pytest.mark.parametrize(
    ("options", "refine"),
    [({}, False), ({}, True), ({"photometric": True}, True), ({"fast": True}, False)],
    ids=["lifted", "refined", "photometric", "fast"],
)
def test_photos_have_the_hands_that_the_cpu_finds(options, refine):
    found, expected = (
        HandReconstructor.small(device=device, **options).predict(sample_photos(), refine=refine)
        for device in (DEVICE, "cpu")
    )
    assert found.hands == expected.hands
    difference = (found.vertices - expected.vertices).norm(dim=-1).mean()
    # The distance is the least certain: hands of another size or place look the same.
    assert difference < (5 if refine else 1) * SAME_HAND_M
    assert found.keypoints_2d.numpy() == pytest.approx(expected.keypoints_2d.numpy(), abs=2)


@pytest.mark.parametrize("photometric", [[], ["--photometric"]], ids=["plain", "photometric"])
def test_the_command_writes_its_files(tmp_path, photometric):
    out = tmp_path / "hands"
    assert cli.main(["predict", "--samples", "--device", DEVICE, "--out", str(out), *photometric]) == 0
    assert len(json.loads((out / "index.json").read_text())["images"]) == 2
    assert (out / "index.html").is_file()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", ["shape", "kp", "finetune", "e2e"])
def test_a_stage_trains_and_is_evaluated(small_config, stage, precision):
    config = small_config(stage, device=DEVICE, precision=precision, total_epochs=1, ema_decay=0.9)
    before = {name: value.cpu() for name, value in Experiment(config, silent).model.state_dict().items()}
    result = run(config, silent)
    after = tensors_of(config.run_dir)
    assert any(not value.equal(before[name]) for name, value in after.items())
    assert all(np.isfinite(value) for value in result.metrics["Synthetic"].values())
    again = run(config_to_evaluate(result.folder, {"device": "cpu", "precision": "fp32"}), silent)
    for name, value in again.metrics["Synthetic"].items():
        assert value == pytest.approx(result.metrics["Synthetic"][name], rel=0.1, abs=0.05), name


def test_a_stopped_run_goes_on(small_config, tmp_path, monkeypatch):
    changes = {"device": DEVICE, "precision": "fp32", "ema_decay": 0.9, "total_epochs": 2}
    whole = small_config("e2e", **changes, base_out_path=str(tmp_path / "whole"))
    run(whole, silent)
    config = small_config("e2e", **changes, base_out_path=str(tmp_path / "stopped"))
    trainer = build_trainer(Experiment(config, silent), RunRecorder(config.run_dir, tensorboard=False))
    inner = trainer._train_batch

    def stop(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        return inner(*args, **kwargs)

    monkeypatch.setattr(trainer, "_train_batch", stop)
    with pytest.raises(TrainingInterrupted, match="SIGTERM"):
        trainer.run()
    run(config, silent)
    expected, found = tensors_of(whole.run_dir), tensors_of(config.run_dir)
    # Sums on a GPU have no fixed order, so the bits differ.
    apart, whole_norm = (
        torch.stack([value.norm() for value in values if value.is_floating_point()]).norm()
        for values in ([found[name] - value for name, value in expected.items()], expected.values())
    )
    assert apart < 0.02 * whole_norm


def test_a_batch_that_stopped_a_run_is_replayed(small_config):
    config = small_config("shape", device=DEVICE)
    found = stopped_by_nan(config)
    for device in (DEVICE, "cpu"):
        losses = replay_losses(config.run_dir, device=device)
        for name in ("tsa_poses", "open_2dj", "mscale"):
            assert float(losses[name].detach()) == pytest.approx(float(found[name].detach()), rel=1e-2), (
                device,
                name,
            )


def test_the_pretrained_hand_encoder_trains(small_config, tmp_path):
    keys = {"backbone": "mediapipe_hand", "crop_upright": True, "rotation_deg": 0, "image_size": 224}
    keys |= {"hand_input": "image+detections", "hand_head_pretrained": True, "num_pca": 45}
    keys |= {"detected_points": "mediapipe", "device": DEVICE, "total_epochs": 1}
    keys |= {"synthetic_base_path": str(tmp_path / "images"), "synthetic_train_size": 8}
    for changes in ({"backbone_lr_factor": 0, "cache_features": True}, {"backbone_lr_factor": 0.1}):
        keys["base_out_path"] = str(tmp_path / str(len(changes)))
        config = small_config("finetune", **keys | changes)
        metrics = run(config, silent).metrics["Synthetic"]
        assert all(np.isfinite(value) for value in metrics.values())


def test_the_small_network_trains_on_all_its_sources(pytestconfig, tmp_path, monkeypatch):
    draw_photos(tmp_path / "photos", 4, 1)
    photos = tmp_path / "photos/training"
    monkeypatch.setenv("PHOTOS_PATH", str(photos))
    shipped = json.loads((pytestconfig.rootpath / "configs/Small/train.json").read_text())
    few = {
        "synthetic_base_path": str(tmp_path / "images"),
        "synthetic_train_size": 4,
        "synthetic_eval_size": 1,
    }
    few |= {"folder_base_path": str(photos), "folder_detections": str(photos / "detections.json")}
    few |= {"random_hands_train_size": 64, "random_hands_eval_size": 50, "train_batch": 32, "total_epochs": 1}
    few |= {"base_out_path": str(tmp_path / "run"), "num_workers": 0, "device": DEVICE}
    config = config_from_dict(shipped | few)
    run(config, silent)
    assert HandReconstructor.from_checkpoint(config.run_dir, device=DEVICE).predict(sample_photos())


def test_the_benchmarks_run(tmp_path, monkeypatch):
    few = SETTINGS | {"synthetic_train_size": 2, "synthetic_eval_size": 6}
    monkeypatch.setattr(synth_hand, "SETTINGS", few)
    results = []
    for device in (DEVICE, "cpu"):
        monkeypatch.setitem(synth_hand.BUNDLED, "device", device)
        results.append(synth_hand.synth_hand(None, tmp_path / "data", refine=True, detect=True))
    found, expected = results
    for name, value in expected.metrics.items():
        assert found.metrics[name] == pytest.approx(value, rel=1e-2, abs=1e-2), name
    for start, scores in expected.fitted.items():
        assert found.fitted[start]["pa_mpjpe"] == pytest.approx(scores["pa_mpjpe"], rel=0.05), start


def test_detections_and_pages_are_written(photo_folder, tmp_path, small_config):
    out = tmp_path / "detections.json"
    photos = str(photo_folder / "evaluation")
    assert cli.main(["detect", photos, "--device", DEVICE, "--out", str(out)]) == 0
    config = small_config("e2e", device=DEVICE, total_epochs=1, write_report=True, test_refinement=True)
    run(config, silent)
    assert cli.main(["report", str(config.run_dir), "--samples", "2", "--device", DEVICE]) == 0
    command = ["predict", str(config.run_dir), photos, "--device", DEVICE, "--out", str(tmp_path / "hands")]
    assert cli.main([*command, "--refine"]) == 0
