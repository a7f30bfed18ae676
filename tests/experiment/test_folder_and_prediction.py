"""Training on a folder, evaluation on it and prediction show the network the same, and answer the same."""

import numpy as np
import pytest
import torch
from support.own_photos import draw_photos, folder_dataset
from support.untrained_checkpoint import E2E, SIZE, write_own

import s2hand
from s2hand.config import config_from_dict
from s2hand.datasets import collate_hands
from s2hand.experiment.run import run
from s2hand.images.crops import SquareRule
from s2hand.images.photos import read_photo, read_photo_header
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.hand_views import Viewer
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.photos import find_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight photos: left and right hands, boxes or none, cameras from all sources, EXIF's orientations."""
    root = tmp_path_factory.mktemp("photos") / "synthetic"
    draw_photos(root, train=8, evaluation=1)
    return root / "training"


def views_of(photos, squares):
    """Photo's name -> the view of its one hand."""
    hands = DetectedHands(PredictOptions(detections=str(photos / "detections.json")))
    viewer = Viewer(SIZE, squares)
    found = find_photos([photos])
    hands.match(found)
    return {
        photo.name: hands.views(viewer, photo, read_photo(photo.path), read_photo_header(photo.path))[0]
        for photo in found
    }


@pytest.mark.parametrize("squares", [SquareRule(), SquareRule(0.6, 0.45)])
def test_the_network_sees_the_same(photos, squares):
    views = views_of(photos, squares)
    rule = {"margin": squares.margin, "min_confidence": squares.min_confidence}
    dataset = folder_dataset(photos, val_share=0, min_joints=0, image_size=SIZE, **rule)
    assert len(dataset) == len(views) == 8
    assert {view.looked_at for view in views.values()} == {"box", "keypoints"}
    for index in range(len(dataset)):
        sample, seen = dataset[index], views[dataset.name(index)]
        assert np.abs(sample["image"].astype(int) - seen.image()).max() <= 2
        np.testing.assert_allclose(sample["K"], seen.square.K, atol=1e-4)
        np.testing.assert_allclose(sample["to_photo"], seen.square.rotation.T, atol=1e-6)
        found = sample["confidence"] > 0
        np.testing.assert_allclose(sample["keypoints_2d"][found], seen.keypoints_seen()[found], atol=1e-3)
        assert bool(sample["mirrored"]) == (dataset.hand(index) == "left")


def test_evaluation_and_prediction_give_the_same_hands(photos, tmp_path):
    own = {"train_datasets": ["Folder"], "val_datasets": ["Folder"], "folder_base_path": str(photos)}
    changes = {"mode": ["evaluation"], "folder_val_share": 1, "folder_min_joints": 2, "num_workers": 0}
    rule = {"folder_crop_margin": 0.4, "folder_min_confidence": 0.3}
    places = {"pretrain_model": str(tmp_path / "c.pt"), "base_out_path": str(tmp_path / "run")}
    write_own(tmp_path / "c.pt", **rule)
    result = run(config_from_dict(E2E | own | changes | rule | places), lambda line: None)
    reconstructor = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")
    with np.load(result.folder / "predictions/Folder/predictions.npz") as written:
        evaluated = dict(written)
    views = views_of(photos, reconstructor.answerer.squares)
    assert sorted(evaluated["names"]) == sorted(views)
    predicted = reconstructor.predict_views([views[name] for name in evaluated["names"]])
    assert list(predicted.hands) == evaluated["hands"].tolist()
    for name, tolerance in (("joints", 1e-4), ("vertices", 1e-4), ("keypoints_2d", 0.5), ("K", 1e-3)):
        np.testing.assert_allclose(getattr(predicted, name), evaluated[name], atol=tolerance, err_msg=name)
    joints = predicted.joints.numpy()
    assert np.ptp(joints, axis=0).max() > 0.05  # the answers differ from photo to photo
    right = evaluated["hands"] == "right"
    seen = result.evaluations["Folder"].joints  # by cameras turned towards the hands
    assert np.abs(seen - joints)[right].max() > 0.01


def test_the_samples_of_a_batch_turn_back_alike(photos):
    """The batch's rotations take points from the network's frame to photos', for every sample at once."""
    labelled = folder_dataset(
        photos,
        val_share=0,
        min_joints=0,
        image_size=SIZE,
        labels={"joints"},
        labels_file=photos / "truth.json",
    )
    batch = collate_hands([labelled[index] for index in range(len(labelled))])
    turned = batch.gt_joints @ batch.to_photo.mT
    signs = torch.where(batch.mirrored, -1.0, 1.0)[:, None]
    expected = np.stack([labelled.record(index).joints for index in range(len(labelled))])
    np.testing.assert_allclose(turned[..., 0] * signs, expected[..., 0], atol=1e-6)
    np.testing.assert_allclose(turned[..., 1:], expected[..., 1:], atol=1e-6)
