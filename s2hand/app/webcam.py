"""A webcam's frames, drawn with their hands as they come."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.app.reading import RefusedFileError
from s2hand.app.sessions import Session
from s2hand.app.studio import Studio
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.photos import PhotoHeader, read_photo
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.hand_files import overlay_of
from s2hand.prediction.options import AUTO
from s2hand.prediction.photos import Photo
from s2hand.visualize.pixels import enlarge

FRAME_PX = 640
"""Longest side of a frame; larger ones are shrunk, for speed."""

WEBCAM = Photo(Path("webcam"), "webcam", "webcam")


@dataclass
class WebcamWork:
    """What is known from one frame to the next.

    Attributes:
        finder: follows the hands.
        frame: number of the next frame.
    """

    finder: FoundHands
    frame: int = 0


@dataclass(frozen=True)
class _SentImage:
    """An image that is in no file, to be read like one."""

    content: bytes

    def read_bytes(self) -> bytes:
        return self.content


def decode_frame(content: str) -> np.ndarray:
    """A frame that a browser sent as text.

    Args:
        content: "data:image/...;base64,...".

    Returns:
        (H, W, 3) uint8 RGB, at most ``FRAME_PX`` on a side.

    Raises:
        RefusedFileError: it is not an image.
    """
    try:
        encoded = base64.b64decode(content.partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        encoded = b""
    try:
        return shrink_frame(read_photo(_SentImage(encoded)))
    except DatasetError:
        raise RefusedFileError("The webcam sent something that is not an image.") from None


def shrink_frame(pixels: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) of the size that is worked on."""
    return enlarge(pixels, min(1.0, FRAME_PX / max(pixels.shape[:2])))


def draw_frame(studio: Studio, session: Session, pixels: np.ndarray) -> np.ndarray:
    """Finds the hands of a frame and draws them over it.

    Args:
        studio: reconstructs.
        session: the page, which knows the hands of the frame before.
        pixels: (H, W, 3) uint8 RGB.

    Returns:
        The same size.
    """
    if session.stream is None:
        session.stream = WebcamWork(studio.reconstructor.finder.told(AUTO, StatedCamera()))
    work: WebcamWork = session.stream
    header = PhotoHeader(pixels.shape[1], pixels.shape[0], None)
    with studio.busy:
        views = work.finder.views(studio.viewer, WEBCAM, pixels, header, work.frame)
        hands = studio.reconstructor.predict_views(views, paint=False) if views else None
    work.frame += 1
    return pixels if hands is None else overlay_of(pixels, hands).image
