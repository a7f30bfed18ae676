import dataclasses
import json

import numpy as np
import pytest

from s2hand.datasets import Detections, read_detections, write_detections, write_versioned_detections
from s2hand.datasets.detections import DetectorInfo
from s2hand.errors import DatasetError


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
        (json.dumps({"keypoints": []}), 'expected "format": "s2hand-detections-1", got None'),
        (json.dumps("text"), "expected a list"),
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
        (json.dumps([[ROW], [[[-1.0]] * 21]]), r"confidences must be in \[0, 1\], got -1"),
        (json.dumps([[ROW], [CONFIDENCES], ["a", "b"]]), "expected 1 names"),
        (json.dumps([[ROW], [CONFIDENCES], [[7.5]]]), "expected text"),
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


@pytest.mark.parametrize("names", [[[0], [31], [7]], [0, 31, 7], [["0"], ["31"], ["7"]]])
def test_whole_numbers_are_names(tmp_path, names):
    rows = [np.ones((3, 21, 2)).tolist(), np.ones((3, 21, 1)).tolist()]
    (tmp_path / "detect.json").write_text(json.dumps([*rows, names]))
    assert read_detections(tmp_path / "detect.json").names == ("0", "31", "7")
    for strange in (True, 1.5, None, ["a", "b"]):
        (tmp_path / "detect.json").write_text(json.dumps([*rows, [["a"], ["b"], strange]]))
        with pytest.raises(DatasetError, match="names: expected text"):
            read_detections(tmp_path / "detect.json")


def test_photometric_weight_needs_every_joint():
    confidence = np.full((2, 21), 0.6)
    confidence[:, 0] = (0.8, 0.1)
    found = Detections(np.zeros((2, 21, 2), np.float32), confidence.astype(np.float32))
    weights = [found.annotations(row)["photometric_weight"] for row in range(2)]
    np.testing.assert_allclose(weights, [(0.6 * 20 + 0.8) / 21, 0], rtol=1e-6)


@pytest.fixture
def everything_known(detections):
    nan = np.nan
    return Detections(
        detections.keypoints,
        detections.confidence,
        ("sub/a.jpg", "sub/a.jpg", "ü.jpg"),
        sizes=np.array([[640, 480], [640, 480], [224, 224]]),
        boxes=np.float32([[1, 2, 30.25, 40], [nan] * 4, [0, 0, 224, 224]]),
        hands=("left", "right", "right"),
        cameras=np.float32([np.diag([600, 600, 1]), np.full((3, 3), nan), np.diag([90.1, 500, 1])]),
        detector=DetectorInfo("openpose", "0" * 64, {"scales": [0.5, 1.0], "precision": "fp32"}),
        unreadable=("c.jpg: cut short",),
        world=np.float32([np.full((21, 3), 0.05), np.full((21, 3), nan), np.full((21, 3), -0.1)]),
        world_spread=np.float32([np.full(21, 0.01), np.full(21, nan), np.full(21, nan)]),
    )


@pytest.mark.parametrize("left_out", [(), ("boxes", "hands", "cameras", "detector", "world", "world_spread")])
def test_the_versioned_format_keeps_everything(tmp_path, everything_known, left_out):
    wanted = dataclasses.replace(everything_known, **dict.fromkeys(left_out))
    write_versioned_detections(tmp_path / "detect.json", wanted)
    back = read_detections(tmp_path / "detect.json")
    for field in dataclasses.fields(Detections):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(wanted, field.name), field.name)


def test_the_versioned_file_is_as_documented(tmp_path, everything_known):
    write_versioned_detections(tmp_path / "detect.json", everything_known)
    content = json.loads((tmp_path / "detect.json").read_text())
    assert content["format"] == "s2hand-detections-1"
    assert content["detector"]["sha256"] == "0" * 64
    assert content["unreadable"] == ["c.jpg: cut short"]
    first, second, _ = content["images"]
    assert (first["name"], first["width"], first["height"], first["hand"]) == ("sub/a.jpg", 640, 480, "left")
    assert first["box"] == [1, 2, 30.25, 40]
    assert first["K"] == np.diag([600.0, 600, 1]).tolist()
    assert second["box"] is None
    assert second["K"] is None
    assert np.shape(first["keypoints"]) == (21, 2)
    assert np.shape(first["confidence"]) == (21,)
    assert np.shape(first["world"]) == (21, 3)
    assert np.shape(first["world_spread"]) == (21,)
    assert not {"world", "world_spread"} & set(second)


def test_3d_joints_count_as_far_as_looks_agree(everything_known):
    spread, unknown, without_spread = (everything_known.world_annotations(row) for row in range(3))
    np.testing.assert_array_equal(spread["world_joints"], everything_known.world[0])
    np.testing.assert_allclose(spread["world_confidence"], 0.5)
    assert not unknown["world_confidence"].any()
    assert not unknown["world_joints"].any()
    np.testing.assert_array_equal(without_spread["world_confidence"], everything_known.confidence[2])


