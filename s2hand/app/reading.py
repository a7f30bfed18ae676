"""Uploaded files, read within the app's limits; what is refused is refused in one line that names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from s2hand.app.limits import Limits
from s2hand.errors import DatasetError, S2HandError
from s2hand.images.photos import PhotoHeader, read_photo, read_photo_header
from s2hand.images.videos import VideoFrames, open_video

LONGEST_NAME = 60
"""Characters of a file's name that are kept."""


class RefusedFileError(S2HandError):
    """An uploaded file that the app does not take."""


def plain_name(name: str | None, otherwise: str = "photo") -> str:
    """The last part of a name that a browser sent, without anything that means something in a path.

    Args:
        name: as it came, perhaps with folders or "..".
        otherwise: for names of which nothing is left.
    """
    last = re.split(r"[/\\]", name or "")[-1]
    kept = re.sub(r"[^\w .()+-]", "_", last).strip(" .")
    stem, dot, ending = kept.rpartition(".")
    if not dot:
        return kept[:LONGEST_NAME] or otherwise
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}" if len(ending) < LONGEST_NAME else otherwise


def read_bounded_photo(path: Path, name: str, limits: Limits) -> tuple[np.ndarray, PhotoHeader]:
    """Reads a photo whose header promises no more pixels than are allowed.

    Args:
        path: the file.
        name: what messages call it.
        limits: what the app takes at most.

    Returns:
        (H, W, 3) uint8 RGB, and the header.

    Raises:
        RefusedFileError: it is no photo, damaged, or too large.
    """
    with _named(path, name):
        header = read_photo_header(path)
        _check_size(name, "photo", header.width, header.height, limits.megapixels)
        return read_photo(path), header


def open_bounded_video(path: Path, name: str, limits: Limits) -> VideoFrames:
    """Opens a video that is short and small enough.

    Args:
        path: the file.
        name: what messages call it.
        limits: what the app takes at most.

    Raises:
        RefusedFileError: it is no video, or it is too long or too large.
    """
    with _named(path, name):
        video = VideoFrames(path)
        _check_size(name, "video", video.header.width, video.header.height, limits.video_megapixels)
        if _is_longer(path, limits.video_frames):
            seconds = limits.video_frames / video.header.fps
            raise RefusedFileError(
                f"{name} has more than {limits.video_frames} frames: cut it to {seconds:.0f} seconds, or use "
                "`s2hand predict`, which takes videos of any length"
            )
        return video


def _check_size(name: str, kind: str, width: int, height: int, most: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > most:
        raise RefusedFileError(
            f"{name} has {width:,} x {height:,} px; a {kind} may have {most:g} megapixels: save it smaller"
        )


def _is_longer(path: Path, frames: int) -> bool:
    """Whether a video has more frames than this; headers may lie, so they are counted."""
    capture = open_video(path)
    try:
        return all(capture.grab() for _ in range(frames + 1))
    finally:
        capture.release()


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Lets errors speak of the user's file instead of its place on this machine."""
    try:
        yield
    except RefusedFileError:
        raise
    except DatasetError as error:
        raise RefusedFileError(" ".join(str(error).split()).replace(str(path), name)) from None
