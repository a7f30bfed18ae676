"""Predictions for a video: an overlay video, and one line of numbers for each frame."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from s2hand.export import FRAMES, MODEL_NOTE, UNITS, hand_as_dict
from s2hand.files import written_whole
from s2hand.images.photos import PhotoHeader
from s2hand.images.videos import VideoFrames, VideoHeader, VideoWriter
from s2hand.prediction.batches import Group
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.hand_files import HandFiles, overlay_of
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.motion_files import VideoMotions
from s2hand.prediction.photos import Photo
from s2hand.prediction.reconstruction import Reconstruction, concatenated
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.prediction.smoothing import HandSmoother
from s2hand.prediction.threads import DoneLater
from s2hand.progress_bar import ProgressBar
from s2hand.structures import HandParameters

LINES_FORMAT = "s2hand-video-1"

LARGEST_DRAWN_PX = 224
"""Side in which a hand is drawn at most, and enlarged to its size: frames must not wait for their drawing."""

LEFT_OUT = ("vertices", "light")
"""What is left out of a frame's line: the vertices follow from the parameters."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        number: counted from 0.
        time_s: time since the first frame.
        pixels: (H, W, 3) uint8.
    """

    number: int
    time_s: float
    pixels: np.ndarray


Watch = Callable[[Frame, Sequence[HandView], Reconstruction | None], None]
"""Is shown each frame with its hands, None where it has none."""


def predict_video(
    reconstructor: HandReconstructor,
    video: Photo,
    hands: DetectedHands | FoundHands,
    files: HandFiles,
    progress: bool = True,
    watch: Watch | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Predicts the hands of every frame and writes STEM.mp4, STEM.jsonl, and the formats with motion.

    Args:
        reconstructor: predicts.
        video: the file, and what its results are called.
        hands: tells where the hands are.
        files: knows folder, versions and options; of its formats those with motion are written.
        progress: whether a bar is shown.
        watch: is shown each frame.

    Returns:
        The video's entry in the index; and "name: reason" if part of it could not be read.

    Raises:
        DatasetError: the video cannot be read, or does not fit the detections.
    """
    source = VideoFrames(video.path)
    header = source.header
    name, options = video.name, files.options
    drawn, lines = files.out / f"{video.stem}.mp4", files.out / f"{video.stem}.jsonl"
    frames = _frames(video, source, hands, reconstructor.viewer(hands.stated))
    steady = SteadyHands() if options.smooth else None
    paints = "skinned" in options.formats and reconstructor.answerer.paints_from_photos
    motions = VideoMotions(name, paints)
    count = 0
    with (
        written_whole(drawn) as partial_video,
        written_whole(lines) as partial_lines,
        VideoWriter(partial_video, header.fps, (header.width, header.height)) as writer,
        partial_lines.open("w", encoding="utf-8") as line_file,
        ProgressBar(total=header.frames or None, unit="frame", desc=name, disable=not progress) as bar,
        DoneLater() as later,
    ):

        def finish(frame: Frame, views: Sequence[HandView], found: Reconstruction | None) -> None:
            writer.write(drawn_frame(frame.pixels, found))
            write_line(line_file, frame_line(frame, found, name))
            if watch is not None:
                watch(frame, views, found)
            motions.add(frame.number, frame.time_s, frame.pixels, tracks_of(views), found)
            bar.update()

        write_line(line_file, opening_line(name, header, options.smooth, files.versions))
        for predicted in reconstructor.predict_groups(
            frames, refine=bool(options.refine), adjust=steady, paint=False
        ):
            later(finish, *predicted)
            count += 1
    entry = _entry(video, header, count, options.smooth) | motions.write(files, video.stem)
    missing = source.shortfall(count)
    return entry, [] if missing is None else [f"{name}: {missing}"]


def drawn_frame(pixels: np.ndarray, found: Reconstruction | None) -> np.ndarray:
    """A frame (H, W, 3) uint8 with its hands, if it has any."""
    return pixels if found is None else overlay_of(pixels, found, LARGEST_DRAWN_PX, draft=True).image


def _entry(video: Photo, header: VideoHeader, frames: int, smoothed: bool) -> dict[str, Any]:
    """The video's entry in the index."""
    return {
        "name": video.name,
        "width": header.width,
        "height": header.height,
        "frames": frames,
        "fps": header.fps,
        "smoothed": smoothed,
        "overlay": f"{video.stem}.mp4",
        "lines": f"{video.stem}.jsonl",
    }


class SteadyHands:
    """Steadies the hands of a video, with one filter for each hand."""

    def __init__(self) -> None:
        self._smoothers: dict[tuple[str, int], HandSmoother] = {}

    def __call__(self, parameters: HandParameters, groups: Sequence[Group]) -> HandParameters:
        """The steadied parameters of the hands of some frames, in their order."""
        hands = [(track, frame.time_s) for frame, views in groups for track in tracks_of(views)]
        steady = []
        for row, (track, time_s) in enumerate(hands):
            hand = HandParameters(**{name: value[[row]] for name, value in vars(parameters).items()})
            steady.append(self._smoothers.setdefault(track, HandSmoother())(hand, time_s))
        return concatenated(steady)


def tracks_of(views: Sequence[HandView]) -> list[tuple[str, int]]:
    """Which hand of the video each is: as followed, or else the first, second, ... of its side."""
    seen: Counter[str] = Counter()
    tracks = []
    for view in views:
        if view.track is not None:
            tracks.append((view.hand, view.track))
            continue
        tracks.append((view.hand, seen[view.hand]))
        seen[view.hand] += 1
    return tracks


def _frames(
    video: Photo, source: VideoFrames, hands: DetectedHands | FoundHands, viewer: Viewer
) -> Iterator[Group]:
    """The frames with the views of their hands."""
    header = PhotoHeader(source.header.width, source.header.height, None)
    for number, (time_s, pixels) in enumerate(source):
        yield Frame(number, time_s, pixels), hands.views(viewer, video, pixels, header, number)


def opening_line(name: str, header: VideoHeader, smooth: bool, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "format": LINES_FORMAT,
        "video": name,
        "fps": header.fps,
        "smoothed": smooth,
        "units": UNITS,
        "frames": FRAMES,
        "model": MODEL_NOTE,
        "versions": versions,
    }


def frame_line(frame: Frame, hands: Reconstruction | None, video: str) -> dict[str, Any]:
    records = [] if hands is None else [hand_as_dict(replace(hand, image=video)) for hand in hands]
    kept = [{key: value for key, value in record.items() if key not in LEFT_OUT} for record in records]
    for record, track in zip(kept, () if hands is None else hands.tracks, strict=True):
        if track is not None:
            record["track"] = track
    return {"frame": frame.number, "time_s": round(frame.time_s, 6), "hands": kept}


def write_line(file, content: dict[str, Any]) -> None:
    file.write(json.dumps(content) + "\n")
