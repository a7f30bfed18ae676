"""Reading images: OpenCV's decoder, with the checks that it leaves out."""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from s2hand.errors import DatasetError

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG", b"IEND"
DAMAGED = "copy or download it again"


class ImageFile(Protocol):
    """Where an image lies: a Path, or anything that yields its bytes and, as text, names it."""

    def read_bytes(self) -> bytes: ...


def read_image(path: str | ImageFile) -> np.ndarray:
    """Reads an image as colour.

    Returns:
        (H, W, 3) uint8 RGB. EXIF orientation is ignored: datasets' keypoints refer to the stored pixels.

    Raises:
        DatasetError: the file is missing, cut short or not an image.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_mask(path: str | ImageFile) -> np.ndarray:
    """Reads an image as grey values.

    Returns:
        (H, W) uint8.

    Raises:
        DatasetError: the file is missing, cut short or not an image.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def _decode(path: str | ImageFile, flags: int) -> np.ndarray:
    try:
        encoded = (Path(path) if isinstance(path, str) else path).read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error.strerror}): is the dataset complete?") from None
    if is_cut_short(encoded):
        raise DatasetError(f"{path} is cut short ({len(encoded)} bytes): {DAMAGED}")
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise DatasetError(f"{path} is not an image that OpenCV can read: {DAMAGED}")
    return image


def is_cut_short(encoded: bytes) -> bool:
    """Whether a file ends early. OpenCV fills the missing part with grey without a word.

    The end marker must follow the last scan's start: thumbnails in the header have end markers of their own.
    """
    if not encoded:
        return True
    if encoded.startswith(JPEG_START):
        return encoded.rfind(JPEG_END) < encoded.rfind(JPEG_SCAN) or JPEG_SCAN not in encoded
    if encoded.startswith(PNG_START):
        return PNG_END not in encoded[-32:]
    return False
