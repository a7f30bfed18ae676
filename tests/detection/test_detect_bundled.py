"""`s2hand detect` with the bundled detector: all hands, videos, resuming, shares, boxes, published files."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from s2hand.cli import main
from s2hand.datasets import DetectorInfo, read_detections
from s2hand.detection import DetectionTask, HandDetector, HandImage, ImageSource, Share, detect
from s2hand.detection.all_hands import AllHands
from s2hand.detection.mediapipe.records import HandReadings
from s2hand.errors import DatasetError

RECORDED = Path(__file__).parents[1] / "fixtures" / "mediapipe_photos.npz"
HAND = np.random.default_rng(0).uniform(-6, 6, (21, 2))
INFO = DetectorInfo("blobs", "0" * 64, {})
SIDE = 96


class Blobs:
    """Stands in for the detector: a hand about each pixel with full green, right by red, as sure as blue."""

    def __init__(self):
        self.photos, self.reads = 0, 0

    def __call__(self, images):
        self.photos += len(images)
        return [
            self._readings(_blobs(image)).hands(np.full((len(_blobs(image)), 21), 0.8)) for image in images
        ]

    def find(self, images, *, filling=True):
        blobs = _blobs(images[0])
        return self._readings(blobs), np.zeros(len(blobs), int)

    def read(self, images, photo_of, squares, looks):
        self.reads += 1
        nearest = []
        for square in squares:
            near = [blob for blob in _blobs(images[0]) if np.hypot(*(blob[:2] - square[:2])) < 15]
            nearest.append(near[0] if near else np.array([*square[:2], 0.5, 0.1]))
        return [self._readings(nearest)]

    def _readings(self, blobs):
        blobs = np.array(blobs).reshape(-1, 4)
        count = len(blobs)
        keypoints = HAND - HAND.mean(0) + blobs[:, None, :2]
        return HandReadings(
            keypoints,
            np.zeros((count, 21)),
            np.zeros((count, 21, 3)),
            blobs[:, 3],
            blobs[:, 2],
            np.zeros((count, 4)),
        )


def _blobs(image):
    """(N, 4) x, y, probability of right, presence; from left to right."""
    found = [
        (x + 0.5, y + 0.5, image[y, x, 0] / 255, image[y, x, 2] / 255)
        for y, x in zip(*np.nonzero(image[..., 1] == 255), strict=True)
    ]
    return np.array(sorted(found)).reshape(-1, 4)


def picture(*hands):
    """A dark image with hands (x, y, "left" or "right", presence)."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x, y, side, presence in hands:
        image[y, x] = (250 if side == "right" else 5, 255, round(255 * presence))
    return image


def source_of(images, kind="photos", published=None, **given):
    """A source of images in memory; ``given`` is what each says of its hand."""
    entries = tuple(HandImage(f"{number:04d}.png", number, **given) for number in range(len(images)))
    return ImageSource(kind, entries, images.__getitem__, published or {})


def run(source, out, worker=None, share=None, **changes):
    task = DetectionTask(source, out, INFO, **{"hand": None, "batch": 3, **changes})
    return detect(worker or AllHands(Blobs()), task, share)


TWO = ((20, 30, "left", 0.9), (70, 60, "right", 0.95))
PHOTOS = [picture(*TWO), picture(), picture((40, 40, "right", 0.9)), picture(*TWO), picture()]


def test_every_hand_has_an_entry_and_photos_without_one_have_none(tmp_path):
    summary = run(source_of(PHOTOS), tmp_path / "out.json")
    found = read_detections(tmp_path / "out.json")
    assert found.names == ("0000.png", "0000.png", "0002.png", "0003.png", "0003.png")
    assert found.hands == ("left", "right", "right", "left", "right")
    assert (summary.images, summary.handless, summary.hands, summary.unreadable) == (5, 2, 5, ())
    np.testing.assert_allclose(found.keypoints[0].mean(0), (20.5, 30.5), atol=1e-4)
    low, high = found.keypoints.min(1), found.keypoints.max(1)
    assert (found.boxes[:, :2] < low).all()
    assert (found.boxes[:, :2] + found.boxes[:, 2:] > high).all()
    assert (found.boxes[:, 2:] < 20).all()
    assert found.tracks is None


@pytest.mark.parametrize("kept", [0.5, 0.7, 0.9])
def test_a_torn_run_goes_on_to_the_same_bytes(tmp_path, kept):
    out = tmp_path / "out.json"
    run(source_of(PHOTOS), out, batch=1)
    wanted = out.read_bytes()
    records = tmp_path / "out.json.shards/0-of-1.jsonl"
    whole = records.read_bytes()
    records.write_bytes(whole[: int(kept * len(whole))])
    blobs = Blobs()
    run(source_of(PHOTOS), out, AllHands(blobs), batch=1)
    assert out.read_bytes() == wanted
    assert 0 < blobs.photos < len(PHOTOS)


