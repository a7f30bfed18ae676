"""Videos: the hands of every frame as files, and as a scene that plays in the viewer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2hand.app.downloads import zipped
from s2hand.app.reading import open_bounded_video
from s2hand.app.sessions import Session
from s2hand.app.studio import Studio
from s2hand.geometry.mirror import mirror_faces, mirror_points
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.videos import VideoFrames
from s2hand.pages import HandShape, Scene, SceneFrame, SceneHand, embed
from s2hand.pages.media import FRAME_PX
from s2hand.prediction.hand_files import HandFiles
from s2hand.prediction.options import AUTO, PredictOptions
from s2hand.prediction.photos import Photo
from s2hand.prediction.refine import DEFAULT_STEPS
from s2hand.prediction.video import predict_video
from s2hand.structures import HandParameters, HandPrediction

PARAMETERS = ("hand_pose", "betas", "rotation", "translation", "scale")


def process_video(
    studio: Studio, session: Session, path: Path, name: str, refine: bool
) -> tuple[Scene, list[Path]]:
    """Reconstructs the hands of all frames.

    Args:
        studio: reconstructs; other requests wait meanwhile.
        session: the page.
        path: the file.
        name: what it is called.
        refine: whether hands are fitted to their keypoints.

    Returns:
        The scene, and the files: the drawn video, the numbers, and the zip of both.

    Raises:
        S2HandError: it is no video, too long or too large, or it shows no hand.
    """
    source = open_bounded_video(path, name, studio.limits)
    folder = session.place_for("video")
    options = PredictOptions(refine=DEFAULT_STEPS if refine else 0)
    video = Photo(path, name, Path(name).stem)
    finder = studio.reconstructor.finder.told(AUTO, StatedCamera())
    with studio.busy:
        entry, _ = predict_video(
            studio.reconstructor, video, finder, HandFiles(folder, studio.versions, options), progress=False
        )
    files = [folder / entry[kind] for kind in ("overlay", "lines")]
    with files[1].open(encoding="utf-8") as lines:
        records = [json.loads(line)["hands"] for line in list(lines)[1:]]
    return video_scene(studio, name, source, records), [*files, zipped(folder / f"{video.stem}.zip", files)]


def video_scene(studio: Studio, name: str, source: VideoFrames, records: list[list[dict[str, Any]]]) -> Scene:
    """The scene of a video from the numbers of its frames.

    Args:
        studio: poses the hands.
        name: the video's.
        source: its frames.
        records: the hands of each frame, as in the lines that
            :func:`~s2hand.prediction.video.predict_video` writes.
    """
    flat = [record for hands in records for record in hands]
    vertices = _vertices(studio, flat)
    tracks = list(dict.fromkeys((record["hand"], record.get("track", 0)) for record in flat))
    faces = studio.reconstructor.right_faces
    hands = [
        SceneHand(
            f"{side.capitalize()} hand" + (f" {number + 1}" if len(tracks) > 2 else ""),
            (mirror_faces(faces) if side == "left" else faces).numpy(),
        )
        for number, (side, _) in enumerate(tracks)
    ]
    frames, row = [], 0
    for pixels, found in zip(_pictures(source), records, strict=False):
        shapes = []
        for record in found:
            which = tracks.index((record["hand"], record.get("track", 0)))
            shapes.append(HandShape(vertices[row], np.array(record["joints"]), hand=which))
            row += 1
        frames.append(SceneFrame(pixels, shapes))
    header = source.header
    K = (
        flat[0]["K"]
        if flat
        else [
            [max(header.width, header.height), 0, header.width / 2],
            [0, max(header.width, header.height), header.height / 2],
            [0, 0, 1],
        ]
    )
    return Scene(name, (header.width, header.height), np.array(K, float), hands, frames, header.fps)


def _pictures(source: VideoFrames) -> Iterator:
    """The frames, embedded as they come, so that few are in memory."""
    for _, pixels in source:
        yield embed(pixels, FRAME_PX)


def _vertices(studio: Studio, records: list[dict[str, Any]]) -> np.ndarray:
    """(N, 778, 3) metres, camera frame, of hands given by their parameters."""
    if not records:
        return np.zeros((0, 0, 3))
    answerer = studio.reconstructor.answerer
    values = {name: [record["parameters"][name] for record in records] for name in PARAMETERS}
    parameters = HandParameters(**{name: torch.tensor(value) for name, value in values.items()})
    K = torch.tensor([record["K"] for record in records])
    place = answerer.device
    placed = HandPrediction(**answerer.place_hand(parameters.to(place), K.to(place))).to("cpu")
    left = torch.tensor([record["hand"] == "left" for record in records])[:, None, None]
    return torch.where(left, mirror_points(placed.vertices), placed.vertices).numpy()
