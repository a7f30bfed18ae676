"""Frames from video files and video files from frames, through OpenCV."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from s2hand.errors import DatasetError

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")

DEFAULT_FPS = 30.0
"""Frame rate of files that do not state it."""

FRAME_NAME = "{video}#{frame:06d}"
"""A frame's name in detections files; frames are counted from 0."""

CODECS = ("mp4v", "avc1")
"""MPEG-4 part 2, which every build of OpenCV writes, else H.264."""


@dataclass(frozen=True)
class VideoHeader:
    """A video's size, rate and length, from its header.

    Attributes:
        width: px, upright.
        height: px, upright.
        fps: frames per second.
        frames: how many there should be, 0 if unknown.
    """

    width: int
    height: int
    fps: float
    frames: int


def is_video(path: str | Path) -> bool:
    """Whether a file's ending is a video's."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def open_video(path: str | Path) -> cv2.VideoCapture:
    """Opens a video file.

    Raises:
        DatasetError: the file is missing or no video that OpenCV can read.
    """
    if not Path(path).is_file():
        raise DatasetError(f"cannot read {path}: no such file")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DatasetError(f"{path} is not a video that OpenCV can read: convert it to H.264 .mp4")
    return capture


def read_video_header(path: str | Path) -> VideoHeader:
    """Reads size and rate of a video.

    Raises:
        DatasetError: the file is missing or no video that OpenCV can read.
    """
    capture = open_video(path)
    try:
        ok, frame = capture.read()
        if not ok:
            raise DatasetError(f"{path} has no frame that OpenCV can read: convert it to H.264 .mp4")
        fps = capture.get(cv2.CAP_PROP_FPS)
        frames = int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0))
    finally:
        capture.release()
    height, width = frame.shape[:2]
    return VideoHeader(width, height, fps if 0 < fps < 1000 else DEFAULT_FPS, frames)


def read_frames(path: str | Path) -> Iterator[np.ndarray]:
    """The frames of a video in order, (H, W, 3) uint8 RGB, upright.

    Raises:
        DatasetError: the file is missing or no video that OpenCV can read.
    """
    capture = open_video(path)
    try:
        while True:
            ok, frame = capture.read()
            if not ok:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


class VideoWriter:
    """Writes an .mp4 frame by frame; a context manager.

    Args:
        path: the file.
        fps: frames per second.
        size: (width, height) px.

    Raises:
        DatasetError: this build of OpenCV writes no .mp4.
        OSError: at the end, the file does not hold all frames; OpenCV itself does not report that.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path, self.frames = Path(path), 0
        for codec in CODECS:
            self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
            if self._writer.isOpened():
                return
        raise DatasetError(f"{path}: this build of OpenCV writes no .mp4: install opencv-python-headless")

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        self._writer.release()
        if kind is None and self.frames and self._frames_on_disk() != self.frames:
            raise OSError(errno.EIO, "the video could not be written whole: is the disk full?", self.path)

    def write(self, frame: np.ndarray) -> None:
        """Adds a frame (H, W, 3) uint8 RGB of the video's size."""
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def _frames_on_disk(self) -> int:
        """The number of frames in the file's table of frames, which is written last; 0 without a table."""
        capture = cv2.VideoCapture(str(self.path))
        try:
            return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        finally:
            capture.release()
