import json

import numpy as np
import pytest

from s2hand.data import DatasetError, Detections, read_detections, write_detections
from s2hand.data.detections import photometric_weight


@pytest.fixture
def detections():
    random = np.random.default_rng(0)
    return Detections(
        random.uniform(0, 224, (3, 21, 2)).astype(np.float32),
        random.uniform(0, 1, (3, 21)).astype(np.float32),
        ("a.jpg", "b.jpg", "ü.jpg"),
    )


@pytest.mark.parametrize("named", [True, False])
def test_reading_back_gives_the_same_numbers(tmp_path, detections, named):
    if not named:
        detections = Detections(detections.keypoints, detections.confidence)
    write_detections(tmp_path / "new folder" / "detect.json", detections)
    back = read_detections(tmp_path / "new folder" / "detect.json")
    np.testing.assert_array_equal(back.keypoints, detections.keypoints)
    np.testing.assert_array_equal(back.confidence, detections.confidence)
    assert back.names == detections.names
    assert [file.name for file in (tmp_path / "new folder").iterdir()] == ["detect.json"]


def test_file_has_the_published_shapes(tmp_path, detections):
    write_detections(tmp_path / "detect.json", detections)
    keypoints, confidences, names = json.loads((tmp_path / "detect.json").read_text())
    assert np.shape(keypoints) == (3, 21, 2)
    assert np.shape(confidences) == (3, 21, 1)
    assert names == [["a.jpg"], ["b.jpg"], ["ü.jpg"]]


def test_a_hand_written_file_reads(tmp_path):
    (tmp_path / "d.json").write_text(json.dumps([[[[1, 2]] * 21], [[[0.5]] * 21], ["plain.jpg"]]))
    back = read_detections(tmp_path / "d.json")
    assert back.keypoints.shape == (1, 21, 2)
    assert back.keypoints.dtype == np.float32
    assert back.confidence.tolist() == [[0.5] * 21]
    assert back.names == ("plain.jpg",)


ROW, CONFIDENCES = [[1.0, 2.0]] * 21, [[0.5]] * 21
NOT_A_NUMBER = [[float("nan"), 2.0], *ROW[1:]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[", "not valid JSON"),
        ("\x80", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (json.dumps({"keypoints": []}), "expected a list"),
        (json.dumps([[ROW]]), "expected a list"),
        (
            json.dumps([[ROW[:20]], [CONFIDENCES]]),
            r"keypoints: expected shape \(N, 21, 2\), got \(1, 20, 2\)",
        ),
        (
            json.dumps([[ROW], [CONFIDENCES] * 2]),
            r"confidences: expected shape \(1, 21, 1\), got \(2, 21, 1\)",
        ),
        (json.dumps([[ROW], [[0.5] * 21]]), r"confidences: expected shape \(1, 21, 1\)"),
        (json.dumps([[ROW, ROW[:3]], [CONFIDENCES]]), "lists of unequal lengths"),
        (json.dumps([[[["1", 2]] * 21], [CONFIDENCES]]), "got other values"),
        (json.dumps([[[[None, 2]] * 21], [CONFIDENCES]]), "got other values"),
        (json.dumps([[NOT_A_NUMBER], [CONFIDENCES]]), "got NaN or infinity"),
        (json.dumps([[[[1e300, 2.0]] * 21], [CONFIDENCES]]), "got NaN or infinity"),
        (json.dumps([[ROW], [[[-1.0]] * 21]]), "expected values from 0"),
        (json.dumps([[ROW], [CONFIDENCES], ["a", "b"]]), "expected 1 names"),
        (json.dumps([[ROW], [CONFIDENCES], [[7]]]), "expected text"),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path, content, message):
    file = tmp_path / "broken.json"
    file.write_bytes(content.encode("latin1"))
    with pytest.raises(DatasetError, match=message) as caught:
        read_detections(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no file .*absent\.json"):
        read_detections(tmp_path / "absent.json")


def test_an_empty_list_reads(tmp_path):
    (tmp_path / "d.json").write_text("[[], []]")
    assert len(read_detections(tmp_path / "d.json")) == 0


def test_photometric_weight_needs_every_joint():
    confidence = np.full((2, 21), 0.6)
    confidence[:, 0] = (0.8, 0.1)
    np.testing.assert_allclose(photometric_weight(confidence), [(0.6 * 20 + 0.8) / 21, 0])
