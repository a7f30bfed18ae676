import json
import shutil

import pytest
from made_up_freihand import write_freihand
from own_photos import draw_photos

from s2hand.data import read_detections
from s2hand.data.detections import write_versioned_detections


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
