"""``s2hand predict``: what it writes for pictures and videos, and how it takes what is broken."""

import json
import shutil
import unicodedata

import cv2
import numpy as np
import pytest
from PIL import Image
from support.untrained_checkpoint import write_own

from s2hand.cli import main
from s2hand.datasets.detection_files import write_versioned_detections
from s2hand.datasets.detections import Detections
from s2hand.images.videos import VideoFrames, VideoWriter, read_video_header
from s2hand.prediction.photos import find_photos

WIDTH, HEIGHT = 80, 64


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint_last.pt"
    write_own(path, hand_input="keypoints")
    return str(path)


def save_photo(path, seed, size=(WIDTH, HEIGHT), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)).save(path, **options)


def rows(names, hands, confidence=1.0, **fields):
    random = np.random.default_rng(1)
    keypoints = random.uniform((20, 10), (60, 50), (len(names), 21, 2)).astype(np.float32)
    return Detections(
        keypoints,
        np.full((len(names), 21), confidence, np.float32),
        tuple(names),
        sizes=np.tile([WIDTH, HEIGHT], (len(names), 1)),
        hands=tuple(hands),
        **fields,
    )


def predict(*arguments):
    return main(["predict", *map(str, arguments), "--device", "cpu"])


def test_every_hand_of_every_picture_is_written(checkpoint, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "photos" / "out"
    for seed, name in enumerate(("a.jpg", "a.png", "sub/b.jpg")):
        save_photo(photos / name, seed)
    cameras = np.full((4, 3, 3), np.nan, np.float32)
    cameras[3] = [[90, 0, 40], [0, 91, 30], [0, 0, 1]]
    found = rows(
        ["a.jpg", "sub/b.jpg", "sub/b.jpg", "a.png"], ["left", "left", "right", "right"], cameras=cameras
    )
    write_versioned_detections(tmp_path / "d.json", found)
    options = ["--detections", tmp_path / "d.json", "--formats", "overlay,mask,glb,obj,ply,json,npz"]
    assert (
        predict(checkpoint, photos, "--out", out, *options, "--focal", 75, "--refine", 3, "--batch", 2) == 0
    )
    assert "3 photos with 4 hands (2 left, 2 right)" in capsys.readouterr().out
    index = json.loads((out / "index.json").read_text())
    assert [entry["name"] for entry in index["images"]] == ["a.jpg", "a.png", "sub/b.jpg"]
    files = [hand["files"] for entry in index["images"] for hand in entry["hands"]]
    assert [each["npz"] for each in files] == ["a.jpg.npz", "a.png.npz", "sub/b.hand0.npz", "sub/b.hand1.npz"]
    listed = {name for each in files for name in each.values()}
    listed |= {entry[kind] for entry in index["images"] for kind in ("overlay", "mask")}
    beside_obj = {each["obj"].replace(".obj", ending) for each in files for ending in (".mtl", ".png")}
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == listed | beside_obj | {"index.json", "index.html"}
    hands = [json.loads((out / each["json"]).read_text()) for each in files]
    assert [hand["hand"] for hand in hands] == ["left", "right", "left", "right"]
    assert [hand["focal_source"] for hand in hands] == ["given", "detections file", "given", "given"]
    assert [hand["K"][0][0] for hand in hands] == [75, 90, 75, 75]
    assert all(hand["refined"] and hand["looked_at"] == "keypoints" for hand in hands)
    assert (index["settings"]["focal"], index["settings"]["refine"]) == (75, 3)
    with Image.open(out / "sub/b.overlay.jpg") as overlay:
        assert overlay.size == (WIDTH, HEIGHT)
    # The results' pictures are no input of a second run.
    assert predict(checkpoint, photos, "--out", out, "--formats", "json") == 0
    assert "3 photos with 3 hands (0 left, 3 right)" in capsys.readouterr().out


def test_hand_and_camera_of_the_command_line(checkpoint, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", 0)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 35  # focal length in 35 mm film
    save_photo(tmp_path / "b.jpg", 1, exif=exif)
    K = ["--K", 100, 101, 41, 31]
    assert (
        predict(
            checkpoint, tmp_path / "[ab].jpg", "--out", tmp_path / "o", "--formats", "json", "--hand", "left"
        )
        == 0
    )
    assert "takes what it sees for a left hand" in capsys.readouterr().err
    first, second = (json.loads((tmp_path / "o" / f"{name}.json").read_text()) for name in "ab")
    assert (first["hand"], first["focal_source"], first["looked_at"]) == ("left", "default", "whole picture")
    assert second["focal_source"] == "EXIF"
    assert second["K"][0][0] == pytest.approx(35 / np.hypot(36, 24) * np.hypot(WIDTH, HEIGHT))
    assert predict(checkpoint, tmp_path / "b.jpg", "--out", tmp_path / "o", "--formats", "json", *K) == 0
    assert json.loads((tmp_path / "o/b.json").read_text())["K"] == [[100, 0, 41], [0, 101, 31], [0, 0, 1]]


def test_broken_pictures_are_named_and_the_rest_goes_on(checkpoint, tmp_path, capsys):
    photos = tmp_path / "photos"
    save_photo(photos / "good.jpg", 0)
    (photos / "text.jpg").write_text("not a picture")
    (photos / "empty.png").touch()
    save_photo(photos / "cut.jpg", 1)
    (photos / "cut.jpg").write_bytes((photos / "cut.jpg").read_bytes()[:300])
    (photos / "clip.mp4").write_bytes(b"no video")
    huge = Image.new("1", (20_000, 6_000))
    huge.save(photos / "huge.png")
    grey = Image.open(photos / "good.jpg")
    grey.convert("L").save(photos / "grey.png")
    grey.convert("CMYK").save(photos / "cmyk.jpg")
    grey.convert("RGBA").save(photos / "rgba.png")
    Image.fromarray(np.asarray(grey.convert("L")).astype(np.uint16) * 257).save(photos / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    save_photo(photos / "turned.jpg", 2, exif=exif)
    save_photo(photos / "other_size.jpg", 3, (HEIGHT, HEIGHT))
    write_versioned_detections(tmp_path / "d.json", rows(["good.jpg", "other_size.jpg"], ["left", "right"]))
    code = predict(
        *(checkpoint, photos, photos / "clip.mp4", "--out", tmp_path / "o"),
        *("--formats", "json,overlay", "--detections", tmp_path / "d.json"),
    )
    assert code == 3
    index = json.loads((tmp_path / "o/index.json").read_text())
    readable = ["cmyk.jpg", "deep.png", "good.jpg", "grey.png", "rgba.png", "turned.jpg"]
    assert [entry["name"] for entry in index["images"]] == readable
    sizes = {entry["name"]: (entry["width"], entry["height"]) for entry in index["images"]}
    assert sizes["turned.jpg"] == (HEIGHT, WIDTH)
    assert [line.partition(":")[0] for line in index["unreadable"]] == [
        *("cut.jpg", "empty.png", "huge.png", "other_size.jpg", "text.jpg", "clip.mp4")
    ]
    shown = capsys.readouterr().err
    assert all(line in shown for line in index["unreadable"])
    assert "detect again" in shown
    assert "does not name 9 of the photos (first cmyk.jpg)" in shown
    assert not list((tmp_path / "o").rglob("*.partial*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no photos or videos there"),
        (["a.jpg", "--formats", "glb,stl"], "no 'stl'; choose among"),
        (["a.jpg", "--formats", ""], "formats is empty"),
        (["a.jpg", "--formats", ","], "nothing to write"),
        (["a.jpg", "--focal", "-3"], "must be positive"),
        (["a.jpg", "--focal", "inf"], "must be positive and finite"),
        (["a.jpg", "--focal", "1e300"], "focal length of 1e+300 px is no camera's"),
        (["a.jpg", "--K", "0", "0", "0", "0"], "the stated K must be"),
        (["a.jpg", "--detections", "none.json"], "no file none.json"),
        (["a.jpg", "--batch", "0"], "batch size: expected 1 or more"),
        (["out/a.jpg"], "all photos lie in out"),
    ],
)
def test_bad_arguments_end_in_one_line(checkpoint, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    save_photo(tmp_path / "a.jpg", 0)
    save_photo(tmp_path / "out/a.jpg", 0)
    assert predict(checkpoint, "--out", "out", *arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[-1]
    assert lines[-1].startswith("s2hand: error: ")


def test_detections_of_other_pictures_are_refused(checkpoint, tmp_path, capsys):
    save_photo(tmp_path / "photos/a.jpg", 0)
    write_versioned_detections(tmp_path / "d.json", rows(["trip/a.jpg"], ["left"]))
    options = ["--out", tmp_path / "o", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path / "photos", *options) == 2
    assert "names none of the photos (it has trip/a.jpg; these are a.jpg, ...)" in capsys.readouterr().err


def test_the_detections_sheet_is_no_picture(checkpoint, tmp_path):
    for name in ("a.jpg", "d_preview.jpg"):
        save_photo(tmp_path / name, 0)
    write_versioned_detections(tmp_path / "d.json", rows(["a.jpg"], ["left"]))
    options = ["--out", tmp_path / "o", "--formats", "json", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path, *options) == 0
    assert [entry["name"] for entry in json.loads((tmp_path / "o/index.json").read_text())["images"]] == [
        "a.jpg"
    ]


def test_a_box_outside_of_its_picture_leaves_the_picture_out(checkpoint, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        save_photo(tmp_path / "photos" / name, 0)
    boxes = np.float32([[-30, 0, 30, 30], [10, 10, 40, 40]])
    found = rows(["a.jpg", "b.jpg"], ["left", "right"], boxes=boxes)
    write_versioned_detections(tmp_path / "d.json", found)
    options = ["--out", tmp_path / "o", "--formats", "json", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path / "photos", *options) == 3
    index = json.loads((tmp_path / "o/index.json").read_text())
    assert [entry["name"] for entry in index["images"]] == ["b.jpg"]
    assert index["unreadable"][0].startswith("a.jpg: hand box [-30, 0, 30, 30] lies outside of the image")


def test_stems_are_apart_from_files_of_other_pictures(tmp_path):
    for name in ("a.jpg", "a.hand0.jpg", "a.mask.jpg", "index.jpg", "sub/index.jpg"):
        save_photo(tmp_path / name, 0)
    stems = [photo.stem for photo in find_photos([tmp_path])]
    assert stems == ["a.hand0.jpg", "a", "a.mask.jpg", "index_2", "sub/index"]


def test_stems_can_be_written(tmp_path):
    for name in ("n" * 240 + ".jpg", "n" * 250 + ".jpg", "two\nlines.jpg"):
        save_photo(tmp_path / name, 0)
    stems = [photo.stem for photo in find_photos([tmp_path])]
    assert stems == ["n" * 180, "n" * 180 + "_2", "two_lines"]


def test_stems_are_apart_on_file_systems_that_fold_letters(tmp_path):
    names = ["A.jpg", "INDEX.jpg", "a.jpg", "u\u0308.jpg", "\u00fc.jpg"]
    for number, name in enumerate(names):
        save_photo(tmp_path / str(number) / name, 0)
    stems = [photo.stem for photo in find_photos([tmp_path / str(number) for number in range(len(names))])]
    assert stems == ["A", "INDEX_2", "a_2", "u\u0308", "\u00fc_2"]


def test_a_video_that_is_not_whole_is_told(tmp_path):
    path = tmp_path / "v.mp4"
    writer = VideoWriter(path, 25.0, (WIDTH, HEIGHT))
    writer.write(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    writer._writer.release()
    writer.__exit__(None)
    path.write_bytes(path.read_bytes()[:100])  # as of a full disk
    with pytest.raises(OSError, match="could not be written whole"):
        writer.__exit__(None)


def test_stems_never_meet(tmp_path):
    for name in ("one/a.jpg", "one/a.png", "one/b.jpg", "two/b.jpg"):
        save_photo(tmp_path / name, 0)
    found = find_photos([tmp_path / "one", tmp_path / "two", tmp_path / "one/b.jpg"])
    assert [photo.name for photo in found] == ["a.jpg", "a.png", "b.jpg", "b.jpg"]
    assert [photo.stem for photo in found] == ["a.jpg", "a.png", "b.jpg", "b.jpg_2"]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Ten frames of a picture that slides, as .mp4."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    coarse = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    wide = cv2.resize(coarse, (WIDTH + 20, HEIGHT), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(path, 25.0, (WIDTH, HEIGHT)) as writer:
        for shift in range(10):
            writer.write(np.ascontiguousarray(wide[:, shift : shift + WIDTH]))
    return path


def read_lines(path):
    opening, *lines = (json.loads(line) for line in path.read_text().splitlines())
    return opening, lines


def test_videos_become_videos_and_lines(checkpoint, video, tmp_path, capsys):
    assert predict(checkpoint, video, "--out", tmp_path, "--batch", 4) == 0
    assert "1 video with 10 frames" in capsys.readouterr().out
    header = read_video_header(tmp_path / "clip.mp4")
    assert (header.width, header.height, header.fps) == (WIDTH, HEIGHT, 25.0)
    drawn = [pixels for _, pixels in VideoFrames(tmp_path / "clip.mp4")]
    assert len(drawn) == 10
    differences = [
        np.abs(a.astype(int) - b).mean() for a, (_, b) in zip(drawn, VideoFrames(video), strict=True)
    ]
    assert min(differences) > 3  # a hand is drawn
    opening, lines = read_lines(tmp_path / "clip.jsonl")
    assert (opening["fps"], opening["smoothed"], opening["units"]["joints"]) == (25.0, True, "metres")
    assert [line["frame"] for line in lines] == list(range(10))
    assert lines[5]["time_s"] == 0.2
    (hand,) = lines[0]["hands"]
    assert np.shape(hand["joints"]) == (21, 3)
    assert "vertices" not in hand
    (entry,) = json.loads((tmp_path / "index.json").read_text())["images"]
    assert (entry["frames"], entry["overlay"], entry["lines"]) == (10, "clip.mp4", "clip.jsonl")


def test_smoothing_steadies_and_can_be_left_out(checkpoint, video, tmp_path):
    steps = {}
    for name, options in {"steady": [], "raw": ["--no-smooth"]}.items():
        assert predict(checkpoint, video, "--out", tmp_path / name, *options) == 0
        _, lines = read_lines(tmp_path / name / "clip.jsonl")
        rotations = np.array([line["hands"][0]["parameters"]["rotation"] for line in lines])
        steps[name] = np.abs(np.diff(rotations, axis=0)).sum()
    assert 0 < steps["steady"] < 0.6 * steps["raw"]


def test_detected_hands_of_a_video(checkpoint, video, tmp_path):
    """Two hands at first, then one, then none that was found: no hand is made up."""
    names = [f"clip.mp4#{frame:06d}" for frame in (0, 0, 1, 2)]
    found = rows(names, ["left", "right", "right", "right"])
    found.confidence[3] = 0
    write_versioned_detections(tmp_path / "d.json", found)
    assert (
        predict(checkpoint, video, "--out", tmp_path, "--detections", tmp_path / "d.json", "--batch", 1) == 0
    )
    _, lines = read_lines(tmp_path / "clip.jsonl")
    hands = [[hand["hand"] for hand in line["hands"]] for line in lines]
    assert hands == [["left", "right"], ["right"]] + [[]] * 8


@pytest.mark.slow
def test_onnx_of_a_checkpoint(checkpoint, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export-onnx", checkpoint, str(tmp_path / "hand.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "opset 17" in shown
    assert "(B, 3, 64, 64)" in shown
    session = onnxruntime.InferenceSession(tmp_path / "hand.onnx")
    vertices, *_ = session.run(
        None,
        {"image": np.zeros((2, 3, 64, 64), np.float32), "K": np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))},
    )
    assert vertices.shape == (2, 778, 3)


def hands_in(out):
    """Name -> hands and what was looked at, of a folder of results."""
    entries = json.loads((out / "index.json").read_text())["images"]
    return {
        entry["name"]: [(hand["hand"], hand["looked_at"]) for hand in entry["hands"]] for entry in entries
    }


@pytest.mark.parametrize("source", ["trips/rome/1.jpg", "trips/rome", "trips/rome/*.jpg", "trips/*/1.jpg"])
def test_the_same_name_in_another_folder_is_another_photo(checkpoint, tmp_path, source):
    for name in ("1.jpg", "rome/1.jpg"):
        save_photo(tmp_path / "trips" / name, 0)
    boxes = np.float32([[10, 10, 30, 30], [40, 20, 30, 30]])
    found = rows(["1.jpg", "rome/1.jpg"], ["left", "right"], boxes=boxes)
    write_versioned_detections(tmp_path / "trips/d.json", found)
    options = ["--out", tmp_path / "o", "--formats", "json", "--detections", tmp_path / "trips/d.json"]
    assert predict(checkpoint, tmp_path / source, *options) == 0
    assert hands_in(tmp_path / "o") == {"1.jpg": [("right", "box")]}


def test_one_name_for_two_photos_is_refused(checkpoint, tmp_path, capsys):
    for name in ("rome/1.jpg", "oslo/1.jpg"):
        save_photo(tmp_path / name, 0)
    write_versioned_detections(tmp_path / "d.json", rows(["1.jpg"], ["left"]))
    options = ["--out", tmp_path / "o", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path / "rome", tmp_path / "oslo", *options) == 2
    message = capsys.readouterr().err
    assert "1.jpg may be " in message
    assert "predict on one folder at a time" in message


def test_detections_that_fit_two_folders_are_told(checkpoint, tmp_path, capsys):
    for name in ("trips/1.jpg", "trips/rome/1.jpg"):
        save_photo(tmp_path / name, 0)
    write_versioned_detections(tmp_path / "d.json", rows(["1.jpg"], ["left"]))
    options = ["--out", tmp_path / "o", "--formats", "json", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path / "trips/rome", *options) == 0
    assert "fits the files in " in capsys.readouterr().err


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_the_same_however_letters_are_composed(checkpoint, tmp_path, forms):
    on_disk, detected = (unicodedata.normalize(form, "Hände.jpg") for form in forms)
    save_photo(tmp_path / "photos" / on_disk, 0)
    save_photo(tmp_path / "photos/other.jpg", 0)
    write_versioned_detections(tmp_path / "d.json", rows([detected, "other.jpg"], ["left", "left"]))
    options = ["--out", tmp_path / "o", "--formats", "json", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, tmp_path / "photos", *options) == 0
    assert set(hands_in(tmp_path / "o")) == {on_disk, "other.jpg"}
    assert all(hands == [("left", "keypoints")] for hands in hands_in(tmp_path / "o").values())


def test_a_video_that_the_detections_do_not_know_is_refused(checkpoint, video, tmp_path, capsys):
    found = rows([f"renamed.mp4#{frame:06d}" for frame in range(3)], ["left"] * 3)
    write_versioned_detections(tmp_path / "d.json", found)
    options = ["--out", tmp_path / "o", "--detections", tmp_path / "d.json"]
    assert predict(checkpoint, video, *options) == 2
    assert "names none of the videos (it has renamed.mp4#000000" in capsys.readouterr().err
    # Beside a photo that they know, the video is looked at whole.
    save_photo(tmp_path / "a.jpg", 0)
    write_versioned_detections(tmp_path / "d.json", rows(["a.jpg"], ["left"]))
    assert predict(checkpoint, video, tmp_path / "a.jpg", *options) == 0
    assert "does not name 1 of the videos (first clip.mp4)" in capsys.readouterr().err
    _, lines = read_lines(tmp_path / "o/clip.jsonl")
    assert all(len(line["hands"]) == 1 for line in lines)


def test_videos_of_a_folder_are_predicted_and_the_rest_is_counted(checkpoint, video, tmp_path, capsys):
    for name in ("one/clip.mp4", "two/clip.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        shutil.copy(video, tmp_path / "in" / name)
    (tmp_path / "in/a.cr2").touch()
    assert predict(checkpoint, tmp_path / "in", "--out", tmp_path / "o") == 0
    output = capsys.readouterr()
    assert "2 videos with 20 frames" in output.out
    assert "passed over, as they cannot be read: 1 .cr2" in output.err
    index = json.loads((tmp_path / "o/index.json").read_text())["images"]
    assert [entry["name"] for entry in index] == ["one/clip.mp4", "two/clip.mp4"]
    assert all((tmp_path / "o" / entry["lines"]).is_file() for entry in index)


def test_nothing_is_written_outside_of_the_folder(checkpoint, tmp_path, monkeypatch):
    for name in ("pics/x/a.jpg", "pics/y/b.jpg", "outside.jpg"):
        save_photo(tmp_path / name, 0)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    assert predict(checkpoint, "pics/*/../../outside.jpg", "--out", "o/in/deep", "--formats", "json") == 0
    assert {path.relative_to(tmp_path).as_posix() for path in set(tmp_path.rglob("*")) - before} == {
        *("o", "o/in", "o/in/deep"),
        *(f"o/in/deep/{name}" for name in ("index.json", "index.html", "outside.json")),
    }
