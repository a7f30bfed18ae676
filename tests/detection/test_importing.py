"""`s2hand import-detections`: what other programs write, read, checked and refused."""

import json

import cv2
import numpy as np
import pytest

from s2hand.cli import main
from s2hand.datasets import read_detections
from s2hand.detection.importing import import_detections
from s2hand.detection.importing_csv import header
from s2hand.detection.mediapipe.confidence import ONE_LOOK_CONFIDENCE
from s2hand.errors import DatasetError
from s2hand.images.joint_orders import better_order

WIDTH, HEIGHT = 320, 240
WRIST, SPREAD_DEG, LENGTHS = (160.0, 200.0), (-50, -20, 0, 18, 36), (25, 62, 70, 64, 58)


def hand(scale=1.0, shift=(0.0, 0.0), turn_deg=0.0):
    """(21, 2) px of an open hand in FreiHAND's order."""
    points = [np.zeros(2)]
    for spread, first in zip(SPREAD_DEG, LENGTHS, strict=True):
        angle = np.radians(spread - 90 + turn_deg)
        points += [(first + 18 * step) * np.array([np.cos(angle), np.sin(angle)]) for step in range(4)]
    return (np.array(points) * scale + WRIST + np.array(shift)).round(3)


def flat(points, confidence=0.9):
    return [value for x, y in points.tolist() for value in (x, y, confidence)]


NOTHING = [0] * 63
LINE = "," + ",".join(["1"] * 42)
SHORT = "image,hand," + ",".join(f"x{joint},y{joint}" for joint in range(21))


@pytest.fixture
def images(tmp_path):
    """Images a.jpg, sub/b.png and 000000000042.jpg."""
    root = tmp_path / "images"
    for name in ("a.jpg", "sub/b.png", "000000000042.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return root


@pytest.fixture
def read(tmp_path, images):
    """``read({name: content}, **options)``: imports files; gives what was read and what was said."""

    def read(files, **options):
        folder = tmp_path / "files"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text, encoding="utf-8")
        lines = []
        import_detections([folder], images, tmp_path / "out.json", say=lines.append, **options)
        return read_detections(tmp_path / "out.json"), "\n".join(lines)

    return read


def openpose(*people):
    keys = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")
    people = [dict(zip(keys, person, strict=True)) for person in people]
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [], **one} for one in people]}


def test_openpose_gives_all_hands_of_all_people(read):
    left, right, other = hand(0.5, (-60, 0)), hand(0.5, (60, 0)), hand(0.7)
    missed = flat(other)
    missed[3:6] = 0, 0, 0
    found, lines = read(
        {
            "a_keypoints.json": openpose((flat(left), flat(right)), (NOTHING, missed)),
            "sub/b_keypoints.json": openpose(([], NOTHING)),
        }
    )
    assert found.names == ("a.jpg",) * 3
    assert found.hands == ("left", "right", "right")
    np.testing.assert_allclose(found.keypoints[0], left + 0.5, atol=1e-3)
    np.testing.assert_allclose(found.keypoints[2, 2], other[2] + 0.5, atol=1e-3)
    assert found.keypoints[2, 1].tolist() == [0, 0]
    assert found.confidence[2, :3].tolist() == pytest.approx([0.9, 0, 0.9])
    assert found.sizes.tolist() == [[WIDTH, HEIGHT]] * 3
    assert found.detector.name == "imported from OpenPose"
    assert "OpenPose: 3 hands in 1 images, from pixel indices; 2 hands without a joint left out" in lines


