"""Images and files as parts of an HTML page that loads nothing."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib.resources import files

import numpy as np
from PIL import Image

WEBP_QUALITY = 88
WEBP_LARGEST_PX = 16383
"""The format's limit of either side."""


def data_uri(image: np.ndarray | bytes) -> str:
    """An image as a data URI.

    Args:
        image: (H, W, 3) uint8, embedded as WebP (as PNG if too large for that), or the bytes of a GIF.
    """
    if isinstance(image, bytes):
        kind, content = "gif", image
    else:
        kind = "webp" if max(image.shape[:2]) <= WEBP_LARGEST_PX else "png"
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind.upper(), quality=WEBP_QUALITY)
        content = buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def image_html(image: np.ndarray | bytes, alt: str) -> str:
    """An ``<img>`` with its size, so that the page's layout is known before it is decoded."""
    size = ""
    if isinstance(image, np.ndarray):
        size = f' width="{image.shape[1]}" height="{image.shape[0]}"'
    return f'<img src="{data_uri(image)}" alt="{escape(alt, quote=True)}"{size}>'


def asset_text(name: str) -> str:
    """Text of a file that lies beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
