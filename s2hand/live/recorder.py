"""Recordings of a camera: the drawn video and a line of numbers a frame, as of a video file."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from s2hand.files import written_whole
from s2hand.images.videos import VideoHeader, VideoWriter
from s2hand.prediction.hand_files import HandFiles
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.video import Frame, frame_line, opening_line, write_line

RECORDED_FPS = 30.0
"""Rate of the recorded videos; frames come at a rate that varies, so they are repeated or left out."""


class Recorder:
    """Records while :attr:`wanted` is set, from frame to frame; a context manager.

    Args:
        files: knows folder, versions and options.
        camera: the camera's name.
        size: (width, height) px of its frames.

    Attributes:
        wanted: whether to record; may be set and cleared from any thread.
        saved: files of the recordings that are complete, relative to the folder.
    """

    def __init__(self, files: HandFiles, camera: str, size: tuple[int, int]) -> None:
        self.files, self.camera, self.size = files, camera, size
        self.wanted = threading.Event()
        self.saved: list[str] = []
        self._open: _Recording | None = None

    @property
    def seconds(self) -> float | None:
        """How long the recording is by now; None if there is none."""
        recording = self._open
        return None if recording is None else recording.seconds

    def take(self, frame: Frame, drawn: np.ndarray, hands: Reconstruction | None) -> None:
        """Starts or ends a recording as wanted, and adds the frame to it.

        Args:
            frame: the frame; its time counts from any start.
            drawn: (H, W, 3) uint8, the frame with its hands.
            hands: the hands, or None.

        Raises:
            OSError: the recording cannot be written.
        """
        if self.wanted.is_set():
            if self._open is None:
                self._open = _Recording(self.files, self.camera, self.size, frame.time_s)
            self._open.add(frame, drawn, hands)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._open is not None:
            recording, self._open = self._open, None
            recording.close()
            self.saved += recording.names

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._finish()


class _Recording:
    """One recording; what was added is complete on the disk after :meth:`close`."""

    def __init__(self, files: HandFiles, camera: str, size: tuple[int, int], start_s: float) -> None:
        stem = _free_stem(files.out)
        self.names = [f"{stem}.mp4", f"{stem}.jsonl"]
        self.camera, self.start_s, self.seconds, self.count = camera, start_s, 0.0, 0
        self._opened = contextlib.ExitStack()
        video, lines = (self._opened.enter_context(written_whole(files.out / name)) for name in self.names)
        self._writer = self._opened.enter_context(VideoWriter(video, RECORDED_FPS, size))
        self._lines = self._opened.enter_context(lines.open("w", encoding="utf-8"))
        header = VideoHeader(*size, fps=RECORDED_FPS, frames=0)
        write_line(self._lines, opening_line(camera, header, files.options.smooth, files.versions))

    def add(self, frame: Frame, drawn: np.ndarray, hands: Reconstruction | None) -> None:
        self.seconds = frame.time_s - self.start_s
        while self._writer.frames <= self.seconds * RECORDED_FPS:
            self._writer.write(drawn)
        own = replace(frame, number=self.count, time_s=self.seconds)
        write_line(self._lines, frame_line(own, hands, self.camera))
        self.count += 1

    def close(self) -> None:
        self._opened.close()


def _free_stem(folder: Path) -> str:
    """A name by the time of day that no recording in the folder has."""
    stem = base = time.strftime("camera-%Y%m%d-%H%M%S")
    number = 2
    while (folder / f"{stem}.mp4").exists():
        stem, number = f"{base}_{number}", number + 1
    return stem