IMAGE = {"name": "a.jpg", "width": 9, "height": 8, "keypoints": ROW, "confidence": [0.5] * 21}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"name": 7}, "names: expected text"),
        ({"name": None}, "names: expected text"),
        ({"width": None}, r"width of image 1 \(a.jpg\): expected numbers"),
        ({"height": 8.5}, "whole numbers"),
        ({"width": 0}, "whole numbers"),
        ({"keypoints": ROW[:20]}, r"keypoints of image 1 \(a.jpg\): expected shape"),
        ({"keypoints": NOT_A_NUMBER}, "NaN"),
        ({"confidence": [[0.5]] * 21}, r"confidence of image 1 \(a.jpg\): expected shape"),
        ({"confidence": [-1.0] * 21}, r"confidences must be in \[0, 1\], got -1"),
        ({"box": [1, 2, 3]}, r"box of image 1 \(a.jpg\): expected shape \(1, 4\)"),
        ({"K": [[1, 0], [0, 1]]}, r"K of image 1 \(a.jpg\): expected shape \(1, 3, 3\)"),
        ({"world": [[0, 0, 90]] * 21}, "world must be metres about the hand, at most 1, got 90"),
        ({"world": ROW}, r"world of image 1 \(a.jpg\): expected shape"),
        ({"hand": "both"}, "must be left or right, got 'both'"),
    ],
)
def test_a_wrong_image_of_a_versioned_file_is_named(tmp_path, image, message):
    file = tmp_path / "broken.json"
    images = [IMAGE | {"hand": "left"}, IMAGE | {"hand": "left"} | image]
    file.write_text(json.dumps({"format": "s2hand-detections-1", "images": images}))
    with pytest.raises(DatasetError, match=message) as caught:
        read_detections(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"format": "s2hand-detections-2"}, "got 's2hand-detections-2'"),
        ({"images": {}}, "images: expected a list"),
        ({"images": [3]}, "images: expected a list of objects"),
        ({"unreadable": [3]}, "unreadable: expected a list of text"),
        ({"detector": "openpose"}, "detector: expected an object"),
        ({"detector": {"name": "openpose"}}, "detector: expected an object"),
    ],
)
def test_a_wrong_versioned_file_is_named(tmp_path, content, message):
    file = tmp_path / "broken.json"
    file.write_text(json.dumps({"format": "s2hand-detections-1", "images": [IMAGE]} | content))
    with pytest.raises(DatasetError, match=message):
        read_detections(file)


def test_a_versioned_file_without_images_reads(tmp_path):
    (tmp_path / "d.json").write_text(json.dumps({"format": "s2hand-detections-1", "images": []}))
    back = read_detections(tmp_path / "d.json")
    assert len(back) == 0
    assert back.sizes.shape == (0, 2)


def test_the_versioned_format_needs_sizes(tmp_path, detections):
    with pytest.raises(DatasetError, match="names and sizes"):
        write_versioned_detections(tmp_path / "d.json", detections)


def test_fields_of_other_lengths_are_refused(everything_known):
    with pytest.raises(DatasetError, match="2 boxes for 3 images"):
        dataclasses.replace(everything_known, boxes=np.zeros((2, 4)))
    with pytest.raises(DatasetError, match="left or right, got 'both'"):
        dataclasses.replace(everything_known, hands=("left", "both", "right"))


def test_sizes_beyond_every_image_are_refused(tmp_path):
    image = {"name": "a.jpg", "width": 2**70, "height": 9, "keypoints": [[1, 2]] * 21, "confidence": [1] * 21}
    (tmp_path / "a.json").write_text(json.dumps({"format": "s2hand-detections-1", "images": [image]}))
    with pytest.raises(DatasetError, match="width and height must be at most 100000 px"):
        read_detections(tmp_path / "a.json")


@pytest.mark.parametrize("key", ["format", *IMAGE])
@pytest.mark.parametrize(
    "value", ["[" * 950 + "]" * 950, '{"a":' * 950 + "1" + "}" * 950, "9" * 400, "1e999"]
)
def test_values_without_end_are_refused_in_one_line(tmp_path, key, value):
    """The repr of a nested value would exceed the depth of Python's stack, that of a number its digits."""
    entries = {name: json.dumps(entry) for name, entry in (IMAGE | {"track": 1, "K": None}).items()}
    head = value if key == "format" else '"s2hand-detections-1"'
    image = ",".join(f'"{name}":{value if name == key else entry}' for name, entry in entries.items())
    (tmp_path / "d.json").write_text(f'{{"format":{head},"images":[{{{image}}}]}}')
    with pytest.raises(DatasetError) as caught:
        read_detections(tmp_path / "d.json")
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("confidence", r"image 1 \(b.jpg\) has no confidence: .*21 in \[0, 1\]: write 1 for joints that are"),
        ("keypoints", r"image 1 \(b.jpg\) has no keypoints: expected numbers of shape \(21, 2\)"),
        ("width", r"image 1 \(b.jpg\) has no width: expected a number of pixels of the upright image"),
    ],
)
def test_what_is_missing_is_named(tmp_path, key, message):
    images = [IMAGE, {name: value for name, value in IMAGE.items() if name != key} | {"name": "b.jpg"}]
    (tmp_path / "d.json").write_text(json.dumps({"format": "s2hand-detections-1", "images": images}))
    with pytest.raises(DatasetError, match=message):
        read_detections(tmp_path / "d.json")


def test_the_order_of_joints_is_doubted_of_many_hands_only(detections):
    """A single hand may be drawn in any order; what real hands look like is measured with the orders."""
    finger = np.arange(1, 5)[:, None] * [0.0, -9.0]
    bases = np.stack([range(-30, 45, 15), (-20, *[-60] * 4)], -1)
    hand = np.concatenate([[[0.0, 0.0]], *(finger + base for base in bases)])
    hands = np.stack([100 + hand + shift for shift in range(12)]).astype(np.float32)
    tips_first = [0, *(base + step for base in range(1, 21, 4) for step in (3, 2, 1, 0))]
    sure = np.ones((12, 21), np.float32)
    assert Detections(hands, sure).order_doubt("d.json") == ""
    assert "from tip to base: reorder them" in Detections(hands[:, tips_first], sure).order_doubt("d.json")
    assert Detections(hands[:3, tips_first], sure[:3]).order_doubt("d.json") == ""
    assert Detections(hands[:, tips_first], 0 * sure).order_doubt("d.json") == ""
