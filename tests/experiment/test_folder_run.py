"""Runs on own pictures: through the config, without labels and with them, and what they leave on disk."""

import json
import shutil

import numpy as np
import pytest
from support.own_photos import draw_photos

from s2hand.config import ConfigError, check_paths
from s2hand.errors import DatasetError
from s2hand.experiment.datasets import evaluation_datasets, training_dataset
from s2hand.experiment.run import run
from s2hand.images.crops import SquareRule

PHOTOS = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos") / "synthetic"
    draw_photos(root, train=PHOTOS, evaluation=1)
    return root / "training"


@pytest.fixture
def folder_config(small_config, photos):
    """``folder_config(stage, **changes)``: trains on the photos, two steps an epoch."""

    def make(stage, **changes):
        own = {
            "train_datasets": ["Folder"],
            "val_datasets": ["Folder"],
            "folder_base_path": str(photos),
            "folder_val_share": 0.3,
            "train_batch": 4,
            "total_epochs": 1,
        }
        return small_config(stage, **own | changes)

    return make


def test_it_trains_and_predicts_without_labels(folder_config, photos):
    lines = []
    result = run(folder_config("e2e", test_refinement=True, refine_steps=2), lines.append)
    metrics = result.metrics["Folder"]
    # Nothing is called an error where there is no truth.
    assert set(metrics) == {
        "keypoints_to_detector_px",
        "refined_keypoints_to_detector_px",
        "heatmap_to_detector_px",
    }
    assert all(0 < value < 1000 for value in metrics.values())
    assert any("2D px from detector" in line for line in lines)
    summaries = [line for line in lines if line.startswith(str(photos)) and "cameras: " in line]
    assert [line.split(": ")[0].split(", ")[1] for line in summaries] == ["evaluation", "training"]
    steps = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1]["step"] == 2

    truth = {entry["name"]: entry for entry in json.loads((photos / "truth.json").read_text())}
    folder = result.folder / "predictions/Folder"
    found = result.evaluations["Folder"]
    for path, seen in ((folder, found.joints), (folder / "refined", found.refined_joints)):
        with np.load(path / "predictions.npz") as predictions:
            names, hands = predictions["names"].tolist(), predictions["hands"].tolist()
            K, joints, vertices = (predictions[key] for key in ("K", "joints", "vertices"))
            keypoints = predictions["keypoints_2d"]
        assert hands == [truth[name]["hand"] for name in names]
        assert set(hands) == {"left", "right"}
        assert found.mirrored.tolist() == [hand == "left" for hand in hands]
        assert (joints.shape, vertices.shape) == ((len(names), 21, 3), (len(names), 778, 3))
        turned = np.einsum("nij,nkj->nki", found.to_photo, seen)
        turned[found.mirrored, :, 0] *= -1
        np.testing.assert_allclose(joints, turned, rtol=1e-5, atol=1e-6)
        projected = joints @ K.transpose(0, 2, 1)
        np.testing.assert_allclose(keypoints, projected[..., :2] / projected[..., 2:], rtol=1e-3, atol=0.05)
    assert not (folder / "pred.json").exists()


def test_predicted_keypoints_lie_on_the_photos_hands(folder_config, photos):
    """Before any learning, hands are placed about their crops' middles: in the photo, near the true hand."""
    result = run(folder_config("shape", mode=["evaluation"], folder_val_share=1), lambda line: None)
    with np.load(result.folder / "predictions/Folder/predictions.npz") as predictions:
        names, keypoints = predictions["names"].tolist(), predictions["keypoints_2d"]
    truth = {entry["name"]: entry for entry in json.loads((photos / "truth.json").read_text())}
    assert sorted(names) == sorted(truth)
    for name, predicted in zip(names, keypoints, strict=True):
        expected = np.array(truth[name]["keypoints"])
        assert np.linalg.norm(predicted.mean(0) - expected.mean(0)) < 1.5 * np.ptp(expected, 0).max(), name


def test_labels_give_the_official_figures(folder_config, photos):
    config = folder_config("shape", folder_labels=str(photos / "truth.json"), total_epochs=1)
    metrics = run(config, lambda line: None).metrics["Folder"]
    assert {"pa_mpjpe", "pa_mpvpe", "keypoints_px", "detector_px"} <= set(metrics)
    assert 0 < metrics["detector_px"] < 3
    assert "keypoints_to_detector_px" not in metrics


def test_unreadable_photos_are_passed_over_in_training(folder_config, photos, tmp_path, capsys):
    own = shutil.copytree(photos, tmp_path / "own")
    config = {"folder_base_path": str(own), "folder_val_share": 0.3, "max_unreadable_share": 0.2}
    evaluated = run(folder_config("shape", mode=["evaluation"], **config), lambda line: None)
    with np.load(evaluated.folder / "predictions/Folder/predictions.npz") as predictions:
        in_evaluation = set(predictions["names"].tolist())
    damaged = next(name for name in sorted(json_names(own)) if name not in in_evaluation)
    (own / damaged).write_text("text")
    run(folder_config("shape", **config, base_out_path=str(tmp_path / "again")), lambda line: None)
    assert f"{damaged} is not an image" in capsys.readouterr().err


def json_names(root):
    return [entry["name"] for entry in json.loads((root / "detections.json").read_text())["images"]]


def test_every_key_reaches_the_dataset(folder_config, photos, tmp_path):
    detections = tmp_path / "elsewhere.json"
    shutil.copy(photos / "detections.json", detections)
    config = folder_config(
        "shape",
        folder_detections=str(detections),
        folder_K=[[200, 0, 80], [0, 210, 60], [0, 0, 1]],
        folder_crop_margin=0.7,
        folder_min_confidence=0.25,
        folder_min_joints=5,
        folder_val_share=0.5,
        rotation_deg=45.0,
    )
    (training,), evaluation = training_dataset(config).datasets, evaluation_datasets(config)["Folder"]
    assert training.source == str(detections)
    for dataset in (training, evaluation):
        assert dataset.squares == SquareRule(0.7, 0.25)
        assert dataset.section.folder_min_joints == 5
        assert set(dataset.camera_sources) == {"detections file", "config"}
        stated = dataset.camera_sources.index("config")
        assert dataset.record(stated).K.tolist() == [[200, 0, 80], [0, 210, 60], [0, 0, 1]]
    assert (training.augment.rotation_deg, evaluation.augment) == (45, None)
    assert len(training) + len(evaluation) == PHOTOS
    (focal,) = training_dataset(folder_config("shape", folder_focal=321)).datasets
    assert focal.record(focal.camera_sources.index("config")).K[0, 0] == 321


def test_losses_that_need_labels_say_so(folder_config):
    with pytest.raises(DatasetError, match='leave out the losses that need labels, or set "folder_labels"'):
        training_dataset(folder_config("shape", losses=["joint_3d"]))


def test_config_names_what_is_missing(folder_config, tmp_path):
    with pytest.raises(ConfigError, match="folder_labels: no such file"):
        check_paths(folder_config("shape", folder_labels=str(tmp_path / "absent.json")))
    with pytest.raises(ConfigError, match="folder_base_path: no such folder"):
        check_paths(folder_config("shape", folder_base_path=str(tmp_path / "absent")))
