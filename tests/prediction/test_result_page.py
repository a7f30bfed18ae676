"""The page of results: photos and videos with their overlays, and what is said of them."""

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image
from support.untrained_checkpoint import write_own

from s2hand.cli import main
from s2hand.images.videos import VideoWriter
from s2hand.prediction.result_page import ResultPage
from s2hand.prediction.video import Frame
from s2hand.prediction.video_scene import VideoScene

WIDTH, HEIGHT, FRAMES = 80, 64, 6


def scenes(page):
    """The viewer's scenes in a page."""
    found = re.findall(r'<script type="application/json" data-scene="item-\d+">(.*?)</script>', page)
    return [json.loads(text) for text in found]


def stills(page):
    return re.findall(r'<img src="(data:[^"]*)"[^>]*data-still=', page)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A photo and a video of a picture that slides, with the hands of an untrained network."""
    folder = tmp_path_factory.mktemp("result")
    write_own(folder / "checkpoint.pt")
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    picture = cv2.resize(coarse, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(folder / "clip.mp4", 12.0, (WIDTH, HEIGHT)) as writer:
        for number in range(FRAMES):
            writer.write(np.ascontiguousarray(picture[:, 4 * number : 4 * number + WIDTH]))
    Image.fromarray(picture[:, :WIDTH]).save(folder / "photo.png")
    inputs = [str(folder / name) for name in ("checkpoint.pt", "photo.png", "clip.mp4")]
    assert main(["predict", *inputs, "--out", str(folder / "out"), "--device", "cpu"]) == 0
    return folder / "out"


def test_photos_and_videos_are_on_the_page(result):
    page = (result / "index.html").read_text()
    photo, video = scenes(page)
    assert (photo["name"], len(photo["frames"])) == ("photo.png", 1)
    assert (video["name"], len(video["frames"]), video["fps"]) == ("clip.mp4", FRAMES, 12.0)
    assert [hand["label"] for hand in video["hands"]] == ["Right hand"]
    moved = [frame["hands"][0]["joints"] for frame in video["frames"]]
    assert len({tuple(joints) for joints in moved}) == FRAMES
    assert "2 hands in 1 photo and 1 video." in page
    assert "in every frame" in page
    assert 'href="clip.mp4"' in page
    assert 'href="clip.jsonl"' in page


def test_the_videos_joints_are_those_of_its_lines(result):
    (_, video) = scenes((result / "index.html").read_text())
    lines = (result / "clip.jsonl").read_text().splitlines()[1:]
    for line, frame in zip(lines, video["frames"], strict=True):
        (hand,) = json.loads(line)["hands"]
        np.testing.assert_allclose(frame["hands"][0]["joints"], np.ravel(hand["joints"]), atol=1e-5)


def test_stills_show_the_hands(result):
    page = (result / "index.html").read_text()
    frames = {frame["image"] for scene in scenes(page) for frame in scene["frames"]}
    shown = stills(page)
    assert len(shown) == 2
    assert not frames & set(shown)


def test_a_video_alone_has_a_page(result, tmp_path):
    folder = result.parent
    arguments = [str(folder / "checkpoint.pt"), str(folder / "clip.mp4"), "--out", str(tmp_path)]
    assert main(["predict", *arguments, "--device", "cpu"]) == 0
    assert len(scenes((tmp_path / "index.html").read_text())) == 1


def test_long_videos_are_thinned_evenly_while_they_come():
    scene = VideoScene(most_frames=5)
    grey = np.full((8, 8, 3), 128, np.uint8)
    for number in range(23):
        scene.add(Frame(number, number / 30, grey + np.uint8(number)), [], None)
    assert scene.every == 8
    assert len(scene.frames) == 3  # 0, 8 and 16
    made = scene.scene("long.mp4", (8, 8), 30.0, np.eye(3))
    assert (made.fps, made.hands) == (30 / 8, [])


def test_many_videos_share_the_frames():
    assert ResultPage(0, videos=1).watch().most_frames == 300
    assert ResultPage(0, videos=100).watch().most_frames == 12
    assert ResultPage(0, videos=10_000).watch().most_frames == 2
