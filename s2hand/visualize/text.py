"""Labels on images, in the DejaVu typeface that comes with Matplotlib (no system font is needed)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (28, 30, 36)
"""Default text colour: near black."""

PLATE_COLOR = (20, 22, 28, 190)
"""RGB and opacity, out of 255."""

SMALLEST_TEXT_PX = 8
"""Smallest size of a label; one that does not fit at this size is shortened with an ellipsis."""


@lru_cache(maxsize=64)
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at a size in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size_px)


def text_width(text: str, size_px: int, bold: bool = False) -> float:
    """Width of one line of text in pixels."""
    return font(size_px, bold).getlength(text)


def fit_text(text: str, width_px: float, size_px: int, bold: bool = False) -> tuple[str, int]:
    """Makes a line fit into a width: a smaller size first, then an ellipsis.

    Returns:
        The text, shortened if necessary and with spaces for unprintable characters, and its size in pixels.
    """
    text = "".join(character if character.isprintable() else " " for character in text)
    while text_width(text, size_px, bold) > width_px and size_px > SMALLEST_TEXT_PX:
        size_px -= 1
    if text_width(text, size_px, bold) <= width_px:
        return text, size_px
    while text and text_width(text + "…", size_px, bold) > width_px:
        text = text[:-1].rstrip()
    return text + "…", size_px


def draw_text(
    image: np.ndarray,
    text: str,
    position: tuple[float, float],
    size_px: int,
    *,
    anchor: str = "la",
    color: tuple[int, int, int] = INK,
    bold: bool = False,
) -> np.ndarray:
    """Returns a copy of an image with a line of text.

    Args:
        image: (H, W, 3) uint8.
        text: one line.
        position: (x, y) in pixels of the anchor.
        size_px: height of the font.
        anchor: Pillow's two letters: l, m, r (left, middle, right), then a, m, s, d (top to bottom).
        color: RGB.
        bold: whether to use the bold face.
    """
    canvas = Image.fromarray(image)
    ImageDraw.Draw(canvas).text(position, text, font=font(size_px, bold), fill=color, anchor=anchor)
    return np.asarray(canvas).copy()


def draw_badge(image: np.ndarray, text: str, size_px: int) -> np.ndarray:
    """Returns a copy with a small label in its lower left corner, white on a dark translucent plate.

    Args:
        image: (H, W, 3) uint8.
        text: one line; shortened if it is wider than the image.
        size_px: height of the font.
    """
    padding = max(3, size_px // 3)
    text, size_px = fit_text(text, image.shape[1] - 4 * padding, size_px)
    width, height = round(text_width(text, size_px)) + 2 * padding, size_px + 2 * padding - 2
    left, top = padding, image.shape[0] - padding - height
    canvas = Image.fromarray(image)
    drawing = ImageDraw.Draw(canvas, "RGBA")
    box = (left, top, left + width, top + height)
    drawing.rounded_rectangle(box, radius=padding, fill=PLATE_COLOR)
    drawing.text((left + width / 2, top + height / 2), text, font=font(size_px), fill="white", anchor="mm")
    return np.asarray(canvas).copy()
