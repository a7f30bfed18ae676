"""Where PNG files keep EXIF and XMP: before or behind the pixels, as chunks of their own or as text.

The PNG specification (third edition, 11.3.4) has an eXIf chunk, which may follow the pixels; ImageMagick and
others write EXIF as hexadecimal text under "Raw profile type exif"; XMP is text under "XML:com.adobe.xmp".
Pillow finds what follows the pixels only by decoding them; here the chunks are walked through instead.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE_BYTES = 8
CRC_BYTES = 4
MAX_METADATA_BYTES = 1 << 20
"""More than EXIF can hold (64 KiB) and than XMP of a camera takes; larger chunks are passed over."""

TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
XMP_KEYWORD = b"XML:com.adobe.xmp"
EXIF_HEADER = b"Exif\0\0"

XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:\s*=\s*["\']|>)\s*([1-8])')


class PngMetadata(NamedTuple):
    """What was found in a PNG.

    Attributes:
        exif: the TIFF structure of the EXIF, or None.
        xmp_orientation: 1 to 8 from the XMP, or None.
    """

    exif: bytes | None = None
    xmp_orientation: int | None = None


def read_png_metadata(file: BinaryIO) -> PngMetadata:
    """Reads the metadata of a PNG and leaves the file's position as it was.

    Returns:
        The first EXIF, an eXIf chunk before others, and the first orientation in XMP.
    """
    start = file.tell()
    chunks, profiles, orientations = [], [], []
    try:
        for kind, content in _metadata_chunks(file):
            if kind == b"eXIf":
                chunks.append(content)
                continue
            keyword, text = _text(kind, content)
            if keyword in PROFILES:
                profiles.append(_from_hex(text))
            elif keyword == XMP_KEYWORD and (found := XMP_ORIENTATION.search(text)):
                orientations.append(int(found[1]))
    finally:
        file.seek(start)
    exif = next((data.removeprefix(EXIF_HEADER) for data in chunks + profiles if data), None)
    return PngMetadata(exif, next(iter(orientations), None))


def _metadata_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the chunks that may hold EXIF or XMP."""
    file.seek(SIGNATURE_BYTES)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if (kind == b"eXIf" or kind in TEXT_CHUNKS) and length <= MAX_METADATA_BYTES:
            yield kind, file.read(length)
            length = 0
        file.seek(length + CRC_BYTES, 1)


def _text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a text chunk; the text is empty if it is damaged."""
    keyword, _, text = content.partition(b"\0")
    compressed = kind == b"zTXt"
    if kind == b"zTXt":
        text = text[1:]  # the method
    elif kind == b"iTXt":
        compressed = text[:1] == b"\1"
        text = text[2:].split(b"\0", 2)[-1]  # behind the flag, the method, the language and the translation
    if compressed:
        try:
            text = zlib.decompressobj().decompress(text, MAX_METADATA_BYTES)
        except zlib.error:
            return keyword, b""
    return keyword, text


def _from_hex(text: bytes) -> bytes:
    """The content of a raw profile: a name and a length on lines of their own, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
