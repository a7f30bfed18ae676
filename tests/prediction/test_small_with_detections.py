"""The bundled network on what `s2hand detect` or another program found in photos."""

import json
import shutil

import pytest

from s2hand.cli import main
from s2hand.prediction.sample_photos import sample_photos


@pytest.fixture
def detected(tmp_path):
    """A folder with a photo of a hand under three names, and the detections of the first of them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b#1.jpg", "c.jpg"):
        shutil.copy(sample_photos()[1], folder / name)
    found = tmp_path / "found.json"
    assert main(["detect", str(folder / "a.jpg"), "--out", str(found), "--fast", "--device", "cpu"]) == 0
    return folder, found


def predicted(folder, found, out, *options):
    """The exit code, and the index that was written."""
    arguments = ["predict", str(folder), "--detections", str(found), "--out", str(out), "--no-page"]
    code = main([*arguments, "--formats", "json", "--fast", "--device", "cpu", *options])
    return code, json.loads((out / "index.json").read_text())


def hands_of(index):
    return {image["name"]: len(image["hands"]) for image in index["images"]}


def as_often(found, changes):
    """Writes the only hand of the detections once for each name, with changes."""
    content = json.loads(found.read_text())
    (hand,) = content["images"]
    content["images"] = [hand | {"name": name} | change for name, change in changes]
    found.write_text(json.dumps(content))


def test_photos_that_the_detections_do_not_name_are_searched(detected, tmp_path, capsys):
    code, index = predicted(*detected, tmp_path / "out")
    assert (code, hands_of(index)) == (0, {"a.jpg": 1, "b#1.jpg": 1, "c.jpg": 1})
    assert "2 of the photos (first b#1.jpg): the bundled detector looks for" in capsys.readouterr().err


def test_hands_with_too_few_keypoints_are_left_out_by_name(detected, tmp_path, capsys):
    folder, found = detected
    few = {"confidence": [0.9] * 5 + [0] * 16}
    as_often(found, [("a.jpg", few), ("a.jpg", {}), ("b#1.jpg", {}), ("c.jpg", few)])
    code, index = predicted(folder, found, tmp_path / "out")
    assert (code, hands_of(index)) == (3, {"a.jpg": 1, "b#1.jpg": 1, "c.jpg": 0})
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert [line.split(": ")[2] for line in lines] == ["a.jpg", "c.jpg"]
    assert all("hand has 5 detected keypoints, and the network needs 8" in line for line in lines)
    assert len(index["unreadable"]) == 2


def test_a_detection_tells_the_side_that_a_prediction_tells(detected, tmp_path):
    """The detector alone takes this hand for a right one, of which it is not sure."""
    folder, found = detected
    assert json.loads(found.read_text())["images"][0]["hand"] == "left"
    _, with_detections = predicted(folder, found, tmp_path / "with")
    assert main(["predict", str(folder), "--out", str(tmp_path / "without"), "--fast", "--no-page"]) == 0
    alone = json.loads((tmp_path / "without/index.json").read_text())
    sides = [[image["hands"][0]["hand"] for image in index["images"]] for index in (with_detections, alone)]
    assert sides == [["left"] * 3] * 2
