"""Whether the strips or tiles of a TIFF hold all the pixels that its header claims.

Decoders leave rows without a strip black. A strip that is compressed as JPEG may have fewer rows than belong
to it, or end early, and the rest of it shows whatever is in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from s2hand.images.completeness import JPEG_END, JPEG_START, jpeg_is_whole, parse_jpeg

Tag = ExifTags.Base

PLANES, PLAIN, YCBCR, JPEG = 2, 1, 6, 7
"""Values of tags: each channel in parts of its own; no compression; colours stored apart from brightness;
JPEG, a file of its own in each part but for the tables, which all parts share."""


def covers_its_rows(tags: Mapping[int, Any]) -> bool:
    """Whether the strips or tiles of a TIFF suffice for its width and height.

    Args:
        tags: number -> value.
    """
    width, height = tags[Tag.ImageWidth], tags[Tag.ImageLength]
    channels, planes = tags.get(Tag.SamplesPerPixel, 1), _planes(tags)
    if Tag.TileOffsets in tags:
        needed = -(-width // tags[Tag.TileWidth]) * -(-height // tags[Tag.TileLength])
        return len(tags[Tag.TileOffsets]) >= needed * planes
    needed = -(-height // tags.get(Tag.RowsPerStrip, height)) * planes
    sizes = tags[Tag.StripByteCounts]
    if min(len(tags[Tag.StripOffsets]), len(sizes)) < needed:
        return False
    subsampled = tags.get(Tag.PhotometricInterpretation) == YCBCR
    if subsampled or tags.get(Tag.Compression, PLAIN) != PLAIN:  # decoders miss what is not there
        return True
    bits = tags.get(Tag.BitsPerSample, (1,))[0]
    row_bytes = -(-width * bits // 8) * channels if planes > 1 else -(-width * bits * channels // 8)
    return sum(sizes) >= height * row_bytes


def jpegs_are_whole(encoded: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether the strips or tiles of a TIFF hold all their pixels, if they are compressed as JPEG.

    Args:
        encoded: the file.
        tags: number -> value; they cover the rows.
    """
    if tags.get(Tag.Compression, PLAIN) != JPEG:
        return True
    return all(_is_whole(*part) for part in _jpegs(encoded, tags))


def _jpegs(encoded: bytes, tags: Mapping[int, Any]) -> Iterator[tuple[bytes, int, int]]:
    """Each strip or tile as a file of its own, and the width and the rows that it must have."""
    height, planes = tags[Tag.ImageLength], _planes(tags)
    if Tag.TileOffsets in tags:
        places = zip(tags[Tag.TileOffsets], tags[Tag.TileByteCounts], strict=True)
        width, rows, in_plane = tags[Tag.TileWidth], [tags[Tag.TileLength]], 1
    else:
        places = zip(tags[Tag.StripOffsets], tags[Tag.StripByteCounts], strict=True)
        each = min(tags.get(Tag.RowsPerStrip, height), height)
        width, rows = tags[Tag.ImageWidth], [min(each, height - first) for first in range(0, height, each)]
        in_plane = len(rows)
    tables = bytes(tags.get(Tag.JPEGTables, JPEG_START + JPEG_END)).removesuffix(JPEG_END)
    for number, (offset, size) in enumerate(places):
        if number == in_plane * planes and Tag.TileOffsets not in tags:
            return  # strips beyond the last row show nowhere
        part = encoded[offset : offset + size].removeprefix(JPEG_START)
        part = tables + part + (b"" if part.endswith(JPEG_END) else JPEG_END)
        # Planes of colour may have fewer pixels than that of brightness.
        yield part, *((width, rows[number % in_plane]) if planes == 1 else (1, 1))


def _is_whole(jpeg: bytes, width: int, rows: int) -> bool:
    frame = parse_jpeg(jpeg)
    if frame is None or frame.end is None or frame.width < width or frame.height < rows:
        return False
    last_pixel = np.asarray(Image.open(io.BytesIO(jpeg), formats=["JPEG"]))[-1, -1]
    return jpeg_is_whole(jpeg, frame, last_pixel)


def _planes(tags: Mapping[int, Any]) -> int:
    """How many parts the channels of a pixel lie in."""
    return tags.get(Tag.SamplesPerPixel, 1) if tags.get(Tag.PlanarConfiguration, 1) == PLANES else 1
