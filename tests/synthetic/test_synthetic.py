"""The generator as a whole, through the files that it writes."""

import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.datasets import FreiHandDataset, collate_hands
from s2hand.errors import DatasetError
from s2hand.geometry.cameras import project_points
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.rendering import MeshRenderer
from s2hand.synthetic import drawing, write_synthetic_dataset

SETTINGS = {"train": 20, "evaluation": 6, "image_size": 96, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def synthetic_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic") / "data"
    write_synthetic_dataset(root, **SETTINGS)
    return root


def contents(root):
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


@pytest.fixture(scope="module")
def training(synthetic_folder):
    labels = {"joints", "vertices", "mask", "scale"}
    dataset = FreiHandDataset(synthetic_folder, labels=labels, image_size=96)
    return collate_hands([dataset[index] for index in range(len(dataset))])


def test_it_reads_as_freihand(synthetic_folder, training):
    assert len(training.image) == 20
    assert training.photometric_weight.max() > 0.3
    torch.testing.assert_close(
        training.gt_scale,
        (training.gt_joints[:, 9] - training.gt_joints[:, 10]).norm(dim=-1),
        atol=1e-5,
        rtol=0,
    )
    evaluation = FreiHandDataset(synthetic_folder, "evaluation", labels={"joints", "vertices"})
    assert len(evaluation) == 6
    assert evaluation[0]["confidence"].shape == (21,)


def test_labels_agree_with_the_pictures(training):
    """The mask is the silhouette of the labelled vertices in the labelled camera."""
    faces = torch.from_numpy(load_hand_model("generic").faces)
    drawn = MeshRenderer(faces, 96)(training.gt_vertices, training.K, torch.zeros(20, 1538, 3))
    seen, labelled = drawn.silhouette > 0.5, training.mask > 0.5
    overlap = (seen & labelled).sum((1, 2)) / (seen | labelled).sum((1, 2))
    # The arm may cover part of the hand.
    assert overlap.median() > 0.95
    assert overlap.min() > 0.5


def test_hands_stand_out_from_nothing(training):
    """Inside the mask the pictures differ from hand to hand in tone and are neither black nor burnt."""
    tones = (training.image * training.mask[:, None]).sum((2, 3)) / training.mask.sum((1, 2))[:, None]
    assert tones.mean(1).min() > 0.08
    assert tones.mean(1).max() < 0.95
    assert tones.mean(1).std() > 0.08
    assert (tones[:, 0] > tones[:, 2]).float().mean() > 0.8


def test_detections_lie_about_the_keypoints(synthetic_folder, training):
    error = (training.keypoints_2d - training.gt_keypoints_2d).norm(dim=-1)[training.confidence > 0]
    summary = json.loads((synthetic_folder / "synthetic.json").read_text())
    assert error.mean() == pytest.approx(summary["statistics"]["training"]["detector_error_px"], abs=0.02)
    assert error.median() < 3


def test_cameras_and_distances_are_freihands(training):
    focal = training.K[:, 0, 0] * 224 / 96
    assert focal.min() > 350
    assert focal.max() < 700
    assert training.gt_joints[..., 2].min() > 0.2
    assert training.gt_joints[..., 2].mean() == pytest.approx(0.65, abs=0.15)
    pixels = project_points(training.gt_vertices, training.K)
    assert pixels.min() > -2
    assert pixels.max() < 98


def test_mano_parameters_give_the_vertices(synthetic_folder, training):
    """Global rotation, finger rotations and shape, put into the hand layer, up to the place."""
    mano = np.array(json.loads((synthetic_folder / "training_mano.json").read_text()))
    assert mano.shape == (20, 1, 61)
    rotation, pose, betas = np.split(mano[:, 0, :58], [3, 48], 1)
    # The layer turns by (pi, 0, 0) of its own accord.
    rotation = (Rotation.from_rotvec(rotation) * Rotation.from_rotvec([-np.pi, 0, 0])).as_rotvec()
    model = load_hand_model("generic")
    pca = (pose - model.hands_mean) @ np.linalg.inv(model.hands_components)
    hand = ManoLayer(model, num_pca=45)(*(torch.tensor(array).float() for array in (pca, betas, rotation)))
    place = training.gt_joints[:, :1] - hand.joints[:, :1]
    torch.testing.assert_close(hand.vertices + place, training.gt_vertices, atol=2e-5, rtol=0)
    torch.testing.assert_close(hand.joints + place, training.gt_joints, atol=2e-5, rtol=0)


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(synthetic_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "SPAWN_FROM", 0)
    write_synthetic_dataset(tmp_path / "again", **SETTINGS, processes=2)
    assert contents(tmp_path / "again") == contents(synthetic_folder)


def test_seeds_splits_and_samples_differ(synthetic_folder, tmp_path, training):
    write_synthetic_dataset(tmp_path / "other", **{**SETTINGS, "seed": 4, "train": 2, "evaluation": 2})
    joints = [
        np.array(json.loads((folder / f"{split}_xyz.json").read_text()))
        for folder in (synthetic_folder, tmp_path / "other")
        for split in ("training", "evaluation")
    ]
    every = np.concatenate(joints).reshape(-1, 63).round(4)
    assert len(np.unique(every, axis=0)) == len(every)


def test_the_same_dataset_is_reused(synthetic_folder):
    before = contents(synthetic_folder)
    summary = write_synthetic_dataset(synthetic_folder, **SETTINGS)
    assert summary.reused
    assert summary.statistics == json.loads(before["synthetic.json"])["statistics"]
    assert contents(synthetic_folder) == before


def test_another_dataset_is_replaced_only_on_request(tmp_path):
    small = {**SETTINGS, "train": 1, "evaluation": 1, "image_size": 32}
    write_synthetic_dataset(tmp_path / "data", **small)
    with pytest.raises(DatasetError, match=r"other settings \(seed\)"):
        write_synthetic_dataset(tmp_path / "data", **{**small, "seed": 9})
    summary = write_synthetic_dataset(tmp_path / "data", **{**small, "seed": 9}, overwrite=True)
    assert not summary.reused
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_folders_are_left_alone(tmp_path, overwrite):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    with pytest.raises(DatasetError, match="is not a synthetic dataset"):
        write_synthetic_dataset(tmp_path / "thesis", **SETTINGS, overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"
    (tmp_path / "thesis" / "synthetic.json").write_text("[1, 2]")
    with pytest.raises(DatasetError, match="is not a synthetic dataset"):
        write_synthetic_dataset(tmp_path / "thesis", **SETTINGS, overwrite=overwrite)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def draw_one_then_fail(task):
        if task[-1]:
            raise KeyboardInterrupt
        return draw(task)

    draw = drawing._draw_chunk
    monkeypatch.setattr(drawing, "_draw_chunk", draw_one_then_fail)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic_dataset(tmp_path / "data", **SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_impossible_settings_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"train must be 1 or more, and at most .*got 0"):
        write_synthetic_dataset(tmp_path / "data", **{**SETTINGS, "train": 0})
    for size in (1, 10**6, 10**400):
        with pytest.raises(DatasetError, match="image_size must be 16 or more, and at most 8,192, got"):
            write_synthetic_dataset(tmp_path / "data", **{**SETTINGS, "image_size": size})
    for seed in (-1, 2**63):
        with pytest.raises(DatasetError, match=r"seed must be in \[0, 9223372036854775807\]"):
            write_synthetic_dataset(tmp_path / "data", **{**SETTINGS, "seed": seed})
    with pytest.raises(DatasetError, match="no folder"):
        write_synthetic_dataset(tmp_path / "data", **SETTINGS, backgrounds=tmp_path / "absent")
