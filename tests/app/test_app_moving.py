"""Videos and the webcam."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_visitors import API, files_of

from s2hand.app.limits import Limits
from s2hand.app.sessions import Session
from s2hand.app.studio import Studio
from s2hand.app.webcam import decode_frame, draw_frame
from s2hand.errors import S2HandError
from s2hand.images.photos import read_photo
from s2hand.prediction.sample_photos import sample_photos

FRAMES = 3


@pytest.fixture(scope="module")
def photo():
    return read_photo(sample_photos()[1])


@pytest.fixture(scope="module")
def clip(photo, tmp_path_factory):
    """The sample photo of a left hand, moving to the right."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    height, width = photo.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (width, height))
    for number in range(FRAMES):
        writer.write(cv2.cvtColor(np.roll(photo, 4 * number, 1), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.mark.slow
def test_a_video_becomes_a_scene_and_files(visitor, clip):
    sent = visitor.uploaded("clip.mp4", clip.read_bytes())
    outcome = visitor.do("open_video", [sent, False])
    assert outcome["success"], outcome["output"]
    found, viewer, _ = outcome["output"]["data"]
    assert found == f"**1 hand** in {FRAMES} frames."
    assert viewer.startswith("<iframe")
    files = files_of(outcome)
    assert sorted(Path(path).suffix for path in files) == [".jsonl", ".mp4", ".zip"]
    assert visitor.get(f"{API}/file={files[1]}")[0] == 200


def test_what_is_no_video_is_refused_in_a_line(visitor):
    outcome = visitor.do("open_video", [visitor.uploaded("a.mp4", b"no video"), False])
    assert not outcome["success"]
    assert outcome["output"]["error"].startswith("a.mp4 is not a video")


def test_a_webcams_frame_is_drawn_with_its_hands(reconstructor, photo, tmp_path):
    encoded = base64.b64encode(sample_photos()[1].read_bytes()).decode()
    frame = decode_frame(f"data:image/jpeg;base64,{encoded}")
    assert max(frame.shape) == 640
    page, studio = Session("me", tmp_path, 0.0), Studio(reconstructor, Limits())
    for number in (1, 2):
        picture = draw_frame(studio, page, frame)
        assert picture.shape == frame.shape
        assert (np.abs(picture.astype(int) - frame).max(-1) > 40).mean() > 0.02
        assert page.stream.frame == number
    grey = np.full_like(frame, 128)
    assert (draw_frame(studio, Session("you", tmp_path, 0.0), grey) == grey).all()


@pytest.mark.parametrize("content", ["", "data:image/jpeg;base64,", "data:image/jpeg;base64,####", "x,AAAA"])
def test_a_frame_that_is_no_picture_is_refused(content):
    with pytest.raises(S2HandError, match="not an image"):
        decode_frame(content)
