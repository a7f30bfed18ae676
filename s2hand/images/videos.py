"""Frames from video files and video files from frames, through OpenCV."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from s2hand.errors import DatasetError
from s2hand.images.images import DAMAGED, check_size
from s2hand.images.quiet_decoders import quiet_decoders

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")

DEFAULT_FPS = 30.0
"""Frame rate of files that do not state it."""

BELIEVED_FPS = (0.01, 1000.0)
"""Frame rates from time lapses to high speed; others are not those of a camera."""

STATED_SIZE = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)

FRAME_MARK = "#"
FRAME_NAME = "{video}" + FRAME_MARK + "{frame:06d}"
"""A frame's name in detections files; frames are counted from 0."""

FRAME_ENDING = re.compile(re.escape(FRAME_MARK) + r"\d{6,}$")
"""What such a name has after the video's, which may hold the mark, too."""

TOLERATED_SHORTFALL = 0.03
"""Share of frames that may be missing: some containers hold only the duration, and numbers are estimates."""

FFMPEG_IS_QUIET = ("OPENCV_FFMPEG_LOGLEVEL", "-8")
"""OpenCV's variable for the messages of FFmpeg, and AV_LOG_QUIET."""

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
    """Opens a video file. What is wrong with it is told by our errors, not by OpenCV's and FFmpeg's prints.

    Raises:
        DatasetError: the file is missing or no video that OpenCV can read.
    """
    if not Path(path).is_file():
        raise DatasetError(f"cannot read {path}: no such file")
    if not Path(path).stat().st_size:
        raise DatasetError(f"{path} is empty (0 bytes): {DAMAGED}")
    os.environ.setdefault(*FFMPEG_IS_QUIET)  # read when the first video is opened
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # without warnings of readers that do not know the file
    try:
        with quiet_decoders():
            # OpenCV's other readers take a name with "%" in it for the pattern of many images.
            capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
            if not capture.isOpened() and "%" not in Path(path).name:
                capture = cv2.VideoCapture(str(path))
    finally:
        logging.setLogLevel(level)
    if not capture.isOpened():
        raise DatasetError(
            f"{path} is not a video that OpenCV can read: {DAMAGED} if it was cut short, or convert it to "
            "H.264 .mp4"
        )
    return capture


def read_video_header(path: str | Path) -> VideoHeader:
    """Reads size and rate of a video.

    Raises:
        DatasetError: the file is missing or no video that OpenCV can read.
    """
    capture = open_video(path)
    try:
        check_size(*(int(capture.get(side)) for side in STATED_SIZE), path)
        frame = _read(capture)
        if frame is None:
            raise DatasetError(f"{path} has no frame that OpenCV can read: convert it to H.264 .mp4")
        fps = capture.get(cv2.CAP_PROP_FPS)
        frames = int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0))
    finally:
        capture.release()
    height, width = frame.shape[:2]
    low, high = BELIEVED_FPS
    return VideoHeader(width, height, fps if low <= fps <= high else DEFAULT_FPS, frames)


class VideoFrames:
    """The frames of a video, upright; iterating opens the file anew.

    Args:
        path: the video.

    Attributes:
        header: the video's header.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.header = Path(path), read_video_header(path)
        self._capture: cv2.VideoCapture | None = None
        self._next = 0

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields time in seconds since the first frame, and pixels (H, W, 3) uint8 RGB, of each frame in
        order.

        The time is the file's own time stamp, as frame rates vary in the videos of phones and browsers. Where
        stamps do not rise, number / fps stands in.
        """
        capture = open_video(self.path)
        first_s = last_s = None
        number = 0
        try:
            while (pixels := _read(capture)) is not None:
                stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                first_s = stamp_s if first_s is None else first_s
                time_s = stamp_s - first_s
                if number and not time_s > last_s:
                    time_s = last_s + 1 / self.header.fps
                yield time_s, pixels
                number, last_s = number + 1, time_s
        finally:
            capture.release()

    def count(self) -> int:
        """The number of frames that can be decoded; the one in the header may be wrong."""
        capture, count = open_video(self.path), 0
        while capture.grab():
            count += 1
        capture.release()
        return count

    def read(self, number: int) -> np.ndarray:
        """Reads one frame, (H, W, 3) uint8 RGB; best in rising order, as seeking is inexact in many formats.

        Raises:
            DatasetError: it cannot be decoded.
        """
        if self._capture is None or number < self._next:
            self._capture, self._next = open_video(self.path), 0
        while self._next < number and self._capture.grab():
            self._next += 1
        pixels = _read(self._capture)
        if pixels is None:
            self._capture = None
            raise DatasetError(
                f"{self.path.name} has no frame {number} that OpenCV can read: is the file complete?"
            )
        self._next += 1
        return pixels

    def shortfall(self, count: int) -> str | None:
        """What to tell the user if much fewer frames were read than the header states; None if all is well.

        Args:
            count: frames that were read.
        """
        stated = self.header.frames
        if count >= stated - 1 or count >= (1 - TOLERATED_SHORTFALL) * stated:
            return None
        return f"only {count:,} of {stated:,} frames could be read: is the file complete?"


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    """The next frame, (H, W, 3) uint8 RGB; None at the end."""
    with quiet_decoders():
        good, frame = capture.read()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if good else None


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
