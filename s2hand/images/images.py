"""Reading image files: one limit of size for all of them, and those refused that hold less than they claim.

Datasets' images are decoded here by OpenCV, pixels as stored. A user's own photos, in all their formats and
orientations, are read by :mod:`s2hand.images.photos`, under the same checks.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import logging
import os
import stat
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

import cv2
import numpy as np
from PIL import Image, features

from s2hand.errors import DatasetError, reason_of
from s2hand.images.completeness import (
    JPEG_START,
    MAX_JPEG_SCANS,
    PNG_END,
    PNG_START,
    JpegFrame,
    jpeg_is_whole,
    parse_jpeg,
    png_chunks,
)
from s2hand.images.quiet_decoders import quiet_decoders
from s2hand.images.tiff_parts import covers_its_rows, jpegs_are_whole

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""What every installation reads; see :func:`readable_formats`."""

MAX_MEGAPIXELS = 100
MAX_BYTES = MAX_MEGAPIXELS * 1_000_000 * 8
"""More than the largest image takes without compression, in 16-bit RGBA."""

PNG_SIZE = slice(16, 24)
"""Width and height in a PNG, big-endian."""

DAMAGED = "copy or download it again"

logging.getLogger("PIL").addHandler(logging.NullHandler())
"""Else Python prints Pillow's errors on stderr where nobody has set up logging; ours say the same."""


class ImageFile(Protocol):
    """Where an image lies: a Path, or anything that yields its bytes and, as text, names it."""

    def read_bytes(self) -> bytes: ...


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats that this installation reads: AVIF since Pillow 11.3, HEIF if pillow-heif is installed."""
    formats = FORMATS
    if "avif" in features.get_supported_modules():
        formats += ("AVIF",)
    if importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()
        formats += ("HEIF",)
    return formats


def read_image(path: str | ImageFile) -> np.ndarray:
    """Reads an image as colour.

    Returns:
        (H, W, 3) uint8 RGB. EXIF orientation is ignored: datasets' keypoints refer to the stored pixels.

    Raises:
        DatasetError: the file is missing, cut short, not an image, or larger than ``MAX_MEGAPIXELS``.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_mask(path: str | ImageFile) -> np.ndarray:
    """Reads an image as grey values.

    Returns:
        (H, W) uint8.

    Raises:
        DatasetError: the file is missing, cut short, not an image, or larger than ``MAX_MEGAPIXELS``.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def _decode(path: str | ImageFile, flags: int) -> np.ndarray:
    encoded = read_encoded(path)
    frame = parse_jpeg(encoded)
    if encoded.startswith(PNG_START) and len(encoded) >= PNG_SIZE.stop:
        check_size(*struct.unpack(">II", encoded[PNG_SIZE]), path)
    elif frame is not None:
        check_size(frame.width, frame.height, path)
    else:
        _check_rows(identify(io.BytesIO(encoded), path), encoded, path)
    image = decode_by_opencv(encoded, frame, flags)
    if image is None:
        raise DatasetError(f"{path} is damaged or cut short ({len(encoded):,} bytes): {DAMAGED}")
    return image


def _check_rows(image: Image.Image, encoded: bytes, path: str | ImageFile) -> None:
    """Refuses an image that lacks a part of its rows, in the formats in which OpenCV leaves them black."""
    if image.format not in ("TIFF", "BMP"):
        return
    try:
        with quiet_decoders():
            image.load()
    except Exception as error:  # damaged images fail in as many ways as there are decoders
        raise DatasetError(f"{path} is damaged or cut short ({reason_of(error)}): {DAMAGED}") from None
    if image.format == "TIFF" and not tiff_is_whole(encoded, image):
        raise DatasetError(f"{path} is damaged or cut short (rows are missing): {DAMAGED}")


def tiff_is_whole(encoded: bytes, image: Image.Image) -> bool:
    """Whether the strips of a TIFF hold all their pixels, as far as decoders would not miss them.

    Args:
        encoded: the file.
        image: as Pillow has opened it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jpegs_are_whole(encoded, image.tag_v2)
    except Exception:  # tags that are missing, or of any type
        return False


def decode_by_opencv(encoded: bytes, frame: JpegFrame | None, flags: int) -> np.ndarray | None:
    """Decodes an image with OpenCV; None if it cannot, or if part of a JPEG is missing.

    Args:
        encoded: content of the file.
        frame: from :func:`~s2hand.images.completeness.parse_jpeg`.
        flags: OpenCV's.
    """
    if encoded.startswith(JPEG_START) and (frame is None or frame.end is None):
        return None
    if frame is not None and frame.scans > MAX_JPEG_SCANS:
        return None
    # OpenCV makes room for whatever length a chunk claims.
    if encoded.startswith(PNG_START) and not any(kind == PNG_END for kind, _ in png_chunks(encoded)):
        return None
    try:
        with quiet_decoders():
            image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error:
        return None
    if image is None or (frame is not None and not jpeg_is_whole(encoded, frame, image[-1, -1])):
        return None
    return image


def read_encoded(path: str | ImageFile) -> bytes:
    """The content of an image file.

    Raises:
        DatasetError: it is missing, empty, not a file, or too large for an image.
    """
    if not isinstance(path, (str, os.PathLike)):  # inside a tar, where sizes are known to be sound
        return path.read_bytes()
    with open_image(path) as file:
        return file.read()


def open_image(path: str | Path) -> BinaryIO:
    """Opens a file of an image's size.

    Raises:
        DatasetError: it is missing, empty, not a file, or too large for an image.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for somebody to write
            raise DatasetError(f"{path} is not a file: leave it out")
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error.strerror}): is the folder complete?") from None
    except DatasetError:
        raise
    except ValueError:  # NUL, or half a character
        raise DatasetError(f"cannot read {str(path)!r}: no file can have this name") from None
    size = os.fstat(file.fileno()).st_size
    if not 0 < size <= MAX_BYTES:
        file.close()
        if size == 0:
            raise DatasetError(f"{path} is empty (0 bytes): {DAMAGED}")
        raise DatasetError(f"{path} is too large for an image ({size:,} bytes): leave it out")
    return file


def identify(file: BinaryIO, path: str | ImageFile) -> Image.Image:
    """Reads an image's header.

    Raises:
        DatasetError: it has none of :func:`readable_formats`, is larger than ``MAX_MEGAPIXELS``, or is a TIFF
            that lacks rows.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of broken EXIF, and of its own limit of pixels; ours is below.
            warnings.simplefilter("ignore")
            image = Image.open(file, formats=readable_formats())
    except Image.DecompressionBombError:
        raise DatasetError(f"{path} has more than {MAX_MEGAPIXELS} megapixels: make it smaller") from None
    except Exception:  # a broken header fails in as many ways as there are formats
        raise DatasetError(
            f"{path} is not an image that can be read ({', '.join(readable_formats())}): convert it, or "
            f"{DAMAGED}"
        ) from None
    check_size(*image.size, path)
    if image.format == "TIFF" and not _is_covered(image):
        raise DatasetError(f"{path} is damaged or cut short (rows are missing): {DAMAGED}")
    return image


def _is_covered(image: Image.Image) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow decodes tags when they are asked for, and warns then
            return covers_its_rows(image.tag_v2)
    except Exception:  # tags that are missing, or of any type
        return False


def check_size(width: int, height: int, path: str | ImageFile) -> None:
    """Refuses an image of too many pixels, before it is decoded.

    Raises:
        DatasetError: it has more than ``MAX_MEGAPIXELS``.
    """
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise DatasetError(
            f"{path} has {width} x {height} px, more than {MAX_MEGAPIXELS} megapixels: make it smaller"
        )
