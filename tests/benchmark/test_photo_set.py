"""The photos of a benchmark: the same draw for the same seed, and one line about anything else."""

import json

import numpy as np
import pytest

from s2hand.benchmark.photo_set import draw_photos
from s2hand.errors import DatasetError

HAND = {"xyz": np.arange(63.0).reshape(21, 3).tolist(), "hand": "left"}


@pytest.fixture
def sorted_photos(tmp_path):
    """A folder with a reference: 30 photos in two folders, of which one shows no hand."""
    reference = {f"green/{number}.jpg": [HAND] for number in range(20)}
    reference |= {f"letters/B{number}_x.jpg": [HAND, HAND] for number in range(10)}
    reference |= {"letters/A1_x.jpg": [HAND], "green/nothing.jpg": []}
    (tmp_path / "reference.json").write_text(json.dumps(reference))
    return tmp_path


def names(*arguments):
    return [photo.name for photo in draw_photos(*arguments)]


def test_the_seed_decides(sorted_photos):
    drawn = names(sorted_photos, 5, 1)
    assert drawn == names(sorted_photos, 5, 1) != names(sorted_photos, 5, 2)
    assert [name.split("/")[0] for name in drawn] == ["green"] * 5 + ["letters"] * 5
    assert len(set(names(sorted_photos, 100, 1))) == 31
    assert "letters/A1_x.jpg" not in names(sorted_photos, 100, 1)  # fitted to


def test_the_reference_knows_the_hands(sorted_photos):
    found = {photo.name: photo for photo in draw_photos(sorted_photos, 100, 1)}
    assert found["green/nothing.jpg"].landmarks == ()
    first, second = found["letters/B3_x.jpg"].landmarks
    np.testing.assert_array_equal(first, np.array(HAND["xyz"])[:, :2])
    np.testing.assert_array_equal(first, second)
    assert found["letters/B3_x.jpg"].path == sorted_photos / "letters/B3_x.jpg"


def test_a_plain_folder_has_no_reference_and_each_content_once(tmp_path):
    (tmp_path / "letters").mkdir()
    for name, content in (("a.jpg", b"1"), ("b.png", b"2"), ("c.jpg", b"1"), ("letters/A1_x.jpg", b"3")):
        (tmp_path / name).write_bytes(content)
    found = draw_photos(tmp_path, 10, 0)
    assert sorted(photo.name for photo in found) == ["a.jpg", "b.png", "letters/A1_x.jpg"]
    assert [photo.landmarks for photo in found] == [None] * 3
    assert {photo.folder for photo in found} == {"letters", "photos"}


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"../a.jpg": []}',
        '{"letters/": []}',
        '{"a.jpg": [{"xyz": [[1, 2, 3]]}]}',
        '{"a.jpg": [{"world": []}]}',
        '{"a.jpg": 3}',
        '{"a.jpg": [{"xyz": "far"}]}',
        "{",
    ],
)
def test_another_reference_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "reference.json").write_text(content)
    with pytest.raises(DatasetError, match=r"reference\.json") as error:
        draw_photos(tmp_path, 1, 0)
    assert "\n" not in str(error.value)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no folder; expected a folder of photos"):
        draw_photos(tmp_path / "missing", 1, 0)
    with pytest.raises(DatasetError, match="no photos there"):
        draw_photos(tmp_path, 1, 0)
    (tmp_path / "reference.json").write_text("{}")
    with pytest.raises(DatasetError, match="no photos; expected"):
        draw_photos(tmp_path, 1, 0)
    with pytest.raises(DatasetError, match="expected 1 or more, got 0"):
        draw_photos(tmp_path, 0, 0)
    with pytest.raises(DatasetError, match="seed: expected 0 or more, got -1"):
        draw_photos(tmp_path, 1, -1)