def test_coco_wholebody_annotations_name_images_and_their_labels_are_no_confidences(read):
    annotation = {"id": 1, "image_id": 7, "lefthand_kpts": flat(hand(), 2), "righthand_kpts": NOTHING}
    annotation["lefthand_kpts"][5] = 1
    content = {
        "images": [{"id": 7, "file_name": "sub/b.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [annotation],
    }
    found, _ = read({"train.json": content})
    assert (found.names, found.hands) == (("sub/b.png",), ("left",))
    assert found.confidence.tolist() == [[1] * 21]
    np.testing.assert_allclose(found.keypoints[0], hand() + 0.5, atol=1e-3)


def test_coco_wholebody_results_name_images_by_number(read):
    results = [
        {"image_id": 42, "category_id": 1, "lefthand_kpts": NOTHING, "righthand_kpts": flat(hand(), 0.4)},
        {"image_id": 42, "category_id": 1, "keypoints": NOTHING * 4 + [0] * 21 + flat(hand(0.8)) + NOTHING},
    ]
    found, _ = read({"results.json": results})
    assert found.names == ("000000000042.jpg",) * 2
    assert found.hands == ("right", "left")
    assert found.confidence[0].tolist() == pytest.approx([0.4] * 21)
    np.testing.assert_allclose(found.keypoints[1], hand(0.8) + 0.5, atol=1e-3)


@pytest.mark.parametrize("wrapped", [False, True])
def test_mmpose_gives_hands_and_whole_bodies(read, wrapped):
    body = np.zeros((133, 2))
    scores = np.zeros(133)
    body[112:], scores[112:] = hand(0.8), 0.7
    instances = [
        {"keypoints": hand().tolist(), "keypoint_scores": [1.2] * 21, "bbox": [[0, 0, 5, 5]]},
        {"keypoints": body.tolist(), "keypoint_scores": scores.tolist()},
    ]
    content = {"meta_info": {}, "instance_info": instances} if wrapped else instances
    found, lines = read({"a.json": content}, hand="left")
    assert found.hands == ("left", "right")
    assert found.confidence[:, 5].tolist() == pytest.approx([1, 0.7])
    np.testing.assert_allclose(found.keypoints[1], hand(0.8) + 0.5, atol=1e-3)
    assert "the side of 1 hands is not told: they are taken for left ones" in lines


TASKS = {
    "hand_landmarks": [[{"x": x / WIDTH, "y": y / HEIGHT, "z": 0} for x, y in hand().tolist()]],
    "handedness": [[{"category_name": "Left", "score": 0.98}]],
}
SOLUTIONS = {
    "multi_hand_landmarks": [{"landmark": TASKS["hand_landmarks"][0]}],
    "multi_handedness": [{"classification": [{"label": "Left", "score": 0.98}]}],
}
BROWSER = {"landmarks": TASKS["hand_landmarks"], "handednesses": [[{"categoryName": "Left"}]]}
LISTS = {"hand_landmarks": [(hand() / (WIDTH, HEIGHT)).tolist()], "handedness": ["left"]}


@pytest.mark.parametrize("content", [TASKS, SOLUTIONS, BROWSER, LISTS, {"a.jpg": TASKS}])
@pytest.mark.parametrize(("keep", "side"), [(False, "right"), (True, "left")])
def test_mediapipes_shares_become_pixels_and_its_labels_are_turned_round(read, content, keep, side):
    name = "any.json" if "a.jpg" in content else "a.json"
    found, lines = read({name: content}, keep_labels=keep)
    assert (found.names, found.hands) == (("a.jpg",), (side,))
    np.testing.assert_allclose(found.keypoints[0], hand() + 0.5, atol=1e-3)
    assert found.confidence[0] == pytest.approx(ONE_LOOK_CONFIDENCE)
    assert "from shares of the image" in lines
    assert ("as written" in lines) == keep


def table(*rows, columns=None):
    columns = columns or header()
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_a_table_is_read_in_any_order_of_its_columns(read):
    row = dict(zip(header(), ["a.jpg", "Left", *flat(hand())], strict=True))
    row |= {"x3": "", "y3": "", "c3": ""}
    columns = header()[::-1]
    found, _ = read({"t.csv": "\ufeff" + table([row[name] for name in columns], columns=columns)})
    assert found.hands == ("left",)
    assert found.confidence[0, 2:5].tolist() == pytest.approx([0.9, 0, 0.9])
    np.testing.assert_allclose(found.keypoints[0, 4], hand()[4], atol=1e-3)
    assert found.keypoints[0, 3].tolist() == [0, 0]


def test_a_table_may_leave_out_confidences_and_sides(read):
    found, lines = read({"t.csv": table(["sub/b", "", *hand().ravel()], columns=header(confidences=False))})
    assert (found.names, found.hands) == (("sub/b.png",), ("right",))
    assert found.confidence.tolist() == [[1] * 21]
    assert "taken for right ones" in lines


def test_rows_are_sorted_by_image(read):
    files = {"b.csv": table(["sub/b.png", "left", *flat(hand())], ["a.jpg", "left", *flat(hand())])}
    assert read(files)[0].names == ("a.jpg", "sub/b.png")


def test_a_format_is_told_from_the_first_file_that_holds_something(read):
    instance = {"keypoints": hand().tolist(), "keypoint_scores": [1] * 21}
    found, _ = read({"000000000042.json": [], "a.json": [instance]})
    assert found.names == ("a.jpg",)


WRONG = {
    "no file": ({"a.txt": ""}, {}, "no .json or .csv file there"),
    "unknown": ({"a.json": {"x": 1}}, {}, "a.json: none of the known formats, openpose, coco-wholebody"),
    "other format": (
        {"a.json": openpose((NOTHING, NOTHING))},
        {"kind": "mmpose"},
        "expected MMPose's instances .* it looks like --from openpose",
    ),
    "no hand": ({"a.json": openpose((NOTHING, []))}, {}, r"hold no hand \(1 files read\)"),
    "joints": (
        {"a.json": openpose(([1, 2, 3], []))},
        {},
        r"person 0, hand_left_keypoints_2d: expected shape",
    ),
    "person": ({"a.json": {"people": [1]}}, {}, "people: expected a list of objects"),
    "strange image": (
        {"zz_keypoints.json": openpose((flat(hand()), []))},
        {},
        "holds no image for 'zz': name the folder",
    ),
    "shares for pixels": (
        {"a.json": openpose((flat(hand() / (WIDTH, HEIGHT)), []))},
        {},
        "look like shares of the image",
    ),
    "pixels for shares": (
        {"a.json": {**TASKS, "hand_landmarks": [[{"x": 100, "y": 90}] * 21]}},
        {},
        "are shares of the image, in .0, 1., but these look like pixels",
    ),
    "sides": (
        {"a.json": {**TASKS, "handedness": ["left"] * 2}},
        {},
        "as many entries of handedness as hands",
    ),
    "side": (
        {"t.csv": table(["a", "both", *flat(hand())])},
        {},
        "line 2: a hand must be left or right, got 'both'",
    ),
    "climbing": (
        {"t.csv": table(["../a.jpg", "left", *flat(hand())])},
        {},
        "does not lie inside of --images",
    ),
    "absolute": ({"t.csv": table(["/a.jpg", "left", *flat(hand())])}, {}, "does not lie inside of --images"),
    "header": (
        {"t.csv": table(columns=[*header()[:-1], "score"])},
        {},
        "expected the header image,hand,x0,y0,c0.* c20 is missing; 'score' is not a column",
    ),
    "short line": ({"t.csv": table(["a.jpg", "left", 1])}, {}, "line 2: expected 65 values, got 3"),
    "words": (
        {"t.csv": table(["a.jpg", "left", "x", *flat(hand())[1:]])},
        {},
        "line 2: expected numbers for joint 0, got 'x,200.0,0.9'",
    ),
    "NaN": (
        {"t.csv": table(["a.jpg", "left", "nan", *flat(hand())[1:]])},
        {},
        "joint 0: expected finite numbers",
    ),
    "per cent": ({"t.csv": table(["a.jpg", "left", *flat(hand(), 90)])}, {}, "look like per cent"),
    "body only": (
        {"r.json": [{"image_id": 42, "keypoints": [0] * 51}]},
        {},
        "expected lefthand_kpts and righthand_kpts, or keypoints of 63 or 399 numbers",
    ),
    "mmpose body": (
        {"a.json": [{"keypoints": [[1, 1]] * 17, "keypoint_scores": [1] * 17}]},
        {},
        "expected 21 joints of a hand or 133 of a whole body, got 17",
    ),
    "mmpose video": (
        {"a.json": {"instance_info": [{"frame_id": 1, "instances": []}]}},
        {},
        "frames of a video",
    ),
    "coco turned": (
        {
            "r.json": {
                "images": [{"id": 1, "file_name": "a.jpg", "width": HEIGHT, "height": WIDTH}],
                "annotations": [{"image_id": 1, "keypoints": flat(hand())}],
            }
        },
        {},
        "a.jpg is stated to have 240 x 320 px, but has 320 x 240 .it was not turned upright",
    ),
    "coco number": (
        {"r.json": {"images": [], "annotations": [{"image_id": [1], "keypoints": flat(hand())}]}},
        {},
        "image_id must be a whole number",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_one_line(read, name):
    files, options, message = WRONG[name]
    with pytest.raises(DatasetError, match=message) as refused:
        read(files, **options)
    assert "\n" not in str(refused.value)


def test_a_name_that_fits_two_images_is_refused(read, images):
    (images / "a.jpg").rename(images / "a.png")
    assert cv2.imwrite(str(images / "a.jpg"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"a may be a\.jpg or a\.png"):
        read({"a_keypoints.json": openpose((flat(hand()), []))})


ORDERS = {
    "MANO's: wrist, index": [0, *range(5, 13), *range(17, 21), *range(13, 17), *range(1, 5)],
    "MANO's joints and then the fingertips": [
        *(0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3),
        *(4, 8, 12, 16, 20),
    ],
    "from tip to base": [0, *(base + step for base in range(1, 21, 4) for step in (3, 2, 1, 0))],
    "then the wrist": [*range(1, 21), 0],
    "wrist, little": [0, *(base + step for base in range(17, 0, -4) for step in range(4))],
    "first joints": [0, 1, 5, 9, 13, 17, *(base + step for base in range(1, 21, 4) for step in (1, 2, 3))],
}


@pytest.mark.parametrize("looks", ORDERS)
def test_another_order_of_the_joints_is_refused(read, looks):
    rows = [["a.jpg", "left", *flat(hand(0.9, turn_deg=turn)[ORDERS[looks]])] for turn in range(-15, 15, 3)]
    with pytest.raises(DatasetError, match=f"these look like .*{looks}.*reorder them"):
        read({"t.csv": table(*rows)})


def test_few_hands_in_another_order_are_only_remarked_on(read):
    found, lines = read({"t.csv": table(["a.jpg", "left", *flat(hand()[ORDERS["from tip to base"]])])})
    assert len(found) == 1
    assert "from tip to base; too few hands to be certain" in lines


def test_the_right_order_is_not_doubted():
    hands = np.stack([hand(turn_deg=turn) for turn in range(0, 360, 15)])
    assert better_order(hands, np.ones((len(hands), 21))) is None
    assert better_order(hands[:1], np.ones((1, 21))) is None
    assert better_order(hands, np.zeros((len(hands), 21))) is None
    assert better_order(np.ones((1, 21, 2)), np.ones((1, 21))) is None


def test_the_command(tmp_path, images, capsys):
    (tmp_path / "a.json").write_text(json.dumps(TASKS))
    out = tmp_path / "out.json"
    command = ["import-detections", str(tmp_path / "a.json"), "--images", str(images), "--out", str(out)]
    assert main([*command, "--from", "mediapipe"]) == 0
    assert f"{out}: written" in capsys.readouterr().out
    assert len(read_detections(out)) == 1
    assert main([*command, "--from", "openpose"]) == 2
    assert "it looks like --from mediapipe" in capsys.readouterr().err


@pytest.mark.parametrize("number", [[1], {}, None, 1.5])
def test_images_of_coco_are_numbered_by_what_can_be_a_number(read, number):
    content = {"images": [{"id": number, "file_name": "a.jpg"}], "annotations": []}
    with pytest.raises(DatasetError, match="each needs an id, a number or text, and a file_name"):
        read({"a.json": content}, kind="coco-wholebody")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (f"{SHORT}\n{'a' * 200_000},left{LINE}\n", "not a sound table .*131072"),
        (f'"{"a" * 200_000}"\n', "expected the header|none of the known formats"),
        (f"{SHORT}\na.jpg,left{LINE.replace('1', '1e300')}\n", r"a\.csv, line 2, joint 0: expected finite"),
    ],
)
def test_tables_without_measure_are_refused(read, table, message):
    with pytest.raises(DatasetError, match=message):
        read({"a.csv": table})
