"""Images in rows and columns, with titles that are never cut off."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from s2hand.visualize.pixels import enlarge, to_image
from s2hand.visualize.text import draw_text, fit_text

GAP = 6
"""Pixels between tiles and around a sheet."""

PAPER = (255, 255, 255)
HAIRLINE = (222, 224, 229)
QUIET_INK = (92, 97, 108)


def framed(image: np.ndarray) -> np.ndarray:
    """A copy with a hairline border, so that images on white keep their edge on a white sheet."""
    image = image.copy()
    image[[0, -1]] = HAIRLINE
    image[:, [0, -1]] = HAIRLINE
    return image


def tile_row(tiles: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Puts images of one height side by side, ``gap`` white pixels between them."""
    spacer = np.full((tiles[0].shape[0], gap, 3), PAPER, np.uint8)
    parts = [part for tile in tiles for part in (tile, spacer)]
    return np.concatenate(parts[:-1], 1)


def evaluation_sheet(
    rows: Sequence[np.ndarray], titles: Sequence[str] = (), heading: str | None = None
) -> np.ndarray:
    """Stacks rows of tiles under their column titles.

    Args:
        rows: images of one width, each of ``len(titles)`` equally wide tiles (:func:`tile_row`).
        titles: column titles; shrunk or shortened where a tile is too narrow for them.
        heading: a line above the sheet.

    Returns:
        (H, W, 3) uint8, with a margin of ``GAP`` pixels.

    Raises:
        ValueError: there is no row, or the rows differ in width.
    """
    if not rows:
        raise ValueError("an evaluation sheet needs at least one row")
    widths = {row.shape[1] for row in rows}
    if len(widths) != 1:
        raise ValueError(f"rows of an evaluation sheet must have one width, got {sorted(widths)}")
    width = widths.pop()
    bands = [_heading(heading, width)] if heading else []
    bands += [_title_band(titles, width)] if titles else []
    spacer = np.full((GAP, width, 3), PAPER, np.uint8)
    for row in rows:
        bands += [row, spacer]
    sheet = np.concatenate(bands[:-1])
    return np.pad(sheet, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def contact_sheet(
    images: Sequence,
    columns: int = 6,
    tile: int | None = None,
    captions: Sequence[str] | None = None,
    heading: str | None = None,
) -> np.ndarray:
    """Arranges images in a grid, row by row.

    Args:
        images: anything :func:`~s2hand.visualize.pixels.to_image` takes.
        columns: tiles per row.
        tile: side of a tile in pixels, by default the first image's height.
        captions: one line below each image.
        heading: a line above the sheet.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: there is no image, or the number of captions is not the number of images.
    """
    if not len(images):
        raise ValueError("a contact sheet needs at least one image")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(images)} images need as many captions, got {len(captions)}")
    images = [to_image(image) for image in images]
    tile = tile or images[0].shape[0]
    tiles = [framed(_fit(image, tile)) for image in images]
    if captions is not None:
        tiles = [
            np.concatenate(pair)
            for pair in zip(tiles, (_caption(text, tile) for text in captions), strict=True)
        ]
    columns = min(columns, len(tiles))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (math.ceil(len(tiles) / columns) * columns - len(tiles))
    rows = [tile_row(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return evaluation_sheet(rows, heading=heading)


def _fit(image: np.ndarray, tile: int) -> np.ndarray:
    """Scales an image into a white square, keeping its proportions."""
    small = enlarge(image, tile / max(image.shape[:2]))
    square = np.full((tile, tile, 3), 255, np.uint8)
    top, left = (tile - small.shape[0]) // 2, (tile - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def _title_band(titles: Sequence[str], width: int) -> np.ndarray:
    """Centred titles over equally wide columns, all in the size that suits the longest one."""
    tile = (width - (len(titles) - 1) * GAP) / len(titles)
    wanted = _font_size(tile)
    size = min(fit_text(title, tile, wanted, bold=True)[1] for title in titles)
    band = np.full((round(wanted * 2), width, 3), 255, np.uint8)
    for column, title in enumerate(titles):
        text, _ = fit_text(title, tile, size, bold=True)
        middle = column * (tile + GAP) + tile / 2
        band = draw_text(band, text, (middle, band.shape[0] / 2), size, anchor="mm", bold=True)
    return band


def _heading(text: str, width: int) -> np.ndarray:
    """A left-aligned heading as wide as the sheet."""
    text, size = fit_text(text, width, 20, bold=True)
    band = np.full((38, width, 3), 255, np.uint8)
    return draw_text(band, text, (0, 16), size, anchor="lm", bold=True)


def _caption(text: str, tile: int) -> np.ndarray:
    """A centred caption as wide as a tile, and as high as those beside it."""
    wanted = _font_size(tile) - 1
    text, size = fit_text(text, tile - 4, wanted)
    band = np.full((round(wanted * 1.9), tile, 3), 255, np.uint8)
    return draw_text(band, text, (tile / 2, band.shape[0] / 2), size, anchor="mm", color=QUIET_INK)


def _font_size(tile: float) -> int:
    """Font size in pixels that suits a tile's side."""
    return int(np.clip(round(tile / 13), 9, 16))
