"""Frames of videos: their times, their numbers, and files that end early."""

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from s2hand.errors import DatasetError
from s2hand.images import images
from s2hand.images.videos import VideoFrames

WIDTH, HEIGHT = 160, 120


def write_clip(path, count=24, fps=24, fourcc="mp4v"):
    """A bar that grows from left to right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), fps, (WIDTH, HEIGHT))
    for number in range(count):
        frame = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
        frame[:, : WIDTH * (number + 1) // count] = 200
        writer.write(frame)
    writer.release()
    return path


PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")


def patch_box(path, name, change):
    """Changes the content of one box of an .mp4, and the sizes of the boxes around it."""
    data = bytearray(path.read_bytes())

    def walk(start, end, parents):
        while start < end:
            size, kind = struct.unpack_from(">I4s", data, start)
            if kind == name:
                body = change(bytes(data[start + 8 : start + size]))
                data[start : start + size] = struct.pack(">I4s", len(body) + 8, kind) + body
                for parent in parents:
                    (whole,) = struct.unpack_from(">I", data, parent)
                    struct.pack_into(">I", data, parent, whole + len(body) + 8 - size)
                return True
            if kind in PARENTS and walk(start + 8, start + size, [*parents, start]):
                return True
            start += size
        return False

    assert walk(0, len(data), [])
    path.write_bytes(data)


def slower_second_half(body):
    """The table of frame durations: the second half of 24 frames takes five times as long."""
    _, delta = struct.unpack_from(">II", body, 8)
    return body[:4] + struct.pack(">IIIII", 2, 12, delta, 12, 5 * delta)


def times_three(at):
    def change(body):
        (value,) = struct.unpack_from(">I", body, at)
        return body[:at] + struct.pack(">I", 3 * value) + body[at + 4 :]

    return change


def test_times_are_the_files_own_stamps(tmp_path):
    path = write_clip(tmp_path / "vfr.mp4")
    patch_box(path, b"stts", slower_second_half)
    patch_box(path, b"elst", times_three(8))
    patch_box(path, b"mdhd", times_three(16))
    times = [time_s for time_s, _ in VideoFrames(path)]
    expected = np.concatenate([np.arange(12) / 24, 0.5 + np.arange(12) / 4.8])
    np.testing.assert_allclose(times, expected, atol=2e-3)


def test_times_of_a_constant_rate(tmp_path):
    times = [time_s for time_s, _ in VideoFrames(write_clip(tmp_path / "a.avi", fps=10, fourcc="MJPG"))]
    np.testing.assert_allclose(times, np.arange(24) / 10, atol=2e-3)


class Stamps:
    """A capture whose stamps are broken."""

    def __init__(self, stamps_ms):
        self.stamps_ms, self.at = stamps_ms, -1

    def read(self):
        self.at += 1
        more = self.at < len(self.stamps_ms)
        return more, np.zeros((4, 4, 3), np.uint8) if more else None

    def get(self, _):
        return self.stamps_ms[self.at]

    def release(self):
        pass


def test_times_rise_even_where_stamps_do_not(tmp_path, monkeypatch):
    frames = VideoFrames(write_clip(tmp_path / "a.mp4", fps=10))
    broken = Stamps([500.0, 500.0, float("nan"), 1000.0, 0.0])
    monkeypatch.setattr("s2hand.images.videos.open_video", lambda path: broken)
    np.testing.assert_allclose([time_s for time_s, _ in frames], [0, 0.1, 0.2, 0.5, 0.6])


@pytest.mark.parametrize("name", ["100%03d done %.mp4", "Hände 1.mp4"])
def test_any_name_will_do(tmp_path, name):
    path = write_clip(tmp_path / "plain.mp4", 3).rename(tmp_path / name)
    assert VideoFrames(path).count() == len(list(VideoFrames(path))) == 3


@pytest.mark.parametrize(("name", "fourcc"), [("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_a_file_that_ends_early_is_told(tmp_path, name, fourcc):
    path = write_clip(tmp_path / name, fourcc=fourcc)
    frames = VideoFrames(path)
    assert frames.shortfall(frames.count()) is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames = VideoFrames(path)
    count = frames.count()
    assert 0 < count < 20
    assert frames.shortfall(count) == f"only {count} of 24 frames could be read: is the file complete?"


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"v\.mp4 is empty"):
        VideoFrames(tmp_path / "v.mp4")
    with pytest.raises(DatasetError, match="no such file"):
        VideoFrames(tmp_path / "absent.mp4")


def test_a_frame_that_is_no_photo_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(images, "MAX_MEGAPIXELS", 0.001)
    with pytest.raises(DatasetError, match=r"a\.mp4 has 160 x 120 px, more than"):
        VideoFrames(path)


def test_nothing_but_our_own_line_is_said_of_a_damaged_video(tmp_path):
    """In a process of its own, since FFmpeg asks how much to say when the first video is opened."""
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (tmp_path / "text.mp4").write_text("no video")
    half = write_clip(tmp_path / "half.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(half[: len(half) * 6 // 10])
    program = """
import pathlib, sys
from s2hand.errors import DatasetError
from s2hand.images.videos import VideoFrames
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        print(path.name, VideoFrames(path).count())
    except DatasetError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    cut, half, text, whole = done.stdout.splitlines()
    for line, name in ((cut, "cut.mp4"), (text, "text.mp4")):
        assert f"{name} is not a video that OpenCV can read: copy or download it again if it was" in line
    assert half.startswith("half.mkv 1")
    assert whole == "whole.mp4 24"
