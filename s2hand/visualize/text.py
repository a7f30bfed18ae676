"""Labels on pictures, in the DejaVu typeface that comes with Matplotlib (no system font is needed)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (28, 30, 36)
"""Default text colour: near black."""

SMALLEST_TEXT_PX = 8
"""Labels are not shrunk below this size: they are shortened with an ellipsis instead."""


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
        The text, shortened if need be and with spaces for what cannot be printed, and its size in pixels.
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
    picture: np.ndarray,
    text: str,
    position: tuple[float, float],
    size_px: int,
    *,
    anchor: str = "la",
    color: tuple[int, int, int] = INK,
    bold: bool = False,
) -> np.ndarray:
    """Returns a copy of a picture with a line of text.

    Args:
        picture: (H, W, 3) uint8.
        text: one line.
        position: (x, y) in pixels of the anchor.
        size_px: height of the font.
        anchor: Pillow's two letters: l, m, r (left, middle, right), then a, m, s, d (top to bottom).
        color: RGB.
        bold: whether to use the bold face.
    """
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text(position, text, font=font(size_px, bold), fill=color, anchor=anchor)
    return np.asarray(canvas).copy()


def draw_badge(picture: np.ndarray, text: str, size_px: int, corner: str = "bottom left") -> np.ndarray:
    """Returns a copy with a small label in a corner, white on a dark translucent plate.

    Args:
        picture: (H, W, 3) uint8.
        text: one line; shortened if it is wider than the picture.
        size_px: height of the font.
        corner: "bottom left", "bottom right", "top left" or "top right".
    """
    height, width = picture.shape[:2]
    padding = max(3, size_px // 3)
    text, size_px = fit_text(text, width - 4 * padding, size_px)
    plate_width = round(text_width(text, size_px)) + 2 * padding
    plate_height = size_px + 2 * padding - 2
    left = padding if "left" in corner else width - padding - plate_width
    top = padding if "top" in corner else height - padding - plate_height
    canvas = Image.fromarray(picture).convert("RGBA")
    plate = Image.new("RGBA", canvas.size)
    drawing = ImageDraw.Draw(plate)
    box = (left, top, left + plate_width, top + plate_height)
    drawing.rounded_rectangle(box, radius=padding, fill=(20, 22, 28, 190))
    middle = (left + plate_width / 2, top + plate_height / 2)
    drawing.text(middle, text, font=font(size_px), fill=(255, 255, 255, 255), anchor="mm")
    return np.asarray(Image.alpha_composite(canvas, plate).convert("RGB")).copy()
