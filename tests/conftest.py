"""What tests of several parts share: a small generated dataset and the config of a small network."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from support.chromium import running_chromium
from support.made_up_freihand import write_freihand
from support.own_photos import draw_photos

from s2hand.config import config_from_dict
from s2hand.datasets import read_detections
from s2hand.datasets.detection_files import write_versioned_detections
from s2hand.synthetic import write_synthetic_dataset

IMAGE_SIZE, TRAIN_SIZE, EVAL_SIZE = 64, 24, 8

STAGES = {
    "shape": (
        ["tsa_poses", "open_2dj", "mscale", "open_bone_direc"],
        ["joints", "verts"],
    ),
    "kp": (["hm_integral"], ["heatmaps"]),
    "finetune": (
        ["tsa_poses", "open_2dj", "mscale", "open_bone_direc", "hm_integral", "kp_cons", "texture", "mtex"],
        ["joints", "verts", "textures", "lights", "heatmaps"],
    ),
    "e2e": (
        [
            *("tsa_poses", "open_2dj", "mscale", "open_bone_direc", "hm_integral", "kp_cons", "triangle"),
            *("mshape", "texture", "mtex", "mrgb"),
        ],
        ["joints", "verts", "textures", "lights", "heatmaps"],
    ),
}
"""Losses and outputs of each published stage."""


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory):
    """A generated dataset of a few small pictures, in FreiHAND's layout."""
    root = tmp_path_factory.mktemp("data") / "synthetic"
    write_synthetic_dataset(
        root, train=TRAIN_SIZE, evaluation=EVAL_SIZE, image_size=IMAGE_SIZE, processes=1, progress=False
    )
    return root


@pytest.fixture
def one_thread():
    """Makes networks compute in one thread, which is faster for small ones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_config(synthetic_root, tmp_path, one_thread):
    """``small_config(stage, **changes)``: a config that trains in seconds, in a run folder of its own."""

    def make(stage: str = "shape", **changes):
        losses, requires = STAGES[stage]
        return config_from_dict(
            {
                "train_datasets": ["Synthetic"],
                "synthetic_base_path": str(synthetic_root),
                "synthetic_train_size": TRAIN_SIZE,
                "synthetic_eval_size": EVAL_SIZE,
                "base_out_path": str(tmp_path / "run"),
                "task": "hm_train" if stage == "kp" else "train",
                "losses": losses,
                "train_requires": requires,
                "test_requires": requires,
                "image_size": IMAGE_SIZE,
                "backbone": "test_resnet",
                "hourglass_stacks": 1,
                "hourglass_features": 16,
                "hourglass_modules": 1,
                "total_epochs": 2,
                "train_batch": 8,
                "val_batch": 8,
                "num_workers": 0,
                "device": "cpu",
                "write_report": False,
            }
            | changes
        )

    return make


@pytest.fixture(scope="session")
def freihand_folder(tmp_path_factory):
    """A dataset in FreiHAND's layout that tests must not change."""
    return write_freihand(tmp_path_factory.mktemp("freihand"))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """Synthetic photos of left and right hands, as a folder of own pictures, that tests must not change."""
    root = tmp_path_factory.mktemp("photos") / "synthetic"
    draw_photos(root, train=14, evaluation=2)
    return root


@pytest.fixture
def own(photo_folder, tmp_path):
    """A copy of the training photos that a test may damage."""
    return shutil.copytree(photo_folder / "training", tmp_path / "photos")


@pytest.fixture
def truth(photo_folder):
    return {entry["name"]: entry for entry in json.loads((photo_folder / "training/truth.json").read_text())}


@pytest.fixture
def rewrite_detections(own):
    """A function: replaces the photos' detections by what ``change`` makes of them."""

    def rewrite(change):
        path = own / "detections.json"
        write_versioned_detections(path, change(read_detections(path)))

    return rewrite


@pytest.fixture(scope="session")
def browser():
    """Chromium, steered by Playwright: one for all tests, as Playwright runs once in a process."""
    yield from running_chromium()
