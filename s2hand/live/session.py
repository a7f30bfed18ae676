"""What ``s2hand predict --camera`` does: camera, prediction, page and recordings together."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from s2hand.errors import S2HandError
from s2hand.images.photos import PhotoHeader
from s2hand.live.camera import Camera
from s2hand.live.newest import Newest
from s2hand.live.page import camera_page
from s2hand.live.recorder import Recorder
from s2hand.live.server import PageServer
from s2hand.prediction.batches import Group
from s2hand.prediction.hand_files import HandFiles, versions_of
from s2hand.prediction.opening import Opened, open_prediction
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.photos import Photo
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.video import Frame, SteadyHands, drawn_frame

JPEG_QUALITY = 82

RATE_FRAMES = 20
"""The rate that is shown is that of so many last frames."""


class LiveHands:
    """Predicts the hands before a camera and shows them on a page; a context manager.

    Args:
        camera: the camera, reading.
        opened: predicts.
        out: folder of recordings; made when there is one.
        port: where the page is served; 0: the system chooses one.

    Attributes:
        url: the page.

    Raises:
        S2HandError: the port cannot be had.
    """

    def __init__(self, camera: Camera, opened: Opened, out: str | Path, port: int = 0) -> None:
        self.camera, self.opened = camera, opened
        options = opened.options
        self._name = f"Camera {camera.name}" if camera.name.isdecimal() else Path(camera.name).name
        files = HandFiles(Path(out), versions_of(opened.reconstructor.answerer), options)
        self._recorder = Recorder(files, self._name, camera.size)
        self._jpegs: Newest[bytes] = Newest()
        self._times: deque[float] = deque(maxlen=RATE_FRAMES)
        self._sides: tuple[str, ...] = ()
        page = camera_page(self._name, camera.size, str(Path(out).absolute()))
        self._server = PageServer(port, page, self._jpegs, self.state, self.record)
        self.url = self._server.url
        self._thread = threading.Thread(target=self._server.serve_forever, name="page", daemon=True)

    def __enter__(self) -> LiveHands:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._recorder.__exit__(*exc_info)
        finally:
            self._jpegs.end()
            self._server.shutdown()
            self._server.server_close()

    @property
    def saved(self) -> list[str]:
        """Files of complete recordings, relative to the folder."""
        return self._recorder.saved

    def record(self, wanted: bool) -> None:
        """Starts or ends a recording with the next frame; may be called from any thread."""
        if wanted:
            self._recorder.wanted.set()
        else:
            self._recorder.wanted.clear()

    def state(self) -> dict[str, Any]:
        """What the page shows beside the picture, as plain JSON values; for any thread."""
        times = list(self._times)
        fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None
        return {
            "frames": len(times),
            "fps": fps,
            "hands": list(self._sides),
            "recorded_s": self._recorder.seconds,
            "saved": list(self._recorder.saved),
        }

    def run(self) -> None:
        """Predicts, shows and records frame after frame, until the camera is stopped.

        Raises:
            DatasetError: the camera has stopped by itself.
            OSError: a recording cannot be written.
        """
        options, reconstructor = self.opened.options, self.opened.reconstructor
        steady = SteadyHands() if options.smooth else None
        for frame, _, found in reconstructor.predict_groups(
            self._frames(), refine=bool(options.refine), adjust=steady, paint=False
        ):
            drawn = drawn_frame(frame.pixels, found)
            self._show(drawn, found)
            self._recorder.take(frame, drawn, found)

    def _frames(self) -> Iterator[Group]:
        hands, viewer = self.opened.hands, self.opened.reconstructor.viewer(self.opened.hands.stated)
        video = Photo(Path(self.camera.name), self._name, self._name)
        header = PhotoHeader(*self.camera.size, None)
        started = None
        for number, (time_s, pixels) in enumerate(self.camera):
            started = time_s if started is None else started
            yield Frame(number, time_s - started, pixels), hands.views(viewer, video, pixels, header, number)

    def _show(self, drawn: np.ndarray, found: Reconstruction | None) -> None:
        bgr = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        self._jpegs.put(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1].tobytes())
        self._times.append(time.monotonic())
        self._sides = () if found is None else found.hands


def watch_camera(
    camera: str,
    checkpoint: str | Path | None,
    out: str | Path,
    options: PredictOptions,
    *,
    port: int = 0,
    hand_model: str | Path | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
    note: Callable[[str], None] = print,
) -> list[str]:
    """Predicts the hands before a camera until Ctrl-C.

    Args:
        camera: see :class:`~s2hand.live.camera.Camera`.
        checkpoint: None: the bundled network and detector.
        out: folder of recordings.
        options: how to predict; what to write does not matter.
        port: where the page is served; 0: the system chooses one.
        hand_model: "generic" or a MANO file; None: the one that the network was trained with.
        device: where the network computes.
        say: takes the address of the page, and what was recorded.
        note: takes lines that the user should mind.

    Returns:
        The files that were recorded, relative to ``out``.

    Raises:
        S2HandError: the camera, the checkpoint or the port cannot be used.
    """
    if options.detections is not None:
        raise S2HandError("--camera finds its hands itself: leave --detections out")
    with Camera(camera) as source:  # refused before the network is read
        opened = open_prediction(checkpoint, options, hand_model, device, batch_size=1)
        for line in opened.notes:
            note(line)
        with LiveHands(source, opened, out, port) as live:
            say(f"{live.url} shows the hands; Ctrl-C ends")
            with _ended_by_ctrl_c(source):
                live.run()
    count = sum(name.endswith(".mp4") for name in live.saved)
    say(f"ended; {count:,} recording{'' if count == 1 else 's'}" + (f" in {out}" if count else ""))
    return live.saved


@contextlib.contextmanager
def _ended_by_ctrl_c(camera: Camera) -> Iterator[None]:
    """Lets Ctrl-C end the frames, and not what is done with one; a second Ctrl-C interrupts as usual."""
    usual = signal.getsignal(signal.SIGINT)

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, usual)
        camera.stop()

    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
