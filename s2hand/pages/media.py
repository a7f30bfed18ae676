"""Images inside a page: shrunk, in data URIs, since a page loads nothing."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from PIL import Image

PHOTO_PX, FRAME_PX, THUMBNAIL_PX = 1280, 640, 320
"""Longest sides of a photo in the viewer, of a video's frame there, and of an image in a gallery."""

WEBP_QUALITY = 82
WEBP_METHOD = 2
"""WebP's effort, 0 to 6: three times as fast as the default 4, and files are 3 % larger."""

FRAME_QUALITY = 75
"""JPEG's, of frames."""

REDUCING_GAP = 2.0
"""Large photos are first shrunk in whole steps to about twice the size: faster, and nobody sees it."""


@dataclass(frozen=True)
class EmbeddedImage:
    """An image ready for a page.

    Attributes:
        uri: data URI.
        width: px, as embedded.
        height: px, as embedded.
    """

    uri: str
    width: int
    height: int

    def html(self, alt: str, **attributes: str) -> str:
        """An ``<img>`` with its size, so that the layout is known before it is decoded.

        Args:
            alt: what it shows.
            attributes: further attributes; an underscore stands for a hyphen.
        """
        extra = "".join(
            f' {name.replace("_", "-")}="{escape(value, quote=True)}"' for name, value in attributes.items()
        )
        return (
            f'<img src="{self.uri}" alt="{escape(alt, quote=True)}" width="{self.width}" '
            f'height="{self.height}" loading="lazy" decoding="async"{extra}>'
        )


def embed(
    image: np.ndarray | EmbeddedImage, longest_px: int = PHOTO_PX, quality: int = WEBP_QUALITY
) -> EmbeddedImage:
    """Shrinks an image and encodes it. One that is embedded already passes through unchanged, so that a
    caller with many photos can embed each as it comes and keep none of them.

    Args:
        image: (H, W, 3) uint8 RGB, or (H, W, 4) with opacity.
        longest_px: its longer side is shrunk to this; smaller images stay as they are.
        quality: WebP's, 0 to 100.

    Raises:
        ValueError: the array has another shape or type.
    """
    if isinstance(image, EmbeddedImage):
        return image
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) or (H, W, 4) uint8, got {image.shape} {image.dtype}")
    picture = Image.fromarray(shrunk(image, longest_px))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=WEBP_METHOD)
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return EmbeddedImage(f"data:image/webp;base64,{content}", *picture.size)


def embed_frame(image: np.ndarray, longest_px: int = FRAME_PX) -> EmbeddedImage:
    """Shrinks a video's frame (H, W, 3) uint8 RGB and encodes it as JPEG: larger than :func:`embed` makes it,
    but in a quarter of the time, since videos must not wait for their page."""
    frame = cv2.cvtColor(shrunk(image, longest_px), cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, FRAME_QUALITY])[1]
    content = base64.b64encode(encoded).decode("ascii")
    return EmbeddedImage(f"data:image/jpeg;base64,{content}", *frame.shape[1::-1])


def shrunk(image: np.ndarray, longest_px: int) -> np.ndarray:
    """An image (H, W, C) uint8 whose longer side is at most so many pixels."""
    scale = longest_px / max(image.shape[:2])
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    picture = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return np.asarray(picture)
