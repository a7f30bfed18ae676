"""Hands fitted to the detections before a training: what samples hold of them, and that networks learn."""

import json
import shutil

import numpy as np
import pytest
import torch
from support.own_photos import draw_photos

from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.config import load_config
from s2hand.datasets import AugmentationConfig, CombinedDataset
from s2hand.errors import DatasetError
from s2hand.experiment import Experiment, fitted_hands, run
from s2hand.experiment.datasets import build_dataset, training_dataset, training_labels
from s2hand.experiment.fitted_hands import give_fits
from s2hand.geometry.procrustes import similarity_align
from s2hand.training.reporting import METRICS_FILE

LOSSES = ["fitted_joints", "open_2dj", "tsa_poses", "mshape"]

TURNED = AugmentationConfig(rotation_deg=180, brightness=0, contrast=0, saturation=0)


def silent(line: str) -> None:
    """Takes what a run says."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("photos") / "own", 12, 1) / "training"


@pytest.fixture
def fit_config(small_config, photos):
    """``fit_config(**changes)``: learns from fitted hands of generated images and of photos of both hands."""

    def make(**changes):
        own = {
            "train_datasets": ["Synthetic", "Folder"],
            "folder_base_path": str(photos),
            "folder_val_share": 0,
            "losses": LOSSES,
        }
        return small_config("shape", **own | changes)

    return make


@pytest.fixture
def labelled(fit_config, photos):
    """``labelled(augment)``: the training data with fits, and with labels to compare them with."""
    config = fit_config(folder_labels=str(photos / "truth.json"))

    def make(augment=None):
        parts = [
            build_dataset(config, name, "training", ("joints",), augment) for name in config.train_datasets
        ]
        dataset = CombinedDataset(parts)
        give_fits(Experiment(config, silent), dataset)
        return [dataset[index] for index in range(len(dataset))]

    return make


def about_knuckle(joints):
    return joints - joints[..., 9:10, :]


def test_fits_are_the_hands_that_were_drawn(labelled):
    """Right hands and left ones, which samples show mirrored; nothing but a depth is left open."""
    samples = [sample for sample in labelled() if sample["fitted_weight"]]
    assert len(samples) > 30
    assert {bool(sample["mirrored"]) for sample in samples} == {False, True}
    for mirrored in (False, True):
        fits, truth = (
            np.stack([sample[name] for sample in samples if bool(sample["mirrored"]) == mirrored])
            for name in ("fitted_joints", "gt_joints")
        )
        # Of small images, whose detections are off by two pixels of 64 or 160.
        assert np.linalg.norm(similarity_align(fits, truth) - truth, axis=-1).mean() < 0.014
        assert np.linalg.norm(about_knuckle(fits) - about_knuckle(truth), axis=-1).mean() < 0.03


def test_fits_turn_with_the_image(labelled):
    straight, turned = labelled(), labelled(TURNED)
    for before, after in zip(straight, turned, strict=True):
        errors = [
            np.linalg.norm(
                about_knuckle(sample["fitted_joints"]) - about_knuckle(sample["gt_joints"]), axis=-1
            )
            for sample in (before, after)
        ]
        np.testing.assert_allclose(*errors, atol=1e-5)
    assert not np.allclose(straight[0]["fitted_joints"], turned[0]["fitted_joints"], atol=1e-3)


def test_hands_with_few_joints_have_no_fit(fit_config):
    dataset = training_dataset(fit_config(train_datasets=["Synthetic"]))
    detections = dataset.datasets[0].detections
    detections.confidence[3, 7:] = 0
    detections.confidence[3, :7] = 0.9
    lines = []
    give_fits(Experiment(fit_config(train_datasets=["Synthetic"]), lines.append), dataset)
    missing = dataset[3]
    assert missing["fitted_weight"] == 0
    assert np.isfinite(missing["fitted_joints"]).all()
    found = sum(dataset[index]["fitted_weight"] for index in range(len(dataset)))
    assert f"hands fitted to {found:.0f} of {len(dataset)} detections" in lines[-1]


def test_fits_are_kept_while_the_detections_stay_the_same(fit_config, tmp_path, monkeypatch):
    config = fit_config(train_datasets=["Synthetic"])
    first = training_dataset(config)
    give_fits(Experiment(config, silent), first)
    monkeypatch.setattr(fitted_hands, "LandmarkRefiner", None)
    next_stage = fit_config(
        train_datasets=["Synthetic"], base_out_path=str(tmp_path / "next"), pretrain_model=str(config.run_dir)
    )
    for later in (config, next_stage):
        again = training_dataset(later)
        experiment = Experiment(config, silent)
        experiment.config = later
        give_fits(experiment, again)
        np.testing.assert_array_equal(first[1]["fitted_joints"], again[1]["fitted_joints"])
    assert (next_stage.run_dir / fitted_hands.CACHE_FILE).is_file()
    again.datasets[0].detections.keypoints[1, 5] += 3
    with pytest.raises(TypeError, match="NoneType"):
        give_fits(Experiment(config, silent), again)


def test_equal_detections_are_fitted_once(fit_config, monkeypatch):
    config = fit_config(train_datasets=["Synthetic"])
    data = training_dataset(config).datasets[0]
    twice = CombinedDataset([data, CombinedDataset([training_dataset(config).datasets[0]])])
    fitted = []
    inner = fitted_hands.LandmarkRefiner.forward

    def counted(self, landmarks, start):
        fitted.append(len(landmarks.rays))
        return inner(self, landmarks, start)

    monkeypatch.setattr(fitted_hands.LandmarkRefiner, "forward", counted)
    give_fits(Experiment(config, silent), twice)
    assert sum(fitted) <= len(data)
    np.testing.assert_array_equal(twice[2]["fitted_joints"], twice[len(data) + 2]["fitted_joints"])


def test_datasets_without_detections_are_refused_in_a_line(fit_config):
    config = fit_config(train_datasets=["Synthetic"])
    dataset = training_dataset(config)
    dataset.datasets[0].detections = None
    with pytest.raises(
        DatasetError, match=r"\.jpg has no detections, .*fitted_joints.* or leave the loss out"
    ):
        give_fits(Experiment(config, silent), dataset)


def test_samples_that_cannot_be_looked_up_are_left_out(fit_config, photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "own")
    config = fit_config(folder_base_path=str(tmp_path / "own"), max_unreadable_share=0.5)
    removed = training_dataset(config).datasets[1].image_path(2)
    removed.unlink()
    dataset = training_dataset(config)
    give_fits(Experiment(config, silent), dataset)
    assert removed.name in capsys.readouterr().err
    whole = training_dataset(fit_config(base_out_path=str(tmp_path / "whole")))
    give_fits(Experiment(fit_config(base_out_path=str(tmp_path / "whole")), silent), whole)
    last = len(dataset) - 1
    np.testing.assert_array_equal(dataset[last]["fitted_joints"], whole[last]["fitted_joints"])
    with pytest.raises(DatasetError, match=removed.name):
        give_fits(Experiment(config, silent), CombinedDataset(dataset.datasets))


def test_a_loss_without_any_fit_is_refused(fit_config):
    config = fit_config(train_datasets=["Synthetic"])
    dataset = training_dataset(config)
    dataset.datasets[0].detections.confidence[:, 7:] = 0
    with pytest.raises(DatasetError, match=r"fitted_joints fits hands to 8 detected joints .*leave the loss"):
        give_fits(Experiment(config, silent), dataset)


def test_damaged_fits_are_made_anew(fit_config):
    config = fit_config(train_datasets=["Synthetic"])
    first = training_dataset(config)
    give_fits(Experiment(config, silent), first)
    path = config.run_dir / fitted_hands.CACHE_FILE
    damaged = bytearray(path.read_bytes())
    damaged[-400:-200] = bytes(200)
    path.write_bytes(damaged)
    again = training_dataset(config)
    give_fits(Experiment(config, silent), again)
    for index in range(len(first)):
        np.testing.assert_array_equal(first[index]["fitted_joints"], again[index]["fitted_joints"])


@pytest.mark.slow
def test_a_network_learns_from_them_without_labels(fit_config):
    config = fit_config(total_epochs=8, eval_interval=8)
    assert training_labels(config) == set()
    run(config, silent)
    lines = map(json.loads, (config.run_dir / METRICS_FILE).read_text().splitlines())
    rows = [line for line in lines if line["kind"] == "train"]
    assert rows[-1]["fitted_joints"] < 0.8 * rows[0]["fitted_joints"]
    assert all(torch.isfinite(value).all() for value in read_checkpoint(config.run_dir)["model"].values())


def test_the_shipped_config_reads_no_labels():
    config = load_config("configs/SynthHand/SSL-fits.json")
    assert training_labels(config) == set()
    assert "fitted_joints" in config.losses
