"""Metadata that cameras write beside the pixels: a photo's orientation and its focal length."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from PIL import ExifTags, Image

from s2hand.images.png_metadata import read_png_metadata

FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
"""A focal length "in 35 mm film" has the same angle of view over the diagonal (CIPA DCG-001)."""

MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0}
"""Units of the focal plane's resolution: inch, centimetre, millimetre."""

INCH = 2
"""The unit where none is named."""

TAKEN_SIZE = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)

BELIEVED_MM = (10.0, 200.0)
"""Focal lengths in 35 mm film that photos of hands can have, from fisheye to telephoto lenses."""

SAME_SHAPE = 0.02
"""Largest relative difference between the aspect ratios of a photo and of what the camera took: beyond, the
photo was cropped, and its focal length is no longer EXIF's."""


def read_exif(image: Image.Image) -> Image.Exif:
    """A photo's EXIF, with the orientation from XMP if EXIF has none; empty without any, or if it is broken.

    Args:
        image: as opened, before its pixels are decoded.
    """
    if image.format != "PNG":
        return _unless_broken(image.getexif, Image.Exif())
    found, exif = read_png_metadata(image.fp), Image.Exif()
    if found.exif is not None:
        _unless_broken(lambda: exif.load(found.exif), None)
    if ExifTags.Base.Orientation not in exif and found.xmp_orientation is not None:
        exif[ExifTags.Base.Orientation] = found.xmp_orientation
    return exif


def orientation(exif: Image.Exif) -> int:
    """How the photo is stored, 1 to 8; 1 is upright. Sizes and pixels are both turned by this one answer."""
    value = _unless_broken(lambda: exif.get(ExifTags.Base.Orientation, 1), 1)
    return value if value in range(1, 9) else 1


def focal_px(exif: Image.Exif, size: tuple[int, int]) -> float | None:
    """The focal length in pixels of a photo of this size.

    The focal length in 35 mm film comes first, as resizing does not change it, then the focal length with
    the focal plane's resolution. Neither is believed of photos that were cropped since, nor one beyond the
    range of lenses.

    Args:
        exif: from :func:`read_exif`.
        size: width and height in pixels, in any order.

    Returns:
        Pixels, or None where EXIF does not say, or says what cannot be.
    """
    tags = _unless_broken(lambda: exif.get_ifd(ExifTags.IFD.Exif), {})
    found = _focal_px(tags, size)
    if found is None or _was_cropped(tags, size):
        return None
    film_mm = found * FULL_FRAME_DIAGONAL_MM / math.hypot(*size)
    return found if BELIEVED_MM[0] <= film_mm <= BELIEVED_MM[1] else None


def _was_cropped(tags: Any, size: tuple[int, int]) -> bool:
    """Whether the camera took an image of another shape; unknown sizes tell nothing."""
    taken = [_positive(tags.get(tag)) for tag in TAKEN_SIZE]
    if None in taken:
        return False
    return abs(max(size) / min(size) / (max(taken) / min(taken)) - 1) > SAME_SHAPE


def _focal_px(tags: Any, size: tuple[int, int]) -> float | None:
    """What EXIF says, whether it can be or not."""
    film_mm = _positive(tags.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if film_mm is not None:
        return film_mm / FULL_FRAME_DIAGONAL_MM * math.hypot(*size)
    focal_mm = _positive(tags.get(ExifTags.Base.FocalLength))
    resolution = _positive(tags.get(ExifTags.Base.FocalPlaneXResolution))
    unit_mm = MM_PER_UNIT.get(tags.get(ExifTags.Base.FocalPlaneResolutionUnit, INCH))
    if focal_mm is None or resolution is None or unit_mm is None:
        return None
    # The resolution is that of the photo as taken, which may have been resized since.
    taken = [tags.get(tag) for tag in TAKEN_SIZE]
    longer_side = max((side for side in map(_positive, taken) if side is not None), default=max(size))
    return focal_mm * resolution / unit_mm * max(size) / longer_side


def _unless_broken(read: Callable[[], Any], otherwise: Any) -> Any:
    """The result of ``read``; cameras and editors break EXIF in many ways, and photos can do without it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception:
        return otherwise


def _positive(value: Any) -> float | None:
    """An EXIF number, if it is one and is known: 0 stands for unknown."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