def test_shares_merge_to_the_bytes_of_one_run(tmp_path):
    run(source_of(PHOTOS), tmp_path / "whole.json", batch=1)
    out = tmp_path / "out.json"
    first = run(source_of(PHOTOS), out, share=Share(0, 2), batch=1)
    assert (first.images, first.handless, first.hands) == (3, 1, None)
    last = run(source_of(PHOTOS), out, share=Share(1, 2), batch=1)
    assert (last.images, last.handless, last.hands) == (2, 1, 5)
    assert out.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_judge_settles_the_sides_that_are_not_stated(tmp_path):
    """It is given the hands of each image with the image's camera."""
    asked = []

    def all_left(found, cameras):
        asked.append((len(found), [K.shape for K in cameras]))
        return [[replace(hand, handedness="left") for hand in hands] for hands in found]

    run(source_of(PHOTOS), tmp_path / "out.json", AllHands(Blobs(), judge=all_left), batch=5)
    assert set(read_detections(tmp_path / "out.json").hands) == {"left"}
    assert asked == [(5, [(3, 3)] * 5)]
    stated = source_of(PHOTOS, hand="right")
    run(stated, tmp_path / "stated.json", AllHands(Blobs(), judge=all_left))
    assert set(read_detections(tmp_path / "stated.json").hands) == {"right"}
    video = source_of(frames(6), "video")
    run(video, tmp_path / "video.json", AllHands(Blobs(), follow=True, judge=all_left))
    assert set(read_detections(tmp_path / "video.json").hands) == {"left"}
    assert asked[-1][1] == [(3, 3)]
    asked.clear()
    stated = source_of(frames(6), "video", hand="right")
    run(stated, tmp_path / "stated_video.json", AllHands(Blobs(), follow=True, judge=all_left))
    assert set(read_detections(tmp_path / "stated_video.json").hands) == {"right"}
    assert asked == []


def frames(count=24):
    """A left hand that moves, and a right one that is away for some frames."""
    return [
        picture((20 + number, 30, "left", 0.9), *([] if 8 <= number < 12 else [(70, 70, "right", 0.9)]))
        for number in range(count)
    ]


def test_hands_of_a_video_keep_their_numbers(tmp_path):
    run(source_of(frames(), "video"), tmp_path / "out.json", AllHands(Blobs(), follow=True))
    found = read_detections(tmp_path / "out.json")
    rows = list(zip(found.names, found.hands, found.tracks, strict=True))
    assert [track for _, hand, track in rows if hand == "left"] == [0] * 24
    assert {track for name, hand, track in rows if hand == "right" and name < "0008"} == {1}
    assert {track for name, hand, track in rows if hand == "right" and name > "0008"} == {2}


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.7, 0.9])
def test_a_torn_run_over_a_video_goes_on_following(tmp_path, kept):
    out = tmp_path / "out.json"
    run(source_of(frames(), "video"), out, AllHands(Blobs(), follow=True))
    wanted = out.read_bytes()
    records = tmp_path / "out.json.shards/0-of-1.jsonl"
    whole = records.read_bytes()
    records.write_bytes(whole[: int(kept * len(whole))])
    blobs = Blobs()
    run(source_of(frames(), "video"), out, AllHands(blobs, follow=True))
    assert (out.read_bytes(), records.read_bytes()) == (wanted, whole)
    assert 0 < blobs.reads < 24


def test_a_stated_box_chooses_one_hand_and_a_stated_side_stays(tmp_path):
    source = source_of([picture(*TWO), picture()], box=(60, 50, 20, 20), hand="left")
    summary = run(source, tmp_path / "out.json")
    found = read_detections(tmp_path / "out.json")
    assert summary.handless == 1
    np.testing.assert_allclose(found.keypoints[0].mean(0), (70.5, 60.5), atol=1e-4)
    assert found.hands == ("left",)
    assert found.boxes.tolist() == [[60, 50, 20, 20]]


def test_a_box_beside_the_image_is_listed(tmp_path):
    summary = run(source_of([PHOTOS[0]], box=(200, 0, 9, 9)), tmp_path / "out.json")
    assert summary.unreadable == (
        "0000.png: hand box [200, 0, 9, 9] lies outside of the image of 96 x 96 px; it is left, top, width, "
        "height",
    )


@pytest.mark.parametrize(("kind", "x"), [("freihand", 70), ("photos", 20)])
def test_published_rows_hold_the_surest_hand_in_freihand_a_right_one(tmp_path, kind, x):
    hands = (20, 30, "left", 0.95), (70, 60, "right", 0.9), (45, 80, "right", 0.8)
    file = tmp_path / "published.json"
    run(source_of([picture(*hands), picture()], kind), tmp_path / "out.json", published=file)
    published = read_detections(file)
    assert len(published) == 2
    assert len(read_detections(tmp_path / "out.json")) == 3
    np.testing.assert_allclose(published.keypoints[0, :, 0].mean(), x, atol=1e-4)  # pixel indices
    assert not published.keypoints[1].any()
    assert not published.confidence[1].any()


def test_freihands_left_hands_are_better_than_none(tmp_path):
    file = tmp_path / "published.json"
    run(source_of([picture((20, 30, "left", 0.9))], "freihand"), tmp_path / "out.json", published=file)
    assert read_detections(file).confidence.all()


