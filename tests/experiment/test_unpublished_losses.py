"""The losses that are not in the paper, each trained for two steps from its name in a config."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from s2hand import HandReconstructor
from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.experiment import Experiment, run
from s2hand.experiment.datasets import training_dataset

SHAPE_LOSSES = ["tsa_poses", "open_2dj", "mscale", "open_bone_direc"]


def silent(line: str) -> None:
    """Takes what a run says."""


def two_steps(small_config, loss, requires=(), **changes):
    """The config of a training of two steps with the published losses of the hand and one more."""
    return small_config(
        "shape",
        losses=[*SHAPE_LOSSES, loss],
        train_requires=["joints", "verts", *requires],
        test_requires=["joints", "verts", *requires],
        **({"train_batch": 12, "total_epochs": 1} | changes),
    )


def losses_of(config):
    """Loss name -> value of a run's only epoch."""
    lines = map(json.loads, (config.run_dir / "metrics.jsonl").read_text().splitlines())
    return next(line for line in lines if line["kind"] == "train")


def changed_modules(config):
    """The network's children whose weights a training changes."""
    before = {name: value.clone() for name, value in Experiment(config, silent).model.state_dict().items()}
    run(config, silent)
    after = read_checkpoint(config.run_dir)["model"]
    return {name.split(".")[0] for name, value in after.items() if not value.equal(before[name])}


@pytest.mark.slow
def test_a_likelihood_learns_the_confidence_that_users_get(small_config, synthetic_root):
    config = two_steps(small_config, "kp_nll", ["confidence"])
    assert changed_modules(config) == {"backbone", "hand_head", "confidence_head"}
    metrics = json.loads((config.run_dir / "predictions/Synthetic/metrics.json").read_text())
    assert 0.002 * config.image_size <= metrics["expected_px"] <= 0.25 * config.image_size

    photo = sorted((synthetic_root / "evaluation/rgb").iterdir())[0]
    hands = HandReconstructor.from_checkpoint(config.run_dir, device="cpu").predict([str(photo)])
    assert hands.joint_confidence.shape == hands.joint_error_px.shape == (1, 21)
    assert hands.joint_confidence.min() > 0
    assert hands.joint_confidence.max() < 1
    np.testing.assert_array_equal(hands[0].confidence, hands.joint_confidence[0].double().numpy())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bend_limits", "bend_coupled", "penetration"])
def test_a_prior_of_the_hand_trains(small_config, loss):
    config = two_steps(small_config, loss)
    assert changed_modules(config) == {"backbone", "hand_head"}
    assert np.isfinite(losses_of(config)[loss])


@pytest.mark.slow
def test_the_tone_trains_hand_and_texture(small_config):
    config = two_steps(small_config, "tone", ["textures", "lights"])
    assert changed_modules(config) == {"backbone", "hand_head", "texture_light_head"}
    assert 0 < losses_of(config)["tone"] < 1


@pytest.mark.slow
def test_predictions_for_photos_hold_the_confidence(small_config, own):
    folder = {"train_datasets": ["Folder"], "val_datasets": ["Folder"], "folder_base_path": str(own)}
    config = two_steps(small_config, "kp_nll", ["confidence"], **folder, train_batch=4)
    run(config, silent)
    with np.load(config.run_dir / "predictions/Folder/predictions.npz") as arrays:
        assert arrays["confidence"].shape == (len(arrays["names"]), 21)
        assert ((arrays["confidence"] > 0) & (arrays["confidence"] < 1)).all()


@pytest.mark.slow
def test_directions_of_3d_landmarks_train_the_hand(small_config, own, truth, rewrite_detections):
    joints = np.float32([truth[name]["joints"] for name in truth])
    world = joints - joints.mean(1, keepdims=True)
    rewrite_detections(
        lambda found: replace(found, world=world, world_spread=np.full((len(world), 21), 0.01))
    )
    folder = {"train_datasets": ["Folder"], "val_datasets": ["Folder"], "folder_base_path": str(own)}
    config = two_steps(small_config, "world_bones", **folder, train_batch=4)
    assert changed_modules(config) == {"backbone", "hand_head"}
    assert 0 < losses_of(config)["world_bones"] < 4


@pytest.mark.slow
def test_silhouettes_found_before_a_plain_background_train_the_hand(small_config, synthetic_root, tmp_path):
    """Of the images, half get a plain background; the loss learns from these."""
    root = shutil.copytree(synthetic_root, tmp_path / "plain")
    for number, path in enumerate(sorted((root / "training/rgb").iterdir())):
        if number % 2:
            image, mask = cv2.imread(str(path)), cv2.imread(str(root / "training/mask" / path.name))
            cv2.imwrite(str(path), np.where(mask > 127, image, (70, 160, 60)).astype(np.uint8))
    config = two_steps(
        small_config,
        "plain_silhouette",
        ["textures", "lights"],
        train_datasets=["FreiHand"],
        val_datasets=["FreiHand"],
        freihand_base_path=str(root),
    )
    dataset = training_dataset(config)
    found = [sample["found_mask_weight"] for sample in map(dataset.__getitem__, range(len(dataset)))]
    assert sum(found) > len(found) / 4
    assert changed_modules(config) == {"backbone", "hand_head"}
    assert 0 < losses_of(config)["plain_silhouette"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["FreiHAND", "HO3D"])
def test_a_modern_config_trains_all_its_losses_together(small_config, pytestconfig, dataset):
    shipped = json.loads((pytestconfig.rootpath / f"configs/{dataset}/modern-SSL-e2e.json").read_text())
    keys = {key: shipped[key] for key in ("losses", "train_requires", "test_requires", "use_mean_shape")}
    config = small_config("e2e", train_batch=12, total_epochs=1, **keys)
    modules = {"backbone", "hand_head", "texture_light_head", "keypoint_net", "confidence_head"}
    assert changed_modules(config) == modules
    values = losses_of(config)
    assert all(np.isfinite(values[loss]) for loss in shipped["losses"])


@pytest.mark.slow
def test_a_checkpoint_without_confidence_is_not_evaluated_for_it(small_config, tmp_path):
    run(two_steps(small_config, "mshape"), silent)
    evaluated = small_config(
        "shape",
        mode=["evaluation"],
        pretrain_model=str(tmp_path / "run"),
        test_requires=["joints", "verts", "confidence"],
        base_out_path=str(tmp_path / "evaluated"),
    )
    with pytest.raises(ValueError, match="lacks confidence_head, which test_requires asks for"):
        Experiment(evaluated, silent)
