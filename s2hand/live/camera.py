"""The frames of a webcam, or of a video file in its place, as they come."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from s2hand.errors import DatasetError
from s2hand.images.videos import VideoFrames
from s2hand.live.newest import Newest


class Camera:
    """Reads a camera in a thread of its own; a context manager.

    Iterating gives the newest frame: those that come while an earlier one is worked on are missed, as a queue
    of them would be seen as delay.

    Args:
        name: the number of a camera, from 0, or the path of a video, which is played in its own time, again
            and again.

    Attributes:
        name: as given.
        size: (width, height) px.

    Raises:
        DatasetError: there is no such camera or video, or it gives no frame.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._stopped = threading.Event()
        self._newest: Newest[tuple[float, np.ndarray]] = Newest()
        self._video = self._capture = None
        if name.isdecimal():
            self._capture = _open_capture(int(name))
            first = _read(self._capture)
            if first is None:
                self._capture.release()
                raise DatasetError(f"camera {name} gives no frames: does another program use it?")
            self.size = first.shape[1], first.shape[0]
        elif Path(name).expanduser().is_file():
            self._video = VideoFrames(Path(name).expanduser())
            self.size = self._video.header.width, self._video.header.height
        else:
            raise DatasetError(
                f"--camera {name}: expected the number of a camera (0 is the first) or the path of a video "
                "file, and there is no such file"
            )
        self._thread = threading.Thread(target=self._read_on, name="camera", daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        self._thread.join()
        if self._capture is not None:
            self._capture.release()

    def stop(self) -> None:
        """Ends the frames; may be called from any thread."""
        self._stopped.set()
        self._newest.end()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields the time in seconds of a steady clock, and (H, W, 3) uint8 RGB.

        Raises:
            DatasetError: the camera has stopped by itself.
        """
        return iter(self._newest)

    def _read_on(self) -> None:
        try:
            for pixels in self._played() if self._capture is None else self._captured():
                if self._stopped.is_set():
                    return
                self._newest.put((time.monotonic(), pixels))
        except DatasetError as error:
            if not self._stopped.is_set():
                self._newest.end(error)

    def _captured(self) -> Iterator[np.ndarray]:
        while (pixels := _read(self._capture)) is not None:
            yield pixels
        raise DatasetError(f"camera {self.name} gives no more frames: is it still connected?")

    def _played(self) -> Iterator[np.ndarray]:
        while True:
            started = time.monotonic()
            for time_s, pixels in self._video:
                self._stopped.wait(max(0.0, started + time_s - time.monotonic()))
                yield pixels


def _open_capture(number: int) -> cv2.VideoCapture:
    with _quiet_opencv():
        capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        found = sorted(str(path) for path in Path("/dev").glob("video*"))
        there = f"this machine has {', '.join(found)}" if found else "this machine shows no camera"
        raise DatasetError(
            f"camera {number} cannot be opened; {there}: connect one, close other programs that use it, "
            "or name another one, or a video file, with --camera"
        )
    return capture


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV from printing what each of its readers of cameras has to say."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    good, frame = capture.read()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if good else None
