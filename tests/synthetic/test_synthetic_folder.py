"""Synthetic photos in folders of own pictures: some of everything, and the same files every time."""

import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from s2hand.datasets import read_detections
from s2hand.geometry.mirror import mirror_points
from s2hand.hand import load_hand_model
from s2hand.images.listing import list_photos
from s2hand.images.photos import read_photo_header
from s2hand.synthetic import DetectorNoise, write_synthetic_dataset
from s2hand.synthetic.folder_layout import PHOTOS_PER_ALBUM, FolderLayout, photo_name, plan_photo


def read_truth(folder):
    return json.loads((folder / "truth.json").read_text())


def test_few_photos_have_some_of_everything():
    plans = [plan_photo(number) for number in range(12)]
    assert sum(plan.hand == "left" for plan in plans) == 6
    for field, count in {"shape": 4, "orientation": 4, "suffix": 2, "camera": 3, "has_box": 2}.items():
        assert len({getattr(plan, field) for plan in plans}) == count
        by_hand = [
            {getattr(plan, field) for plan in plans if plan.hand == hand} for hand in ("left", "right")
        ]
        assert by_hand[0] & by_hand[1]  # no hand has a kind to itself
    assert {plan.orientation for plan in plans if plan.suffix == ".png"} == {1}


def test_files_are_what_the_detections_say(photo_folder):
    for split in ("training", "evaluation"):
        folder = photo_folder / split
        found = read_detections(folder / "detections.json")
        assert [folder / name for name in found.names] == list_photos(folder)
        assert [entry["name"] for entry in read_truth(folder)] == list(found.names)
        for row, name in enumerate(found.names):
            plan = plan_photo(row)
            header = read_photo_header(folder / name)
            assert (header.width, header.height) == tuple(found.sizes[row])
            assert found.hands[row] == plan.hand
            assert np.isnan(found.boxes[row]).any() == (not plan.has_box)
            assert np.isnan(found.cameras[row]).any() == (plan.camera != "detections")
            assert (header.focal_px is None) == (plan.camera != "exif")
            with Image.open(folder / name) as picture:
                assert picture.getexif().get(ExifTags.Base.Orientation, 1) == plan.orientation


def test_truth_projects_into_the_photo_and_its_box(photo_folder):
    folder = photo_folder / "training"
    found = read_detections(folder / "detections.json")
    off_centre = []
    for row, entry in enumerate(read_truth(folder)):
        joints, K, keypoints = (np.array(entry[key]) for key in ("joints", "K", "keypoints"))
        projected = joints @ K.T
        np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], keypoints, atol=0.02)
        size = found.sizes[row]
        assert (keypoints > 0).all()
        assert (keypoints < size).all()
        if not np.isnan(found.boxes[row]).any():
            left, top, width, height = found.boxes[row]
            inside = (keypoints > (left, top)) & (keypoints < (left + width, top + height))
            assert inside.all()
        off_centre.append(np.abs(keypoints.mean(0) / size - 0.5).max())
    assert np.median(off_centre) > 0.05


def test_left_hands_are_left(photo_folder):
    """Turned on a left hand, the resting right hand's mirror image fits better than the resting hand."""
    model = load_hand_model("generic")
    rest = model.v_template - model.v_template.mean(0)
    for entry in read_truth(photo_folder / "training"):
        vertices = np.array(entry["vertices"])
        vertices = vertices - vertices.mean(0)
        errors = []
        for template in (rest, mirror_points(rest)):
            u, _, vt = np.linalg.svd(vertices.T @ template)
            turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
            errors.append(np.linalg.norm(vertices - template @ turn.T))
        assert (errors[1] < errors[0]) == (entry["hand"] == "left")


def test_the_same_settings_give_the_same_files(tmp_path):
    settings = {"layout": "folder", "train": 3, "evaluation": 1, "image_size": 96, "progress": False}
    roots = [tmp_path / name for name in ("a", "b")]
    for root in roots:
        write_synthetic_dataset(root, noise=DetectorNoise(failure_rate=0.5), processes=1, **settings)
    files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} for root in roots]
    assert files[0] == files[1]
    assert len(files[0]) == 4 + 2 * 2 + 1


def test_albums_hold_a_hundred(tmp_path):
    FolderLayout().make_folders(tmp_path, {"training": PHOTOS_PER_ALBUM + 1})
    assert sorted(path.name for path in (tmp_path / "training").iterdir()) == ["album0", "album1"]
    assert photo_name(PHOTOS_PER_ALBUM) == f"album1/{PHOTOS_PER_ALBUM:06d}.jpg"


@pytest.mark.parametrize("number", [0, 3, 7])
def test_photos_show_the_whole_hand(photo_folder, number):
    entry = read_truth(photo_folder / "training")[number]
    projected = np.array(entry["vertices"]) @ np.array(entry["K"]).T
    pixels = projected[:, :2] / projected[:, 2:]
    size = read_detections(photo_folder / "training/detections.json").sizes[number]
    assert ((pixels > -1) & (pixels < size + 1)).all(-1).mean() > 0.95
