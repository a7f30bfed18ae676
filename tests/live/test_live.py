"""``s2hand predict --camera``: page, stream and recordings, with a video file in the camera's place."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from s2hand.cli import main
from s2hand.errors import DatasetError, S2HandError
from s2hand.images.photos import read_photo
from s2hand.images.videos import VideoWriter, read_video_header
from s2hand.live.camera import Camera
from s2hand.live.newest import Newest
from s2hand.live.session import LiveHands
from s2hand.prediction.opening import open_prediction
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.sample_photos import sample_photos

PATIENCE_S = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A hand that moves to the right and back."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    photo = cv2.resize(read_photo(sample_photos()[1]), (240, 180), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, 20, (320, 180)) as writer:
        for shift in (*range(0, 80, 8), *range(80, 0, -8)):
            frame = np.full((180, 320, 3), 200, np.uint8)
            frame[:, shift : shift + 240] = photo
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def opened():
    return open_prediction(None, PredictOptions(), device="cpu", batch_size=1)


@pytest.fixture
def live(clip, opened, tmp_path):
    """A running session; recordings go to ``tmp_path``."""
    with Camera(str(clip)) as camera, LiveHands(camera, opened, tmp_path) as session:
        thread = threading.Thread(target=session.run)
        thread.start()
        yield session
        camera.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def ask(live, path, method="GET", **headers):
    request = urllib.request.Request(live.url + path, method=method, headers=headers)
    return urllib.request.urlopen(request, timeout=PATIENCE_S)


def state_when(live, condition):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state = json.load(ask(live, "state"))
        if condition(state):
            return state
        time.sleep(0.05)
    pytest.fail(f"the state stayed {state}")


def next_picture(stream):
    """The next JPEG of a multipart stream as pixels."""
    length = None
    while (line := stream.readline().strip()) or length is None:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return cv2.imdecode(np.frombuffer(stream.read(length), np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.slow
def test_two_clients_see_the_page_and_the_hand(live):
    page = ask(live, "")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.read().decode()
    assert "clip.mp4" in text
    assert "{{" not in text
    state = state_when(live, lambda state: state["hands"] and state["fps"])
    assert state["hands"] == ["left"]
    assert state["recorded_s"] is None
    first, second = ask(live, "stream"), ask(live, "stream")
    pictures = [next_picture(stream) for _ in range(2) for stream in (first, second)]
    assert {picture.shape for picture in pictures} == {(180, 320, 3)}
    first.close()
    assert next_picture(second).shape == (180, 320, 3)
    second.close()


@pytest.mark.slow
def test_recordings_are_a_video_and_its_numbers(live, tmp_path):
    for count in (1, 2):
        ask(live, "record/start", "POST")
        state_when(live, lambda state: (state["recorded_s"] or 0) > 0.4)
        assert not list(tmp_path.glob("camera-*.mp4"))[count - 1 :]
        ask(live, "record/stop", "POST")
        state = state_when(live, lambda state, count=count: len(state["saved"]) == 2 * count)
        assert state["recorded_s"] is None
    assert sorted(state["saved"]) == sorted(path.name for path in tmp_path.iterdir())
    opening, *lines = map(json.loads, (tmp_path / state["saved"][-1]).read_text().splitlines())
    assert (opening["format"], opening["video"]) == ("s2hand-video-1", "clip.mp4")
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert lines[0]["time_s"] == 0
    assert any(len(hand["joints"]) == 21 for line in lines for hand in line["hands"])
    header = read_video_header(tmp_path / state["saved"][-2])
    assert (header.width, header.height) == (320, 180)
    assert header.frames / header.fps == pytest.approx(lines[-1]["time_s"], abs=1.5 / header.fps)


@pytest.mark.slow
def test_other_pages_and_other_names_of_this_machine_are_refused(live):
    port = live.url.rstrip("/").rpartition(":")[2]
    for headers in ({"Host": f"elsewhere.example:{port}"}, {"Origin": "http://elsewhere.example"}):
        for path, method in (("stream", "GET"), ("record/start", "POST")):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                ask(live, path, method, **headers)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(live, "etc/passwd")
    assert json.load(ask(live, "record/stop", "POST", Origin=live.url.rstrip("/")))["saved"] == []


@pytest.mark.slow
def test_ctrl_c_ends_the_command_cleanly_and_keeps_the_recording(clip, tmp_path):
    command = [sys.executable, "-m", "s2hand.cli", "predict", "--camera", str(clip), "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        url = process.stdout.readline().split()[0]
        urllib.request.urlopen(
            urllib.request.Request(url + "record/start", method="POST"), timeout=PATIENCE_S
        )
        while not (json.load(urllib.request.urlopen(url + "state"))["recorded_s"] or 0) > 0.2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert out == f"ended; 1 recording in {tmp_path}\n"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jsonl", ".mp4"]


def test_what_is_no_camera_is_one_line(tmp_path, capfd):
    (tmp_path / "text.mp4").write_text("no video")
    for name, words in (
        ("97", "camera 97 cannot be opened"),
        (str(tmp_path / "none.mp4"), "expected the number of a camera"),
        (str(tmp_path / "text.mp4"), "is not a video that OpenCV can read"),
    ):
        assert main(["predict", "--camera", name, "--out", str(tmp_path / "out")]) == 2
        output = capfd.readouterr()
        assert output.out == ""
        assert words in output.err.splitlines()[-1]
    assert main(["predict", "--camera", "0", "photo.jpg"]) == 2
    assert "takes no photos, got photo.jpg" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line(live, clip, opened, tmp_path):
    port = int(live.url.rstrip("/").rpartition(":")[2])
    with (
        Camera(str(clip)) as camera,
        pytest.raises(S2HandError, match=rf"--port {port} cannot be had \(Address already in use\)"),
    ):
        LiveHands(camera, opened, tmp_path, port)


def test_a_video_in_the_cameras_place_is_played_again_and_again(clip):
    with Camera(str(clip)) as camera:
        frames = [pixels for _, (_, pixels) in zip(range(25), camera, strict=False)]
    assert len(frames) == 25  # the clip has 20
    assert frames[0].shape == (180, 320, 3)


def test_readers_of_the_newest_value_miss_what_they_are_too_slow_for():
    newest = Newest()
    newest.put(1)
    reader = iter(newest)
    assert next(reader) == 1
    for value in (2, 3, 4):
        newest.put(value)
    assert next(reader) == 4
    newest.end()
    assert next(reader, None) is None
    newest.end(DatasetError("gone"))
    with pytest.raises(DatasetError, match="gone"):
        next(iter(newest))
