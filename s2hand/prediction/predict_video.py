"""Predictions for a video: an overlay video, and one line of numbers for each frame."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from s2hand.export import FRAMES, MODEL_NOTE, UNITS, hand_as_dict
from s2hand.files import written_whole
from s2hand.images.photos import PhotoHeader
from s2hand.images.videos import FRAME_NAME, VideoHeader, VideoWriter, read_frames, read_video_header
from s2hand.prediction.hand_files import HandFiles, overlay_of
from s2hand.prediction.hand_views import WHOLE_PICTURE, HandView
from s2hand.prediction.photo_sources import HandFinder
from s2hand.prediction.reconstruction import Reconstruction, joined_parameters
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.prediction.smoothing import HandSmoother
from s2hand.structures import HandParameters

LINES_FORMAT = "s2hand-video-1"

LEFT_OUT = ("vertices", "light")
"""Of a frame's line: the vertices follow from the parameters."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        number: counted from 0.
        time_s: since the first.
        pixels: (H, W, 3) uint8.
        views: the hands in it, perhaps none.
    """

    number: int
    time_s: float
    pixels: np.ndarray
    views: list[HandView]

    @property
    def tracks(self) -> list[tuple[str, int]]:
        """Which hand of the video each is: the first, second, ... left or right one of its frame."""
        seen: Counter[str] = Counter()
        tracks = []
        for view in self.views:
            tracks.append((view.hand, seen[view.hand]))
            seen[view.hand] += 1
        return tracks


def predict_video(
    reconstructor: HandReconstructor,
    path: Path,
    stem: str,
    finder: HandFinder,
    files: HandFiles,
    *,
    refine: bool = False,
    smooth: bool = True,
    progress: bool = True,
) -> dict[str, Any]:
    """Predicts the hands of every frame and writes STEM.mp4 and STEM.jsonl.

    Args:
        reconstructor: predicts.
        path: the video.
        stem: of the two files, relative to the writer's folder.
        finder: tells where the hands are.
        files: gives folder and versions; its formats do not matter.
        refine: fit the hands to the detections, or else to the 2D branch.
        smooth: steady the hands over time.
        progress: show a bar.

    Returns:
        What the index says of the video.

    Raises:
        DatasetError: the video cannot be read, or does not fit the detections.
    """
    reconstructor.check_refinement(refine, detections=finder.detections is not None)
    header = read_video_header(path)
    video, lines = files.out / f"{stem}.mp4", files.out / f"{stem}.jsonl"
    steady = _Steady() if smooth else None
    count = 0
    with (
        written_whole(video) as partial_video,
        written_whole(lines) as partial_lines,
        VideoWriter(partial_video, header.fps, (header.width, header.height)) as writer,
        partial_lines.open("w", encoding="utf-8") as line_file,
        tqdm(total=header.frames or None, unit="frame", desc=path.name, disable=not progress) as bar,
    ):
        _write_line(line_file, _opening_line(path, header, smooth, files.versions))
        for frames in _batches(_frames(path, header, finder), reconstructor.batch_size):
            for frame, hands in _predicted(reconstructor, frames, refine, steady):
                writer.write(frame.pixels if hands is None else overlay_of(frame.pixels, hands).picture)
                _write_line(line_file, _line(frame, hands, path.name))
                count += 1
            bar.update(len(frames))
    return {
        "name": path.name,
        "width": header.width,
        "height": header.height,
        "frames": count,
        "fps": header.fps,
        "smoothed": smooth,
        "overlay": video.relative_to(files.out).as_posix(),
        "lines": lines.relative_to(files.out).as_posix(),
    }


class _Steady:
    """One filter for each hand of the video."""

    def __init__(self) -> None:
        self._smoothers: dict[tuple[str, int], HandSmoother] = {}

    def of(self, frames: Sequence[Frame]) -> Callable[[HandParameters], HandParameters]:
        """The filter of a batch's parameters, whose hands are those of some frames in order."""
        hands = [(track, frame.time_s) for frame in frames for track in frame.tracks]

        def adjust(parameters: HandParameters) -> HandParameters:
            return joined_parameters(
                [
                    self._smoothers.setdefault(track, HandSmoother())(
                        HandParameters(**{name: value[[i]] for name, value in vars(parameters).items()}),
                        time_s,
                    )
                    for i, (track, time_s) in enumerate(hands)
                ]
            )

        return adjust


def _frames(path: Path, header: VideoHeader, finder: HandFinder) -> Iterator[Frame]:
    photo_header = PhotoHeader(header.width, header.height, None)
    for number, pixels in enumerate(read_frames(path)):
        name = FRAME_NAME.format(video=path.name, frame=number)
        views = finder.views(name, pixels, photo_header)
        if finder.detections is not None:  # a guess from the whole frame would make the hand jump
            views = [view for view in views if view.looked_at != WHOLE_PICTURE]
        yield Frame(number, number / header.fps, pixels, views)


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, size)):
        yield batch


def _predicted(
    reconstructor: HandReconstructor, frames: list[Frame], refine: bool, steady: _Steady | None
) -> Iterator[tuple[Frame, Reconstruction | None]]:
    """Every frame with its hands; None where there are none."""
    views = [view for frame in frames for view in frame.views]
    if not views:
        yield from ((frame, None) for frame in frames)
        return
    adjust = None if steady is None else steady.of(frames)
    hands = reconstructor.predict_views(views, refine=refine, adjust=adjust)
    start = 0
    for frame in frames:
        yield frame, hands[start : start + len(frame.views)] if frame.views else None
        start += len(frame.views)


def _opening_line(path: Path, header: VideoHeader, smooth: bool, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "format": LINES_FORMAT,
        "video": path.name,
        "fps": header.fps,
        "smoothed": smooth,
        "units": UNITS,
        "frames": FRAMES,
        "model": MODEL_NOTE,
        "versions": versions,
    }


def _line(frame: Frame, hands: Reconstruction | None, name: str) -> dict[str, Any]:
    count = 0 if hands is None else len(hands)
    records = [hand_as_dict(hands.exported(index, name)) for index in range(count)]
    kept = [{key: value for key, value in record.items() if key not in LEFT_OUT} for record in records]
    return {"frame": frame.number, "time_s": round(frame.time_s, 6), "hands": kept}


def _write_line(file, content: dict[str, Any]) -> None:
    file.write(json.dumps(content) + "\n")
