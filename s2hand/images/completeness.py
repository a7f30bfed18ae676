"""Whether image files hold all the pixels that their headers claim.

Decoders fill what is missing without a word: libjpeg with grey, Pillow's reader of PNG with black, that of
TIFF with black or whatever follows. A JPEG that was cut and given an end marker, or with a header that claims
more than the data hold, looks sound to them.

The pixels of a sound JPEG do not depend on bytes between its last scan and the end marker, while a decoder
that runs out of data takes these for pixels. So a file is complete if it decodes alike with some inserted.
Only files that may be incomplete are checked: a cut sequential JPEG ends in middle grey, a cut PNG in black.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"

NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In a scan's data: any marker but restarts; 0xFF 0x00 is a byte of data."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; those of sequential Huffman coding are ``SEQUENTIAL``."""

SEQUENTIAL = (0xC0, 0xC1)
SCAN, END = 0xDA, 0xD9
COEFFICIENTS = 64
NOTHING_SENT = b"\xff" * COEFFICIENTS
STANDALONE = (0x01, *range(0xD0, 0xD8))
"""Markers without a length."""

MAX_JPEG_SCANS = 100
"""Progressive JPEGs have about 10; a file of some kilobytes could make the decoder go over 100 megapixels ten
thousand times."""

RESTART = re.compile(rb"\xff[\xd0-\xd7]")
FIRST_RESTART, RESTARTS = 0xD0, 8

FILLER = bytes(range(254, 0, -1)) * 4
"""Any data without 0xFF, enough for some blocks."""

MISSING_GREY = 128
"""Value of pixels for which libjpeg has no data: all coefficients are 0."""

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Passes of an interlaced PNG: first row and column, steps of rows and columns."""

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> values a pixel."""

PNG_CHUNK_BYTES = 12
"""Length, kind and checksum of a chunk, besides its data."""

INFLATE_BYTES = 1 << 20


@dataclass(frozen=True)
class JpegFrame:
    """The structure of a JPEG file; further images behind it (MPO) and thumbnails do not count.

    Attributes:
        width: px.
        height: px.
        plain: sequential, in one scan, of grey or three colours.
        scans: how often the decoder must go over the image.
        all_sent: the scans have every coefficient of every component, to its last bit.
        data: where the data of the last scan begin.
        end: where its end marker stands; None if it has none.
    """

    width: int
    height: int
    plain: bool
    scans: int
    all_sent: bool
    data: int
    end: int | None


def parse_jpeg(encoded: bytes) -> JpegFrame | None:
    """Follows the markers of a JPEG file; None if it is another file, or broken before its pixels begin."""
    if not encoded.startswith(JPEG_START):
        return None
    size, sequential, scans = None, False, 0
    bits_left: dict[int, bytearray] = {}  # by component, for each of its 64 coefficients
    position, data, end = len(JPEG_START), 0, None
    while (position := encoded.find(b"\xff", position)) >= 0:
        while encoded[position : position + 1] == b"\xff":  # any number of them may come before the code
            position += 1
        code = encoded[position] if position < len(encoded) else None
        position += 1
        if code == END:
            end = position - 2
            break
        if code is None or code in STANDALONE or code == 0:
            continue
        length = int.from_bytes(encoded[position : position + 2], "big")
        segment = encoded[position + 2 : position + max(length, 2)]
        if code in FRAMES and len(segment) >= 6:
            size, sequential = struct.unpack(">HH", segment[1:5])[::-1], code in SEQUENTIAL
            bits_left = {component: bytearray(NOTHING_SENT) for component in segment[6::3]}
        position += max(length, 2)
        if code == SCAN and len(segment) >= 6:
            first, last, precision = segment[-3:]
            if sequential:  # some encoders write nonsense there, which decoders ignore
                first, last, precision = 0, COEFFICIENTS - 1, 0
            for component in segment[1:-3:2]:
                if component in bits_left:
                    bits_left[component][first : last + 1] = bytes((precision & 0xF,)) * (last + 1 - first)
            scans, data = scans + 1, position
            marker = NEXT_MARKER.search(encoded, position)
            position = marker.start() if marker else len(encoded)
    if size is None or 0 in size:
        return None
    plain = sequential and scans == 1 and len(bits_left) in (1, 3)
    all_sent = not any(map(any, bits_left.values()))
    return JpegFrame(*size, plain, scans, all_sent, data, end if scans else None)


def jpeg_is_whole(encoded: bytes, frame: JpegFrame, last_pixel: np.ndarray) -> bool:
    """Whether a JPEG holds all of its pixels.

    Args:
        encoded: the file, with an end marker.
        frame: its structure.
        last_pixel: the decoded value at the bottom on the right.
    """
    if not frame.all_sent:
        return False
    if frame.plain and np.any(last_pixel != MISSING_GREY):
        return True
    # The data may end within a restart interval or before the next one.
    restarts = len(RESTART.findall(encoded, frame.data, frame.end))
    restart = bytes((0xFF, FIRST_RESTART + restarts % RESTARTS))
    filled = encoded[: frame.end] + FILLER + restart + FILLER + encoded[frame.end :]
    found = _pixel_digest(encoded)
    return found is not None and found == _pixel_digest(filled)


def _pixel_digest(encoded: bytes) -> bytes | None:
    """A hash of a file's pixels, decoded by Pillow, which prints no warnings; None if it cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return hashlib.blake2b(np.ascontiguousarray(Image.open(io.BytesIO(encoded)))).digest()
    except Exception:  # damaged images fail in as many ways as there are decoders
        return None


def png_is_whole(encoded: bytes, last_row: np.ndarray) -> bool:
    """Whether a PNG holds all of its pixels.

    Args:
        encoded: the file, with a sound header.
        last_row: decoded values of the last row.
    """
    if np.any(last_row):
        return True
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", encoded[16:29])
    expected = 0
    for row, column, row_step, column_step in ADAM7 if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - row) // row_step), -(-(width - column) // column_step)
        if rows > 0 and columns > 0:
            expected += rows * (1 + -(-columns * depth * PNG_CHANNELS[colour] // 8))
    return _inflated_size(encoded) >= expected


def png_chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the data of a PNG's chunks, up to one that claims more than the file holds."""
    position = len(PNG_START)
    while position + PNG_CHUNK_BYTES <= len(encoded):
        length, kind = struct.unpack(">I4s", encoded[position : position + 8])
        end = position + PNG_CHUNK_BYTES + length
        if end > len(encoded):
            return
        yield kind, encoded[position + 8 : end - 4]
        position = end


def _inflated_size(encoded: bytes) -> int:
    """Bytes that a PNG's data inflate to."""
    inflate, size = zlib.decompressobj(), 0
    try:
        for kind, data in png_chunks(encoded):
            while kind == b"IDAT" and data:
                size += len(inflate.decompress(data, INFLATE_BYTES))
                data = inflate.unconsumed_tail
    except zlib.error:
        pass
    return size
