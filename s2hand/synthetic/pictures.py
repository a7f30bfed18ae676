"""Writing encoded pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from s2hand.errors import DatasetError


def write_picture(path: Path, picture: np.ndarray, parameters: Sequence[int] = ()) -> None:
    """Writes a picture in the format that its suffix names.

    Args:
        path: the file; its folder exists.
        picture: (H, W, 3) uint8 BGR, or (H, W) grey.
        parameters: OpenCV's, such as ``[cv2.IMWRITE_JPEG_QUALITY, 90]``.

    Raises:
        DatasetError: the disk does not take it.
    """
    write_file(path, cv2.imencode(path.suffix, picture, list(parameters))[1].tobytes())


def write_file(path: Path, content: bytes) -> None:
    """Writes an encoded picture.

    Raises:
        DatasetError: the disk does not take it.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path} ({error.strerror}): free the disk or choose another folder"
        ) from None