def test_ho3d_gets_a_row_for_each_frame_number(tmp_path):
    file = tmp_path / "openpose/ABC/detect.json"
    images = [picture(*TWO), picture()]
    source = source_of(images, "ho3d", {file: [0, -1, 1]}, box=(10, 20, 20, 20))
    run(source, tmp_path / "out.json", published="auto")
    published = read_detections(file)
    np.testing.assert_allclose(published.keypoints[0].mean(0), (20, 30), atol=1e-4)
    assert not published.confidence[1:].any()
    assert published.names is None


@pytest.fixture
def blobs(monkeypatch):
    """The command finds blobs in place of hands."""
    made = []

    def bundled(device="auto", **settings):
        made.append(settings)
        return Blobs()

    monkeypatch.setattr(HandDetector, "bundled", bundled)
    return made


def write_photos(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        assert cv2.imwrite(str(folder / f"{number}.png"), image[..., ::-1])
    return folder


def test_the_command_needs_nothing_but_photos(tmp_path, blobs, capsys):
    folder = write_photos(tmp_path / "photos", PHOTOS)
    out = folder / "detections.json"
    assert main(["detect", str(folder), "--out", str(out), "--device", "cpu", "--preview"]) == 0
    shown = capsys.readouterr().out
    assert "mediapipe: models under Apache-2.0, which does not restrict what is made with them" in shown
    assert "no hand in 2 of 5 images, listed as without_hands" in shown
    found = read_detections(out)
    assert found.names == ("0.png", "0.png", "2.png", "3.png", "3.png")
    assert found.without_hands == ("1.png", "4.png")
    assert found.detector.name == "mediapipe"
    described = {"precision": "fp32", "looks": 5, "follow": False, "sides": "fitted where in doubt"}
    assert found.detector.settings == described
    assert (folder / "detections_preview.jpg").is_file()


def test_fast_looks_once_and_a_side_may_be_stated(tmp_path, blobs):
    folder = write_photos(tmp_path / "photos", PHOTOS[:1])
    out = tmp_path / "out.json"
    assert main(["detect", str(folder), "--out", str(out), "--fast", "--hand", "left"]) == 0
    assert read_detections(out).hands == ("left", "left")
    assert len(blobs[0]["looks"]) == 1


def test_where_no_hand_is_at_all_the_command_says_so(tmp_path, blobs, capsys):
    folder = write_photos(tmp_path / "photos", [picture(), picture()])
    out = tmp_path / "out.json"
    assert main(["detect", str(folder), "--out", str(out), "--preview"]) == 4
    assert f"{folder}: no hand was found in any image" in capsys.readouterr().out
    assert len(read_detections(out)) == 0


@pytest.mark.parametrize("shares", [1, 2])
def test_the_command_follows_hands_of_a_video_unless_it_is_shared_out(tmp_path, blobs, capsys, shares):
    video = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"FFV1"), 10, (SIDE, SIDE))
    for _ in range(4):
        # Pairs of pixels, whose colour any video keeps.
        writer.write(np.repeat(np.repeat(picture(*TWO)[::2, ::2], 2, 0), 2, 1)[..., ::-1])
    writer.release()
    out = tmp_path / "out.json"
    for share in range(shares):
        fixed = ["detect", str(video), "--out", str(out), "--batch", "2"]
        assert main([*fixed, "--shard", f"{share}/{shares}"]) == 0
    found = read_detections(out)
    assert {name.partition("#")[0] for name in found.names} == {"v.avi"}
    assert (None if found.tracks is None else set(found.tracks)) == ({0, 1} if shares == 1 else None)
    assert ("not followed from frame to frame" in capsys.readouterr().out) == (shares == 2)


def test_help_states_the_terms_of_use(capsys):
    assert main(["detect", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Apache-2.0" in shown
    assert "non-commercial research only" in shown.replace("- ", "-")


def test_real_hands_are_found(tmp_path):
    recorded = np.load(RECORDED)
    images = [recorded["photo0"], recorded["photo6"], np.zeros((64, 64, 3), np.uint8)]
    worker = AllHands(HandDetector.bundled("cpu"))
    summary = run(source_of(images), tmp_path / "out.json", worker)
    assert summary.handless == 1
    found = read_detections(tmp_path / "out.json")
    assert found.names == ("0000.png", "0001.png", "0001.png")
    for row, (photo, rest) in enumerate([(0, 0), (6, 0), (6, 1)]):
        distances = [
            np.linalg.norm(found.keypoints[row] - points[:, :2] - 0.5, axis=1).mean()
            for points in recorded[f"points{photo}"]
        ]
        assert min(distances) < 0.03 * found.boxes[row, 2:].max(), rest


def test_tracks_are_checked(tmp_path):
    run(source_of(frames(2), "video"), tmp_path / "out.json", AllHands(Blobs(), follow=True))
    text = (tmp_path / "out.json").read_text()
    (tmp_path / "out.json").write_text(text.replace('"track":1', '"track":-1'))
    with pytest.raises(DatasetError, match='"track" must be a whole number from 0, got -1'):
        read_detections(tmp_path / "out.json")
