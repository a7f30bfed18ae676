import json
from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.checkpoints.checkpoint import CheckpointError, write_checkpoint
from s2hand.checkpoints.converted import convert_published
from s2hand.config.sections import NetworkSection
from s2hand.detection import DetectionError, detectors
from s2hand.detection.detectors import DetectorSettings, build_detector
from s2hand.errors import S2HandError
from s2hand.models import build_hand_net

KEYS = Path(__file__).parent.parent / "fixtures" / "checkpoint_keys.json"


@pytest.mark.parametrize("converted", [False, True])
def test_published_checkpoints_become_detectors(tmp_path, converted):
    shapes = json.loads(KEYS.read_text())["rgb2hm"]
    weights = {key: torch.full(shape, 0.01) for key, shape in shapes.items()}
    path = tmp_path / "handhm.t7"
    torch.save({"epoch": 1, "args": None, "rgb2hm": weights}, path)
    if converted:
        path, _ = convert_published(path, tmp_path / "handhm.safetensors")
    detector, info = build_detector(DetectorSettings(path, "hourglass", device="cpu"))
    assert (info.name, len(info.sha256)) == ("hourglass", 64)
    assert (detector.crop_size, detector.network.input_size) == (224, 256)
    stem = detector.network.hourglass.stem.conv.weight
    assert torch.equal(stem, torch.full_like(stem, 0.01))


def test_a_published_checkpoint_without_2d_branch_is_refused(tmp_path):
    torch.save({"encoder": {"a": torch.ones(1)}}, tmp_path / "texture.t7")
    with pytest.raises(CheckpointError, match="holds no 2D branch"):
        build_detector(DetectorSettings(tmp_path / "texture.t7", "hourglass", device="cpu"))


def test_own_checkpoints_bring_their_sizes_and_smoothed_weights(tmp_path):
    sizes = {"hourglass_stacks": 1, "hourglass_depth": 1, "hourglass_modules": 1, "hourglass_features": 8}
    network = build_hand_net(NetworkSection(image_size=36, **sizes), {"heatmaps"})
    average = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    config = json.dumps({**sizes, "image_size": 36})
    state = {"model": network.state_dict(), "average": average, "config": config}
    write_checkpoint(tmp_path / "run" / "checkpoint_last.pt", state)
    detector, _ = build_detector(DetectorSettings(tmp_path / "run", "hourglass", device="cpu"))
    assert (detector.crop_size, detector.network.input_size) == (36, 40)
    assert not any(value.any() for value in detector.network.state_dict().values())
    keypoints, _ = detector(np.zeros((1, 36, 36, 3), np.uint8))
    assert keypoints.shape == (1, 21, 2)


def test_an_own_checkpoint_without_sizes_is_refused(tmp_path):
    weights = {"keypoint_net.a": torch.ones(1)}
    write_checkpoint(tmp_path / "a.pt", {"model": weights, "config": "{}"})
    with pytest.raises(CheckpointError, match="holds no config to rebuild its network from"):
        build_detector(DetectorSettings(tmp_path / "a.pt", "hourglass", device="cpu"))


@pytest.mark.parametrize(
    ("settings", "scales"),
    [({}, [0.5, 1.0, 1.5, 2.0]), ({"fast": True}, [1.0]), ({"scales": [0.5, 1]}, [0.5, 1.0])],
)
def test_openpose_records_its_settings(monkeypatch, settings, scales):
    class Network(torch.nn.Module):
        def set_precision(self, dtype):
            return self

    monkeypatch.setattr(detectors, "load_openpose", lambda path: (Network(), "digest"))
    detector, info = build_detector(DetectorSettings("hand.pth", device="cpu", precision="bf16", **settings))
    assert (info.name, info.sha256) == ("openpose", "digest")
    assert info.settings == {"precision": "bf16", "scales": scales, "recheck": True}
    assert list(detector.scales) == scales


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detector": "yolo"}, "expected one of mediapipe, openpose, hourglass"),
        ({"precision": "int8"}, "expected one of auto"),
        ({"fast": True, "scales": [1]}, "not both"),
        ({"fast": True, "detector": "hourglass"}, "one scale"),
        ({"scales": [0]}, "above 0"),
        ({"scales": [9]}, "at most 4"),
        ({"scales": []}, "above 0"),
    ],
)
def test_contradictory_settings_are_refused(settings, message):
    with pytest.raises(DetectionError, match=message):
        DetectorSettings("weights", **settings)


def test_fp16_needs_cuda():
    with pytest.raises(S2HandError, match="needs CUDA"):
        build_detector(DetectorSettings("weights", precision="fp16", device="cpu"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detector": "hourglass"}, "--detector hourglass needs --weights"),
        ({"detector": "openpose"}, "--detector openpose needs --weights"),
        ({"detector": "mediapipe", "weights": "hand.pth"}, "has its own weights: leave out --weights"),
        ({"scales": [1]}, "--scales are OpenPose's"),
        ({"precision": "bf16"}, "computes in fp32"),
    ],
)
def test_the_bundled_detector_is_not_mistaken_for_another(settings, message):
    with pytest.raises(DetectionError, match=message):
        DetectorSettings(**settings)


def test_weights_alone_mean_openpose_and_nothing_the_bundled_detector():
    assert DetectorSettings("hand.pth").name == "openpose"
    assert DetectorSettings().name == "mediapipe"


def test_the_bundled_detector_is_described():
    worker, info = build_detector(DetectorSettings(device="cpu", fast=True))
    assert worker.pixel_origin == 0.5
    assert (info.name, len(info.sha256)) == ("mediapipe", 64)
    assert info.settings == {"precision": "fp32", "looks": 1, "follow": False, "sides": "detected"}
