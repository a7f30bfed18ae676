"""Traits of generated scenes are those of the stored images, and are looked up once."""

import json
import shutil

import cv2
import numpy as np
import pytest

from s2hand.errors import DatasetError
from s2hand.synthetic import traits, write_synthetic_dataset
from s2hand.synthetic.settings import SyntheticSettings
from s2hand.synthetic.traits import scene_traits

SETTINGS = {"train": 2, "evaluation": 20, "image_size": 64, "wide_poses": True, "object_share": 0.5}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("traits") / "drawn"
    summary = write_synthetic_dataset(root, processes=1, progress=False, **SETTINGS)
    return root, summary.statistics["evaluation"]


def test_traits_are_those_of_the_stored_hands(dataset):
    root, statistics = dataset
    found = scene_traits(root, SyntheticSettings(**SETTINGS), "evaluation")
    stored = np.array(json.loads((root / "evaluation_xyz.json").read_text()))
    np.testing.assert_allclose(found.joints, stored, atol=1e-4)
    assert found.hidden.mean() == pytest.approx(statistics["hidden_share"], abs=1e-4)
    assert 0 < found.objects.mean() < 1
    assert found.tone.shape == (20,)
    assert 0 <= found.tone.min() < found.tone.max() <= 5
    some = found.of(np.array([3, 1]))
    np.testing.assert_array_equal(some.tone, found.tone[[3, 1]])


def test_darker_tones_are_darker_in_the_images(dataset):
    """Mean brightness of the pixels at visible joints falls with the tone, whatever the light."""
    root, _ = dataset
    found = scene_traits(root, SyntheticSettings(**SETTINGS), "evaluation")
    cameras = np.array(json.loads((root / "evaluation_K.json").read_text()))
    brightness = []
    for number in range(20):
        image = cv2.imread(str(root / f"evaluation/rgb/{number:08d}.jpg"))
        points = found.joints[number][~found.hidden[number]] @ cameras[number].T
        column, row = (points[:, :2] / points[:, 2:]).astype(int).T
        brightness.append(image[row, column].mean())
    assert np.corrcoef(found.tone, brightness)[0, 1] < -0.5


def test_scenes_are_drawn_once(dataset, monkeypatch):
    root, _ = dataset
    settings = SyntheticSettings(**SETTINGS)
    first = scene_traits(root, settings, "evaluation")
    monkeypatch.setattr(traits, "draw_chunk", None)
    np.testing.assert_array_equal(first.hidden, scene_traits(root, settings, "evaluation").hidden)


def test_another_dataset_is_refused(dataset, tmp_path):
    root, _ = dataset
    copy = tmp_path / "drawn"
    copy.mkdir()
    shutil.copy(root / "evaluation_xyz.json", copy)
    with pytest.raises(DatasetError, match=r"evaluation_xyz\.json has other hands"):
        scene_traits(copy, SyntheticSettings(**SETTINGS | {"seed": 1}), "evaluation")
