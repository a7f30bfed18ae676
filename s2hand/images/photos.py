"""A user's own photos: every usual format and orientation in, upright RGB out; and their headers.

Datasets that ship with keypoints are read by :mod:`s2hand.images.images`, which takes pixels as stored and
holds the checks of both.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from s2hand.errors import DatasetError, reason_of
from s2hand.images.completeness import MAX_JPEG_SCANS, JpegFrame, jpeg_is_whole, parse_jpeg, png_is_whole
from s2hand.images.exif import focal_px, orientation, read_exif
from s2hand.images.images import (
    DAMAGED,
    ImageFile,
    decode_by_opencv,
    identify,
    open_image,
    read_encoded,
    tiff_is_whole,
)
from s2hand.images.quiet_decoders import quiet_decoders

SHRUNK = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""How many times smaller JPEG can be decoded, and OpenCV's flag for it."""

UPRIGHT = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.flip(cv2.transpose(image), -1),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""EXIF orientation -> what puts the stored photo upright."""

QUARTER_TURNS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""


@dataclass(frozen=True)
class PhotoHeader:
    """A photo's size and focal length, from its header.

    Attributes:
        width: px, upright.
        height: px, upright.
        focal_px: focal length in pixels from EXIF; None without.
    """

    width: int
    height: int
    focal_px: float | None


def read_photo(path: str | ImageFile) -> np.ndarray:
    """Reads a photo as it is meant to be seen.

    EXIF orientation is applied, transparent parts become black, and 16-bit values keep their high byte.
    Colour profiles are ignored.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: the file is missing, empty, cut short, not an image, or larger than ``MAX_MEGAPIXELS``.
    """
    return read_photo_shrunk(path, 1)[0]


def read_photo_shrunk(path: str | ImageFile, most: float) -> tuple[np.ndarray, int]:
    """Reads a photo, smaller if that is quicker: JPEG decodes to a half, a quarter or an eighth.

    Args:
        path: as :func:`read_photo`, which says the rest.
        most: how many times smaller the photo may be.

    Returns:
        (H / f, W / f, 3) uint8 RGB, and f, at most ``most``. Pixel i covers [i f, (i + 1) f) of the whole.
    """
    encoded = read_encoded(path)
    image = identify(io.BytesIO(encoded), path)
    frame = parse_jpeg(encoded)
    if frame is not None and frame.scans > MAX_JPEG_SCANS:
        raise DatasetError(f"{path} is damaged ({frame.scans:,} scans of one image): {DAMAGED}")
    upright = UPRIGHT.get(orientation(read_exif(image)), lambda stored: stored)
    # OpenCV decodes JPEG twice as fast.
    if frame is not None and image.mode in ("L", "RGB"):
        # Sides must divide: else the last pixel, which turning may make the first, would cover less.
        factor = max(
            factor for factor in SHRUNK if factor <= most and not any(side % factor for side in image.size)
        )
        decoded = decode_by_opencv(encoded, frame, SHRUNK[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
        if decoded is not None:
            rgb = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)
            return upright(rgb), factor
    try:
        with warnings.catch_warnings(), quiet_decoders():
            warnings.simplefilter("ignore")
            image.load()
            last_row = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
            if _is_whole(encoded, image, frame, last_row):
                if image.format == "TIFF":  # Pillow turns most while it decodes them, and notes that it did
                    return np.array(_to_rgb(ImageOps.exif_transpose(image), path)), 1
                return np.ascontiguousarray(upright(np.array(_to_rgb(image, path)))), 1
            reason = "pixels are missing"
    except DatasetError:
        raise
    except Exception as error:  # damaged photos fail in as many ways as there are decoders
        reason = reason_of(error)
    raise DatasetError(f"{path} is damaged or cut short ({reason}): {DAMAGED}")


def _is_whole(encoded: bytes, image: Image.Image, frame: JpegFrame | None, last_row: np.ndarray) -> bool:
    """Whether what Pillow decoded is all in the file."""
    if image.format == "PNG":
        return png_is_whole(encoded, last_row)
    if image.format == "TIFF":
        return tiff_is_whole(encoded, image)
    if frame is None or frame.end is None:  # Pillow complains of a JPEG without an end if pixels are missing
        return True
    return jpeg_is_whole(encoded, frame, last_row[0, -1])


def read_photo_header(path: str | Path) -> PhotoHeader:
    """Reads size and focal length without decoding the photo (but for TIFF, which may be turned anyhow).

    Raises:
        DatasetError: the file is missing, empty, not an image, or larger than ``MAX_MEGAPIXELS``.
    """
    with open_image(path) as file:
        image = identify(file, path)
        exif, size = read_exif(image), image.size
        if image.format == "TIFF":
            height, width = read_photo(path).shape[:2]
        else:
            width, height = reversed(size) if orientation(exif) in QUARTER_TURNS else size
    return PhotoHeader(width, height, focal_px(exif, size))


def photo_of_image(image: Image.Image, name: str) -> tuple[np.ndarray, PhotoHeader]:
    """Pixels, as :func:`read_photo` gives them, and header of an image that Pillow has opened.

    Args:
        image: any.
        name: its name in messages.

    Raises:
        DatasetError: it cannot be decoded.
    """
    try:
        with quiet_decoders():
            image.load()
        pixels = np.array(_to_rgb(image, name))
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"{name} is damaged or cut short ({reason_of(error)}): {DAMAGED}") from None
    if not pixels.size:
        raise DatasetError(f"{name} is empty: it has {image.width} x {image.height} px")
    exif = image.getexif()  # once it is loaded, a TIFF that Pillow has turned says that it is upright
    pixels = np.ascontiguousarray(UPRIGHT.get(orientation(exif), lambda stored: stored)(pixels))
    return pixels, PhotoHeader(pixels.shape[1], pixels.shape[0], focal_px(exif, image.size))


def _to_rgb(image: Image.Image, path: str | Path) -> Image.Image:
    """Any colour mode as 8-bit RGB."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DatasetError(f"{path} has {image.mode!r} values of 32 bits: save it with 8 or 16")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")
