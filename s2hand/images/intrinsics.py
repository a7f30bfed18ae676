"""The camera of a photo: the best source of what is known.

In order: the photo's own K, the K or focal length stated for all photos, the focal length in EXIF, and a
default. Unless a K is known, the principal point is the photo's centre and pixels are square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.errors import DatasetError
from s2hand.images.photos import PhotoHeader
from s2hand.images.plausible import LARGEST_FOCAL_PX, check_cameras

DEFAULT_FOCAL_OVER_LONGER_SIDE = 27 / 36
"""A phone's main camera: 27 mm on a film of 36 x 24 mm, an angle of view of 67 degrees. A wrong focal length
mostly moves the hand nearer or farther; its shape and pose change little."""

SOURCES = ("detections file", "config", "EXIF", "default")
"""Where a camera can come from, best first."""


@dataclass(frozen=True)
class StatedCamera:
    """What is stated for every photo of a folder: a focal length, a K, or neither.

    Attributes:
        focal_px: focal length in pixels.
        K: (3, 3) px, for photos of one size.
    """

    focal_px: float | None = None
    K: np.ndarray | None = None

    def __post_init__(self):
        if self.focal_px is not None and self.K is not None:
            raise DatasetError("both a focal length and a K are stated: keep one of them")
        if self.focal_px is not None and not 0 < self.focal_px < np.inf:
            raise DatasetError(
                f"the stated focal length must be positive and finite, got {self.focal_px:g} px"
            )
        if self.K is not None:
            check_camera(np.asarray(self.K, np.float64), what="the stated K")
        largest = self.focal_px or (0 if self.K is None else max(self.K[0][0], self.K[1][1]))
        if largest > LARGEST_FOCAL_PX:
            raise DatasetError(f"the stated focal length of {largest:g} px is no camera's: give it in pixels")


def choose_camera(
    header: PhotoHeader, own: np.ndarray | None = None, stated: StatedCamera | None = None
) -> tuple[np.ndarray, str]:
    """Chooses the camera of a photo.

    Args:
        header: the photo's header.
        own: (3, 3) px, the photo's own K; None if it has none.
        stated: what holds for all photos.

    Returns:
        K (3, 3) float64 px of the upright photo, and which of ``SOURCES`` it is from.

    Raises:
        DatasetError: the K or the focal length is not a camera's, or not in pixels of such a photo.
    """
    stated = stated or StatedCamera()
    if own is not None:
        own = np.asarray(own, np.float64)
        check_camera(own, what="the photo's K")
        return _possible(own, header, "the photo's K"), "detections file"
    if stated.K is not None:
        return _possible(np.asarray(stated.K, np.float64), header, "the stated K"), "config"
    if stated.focal_px is not None:
        K = centred_camera(stated.focal_px, header)
        return _possible(K, header, "the stated focal length"), "config"
    if header.focal_px is not None:
        return centred_camera(header.focal_px, header), "EXIF"
    return centred_camera(
        DEFAULT_FOCAL_OVER_LONGER_SIDE * max(header.width, header.height), header
    ), "default"


def _possible(K: np.ndarray, header: PhotoHeader, what: str) -> np.ndarray:
    """K, if it can be the camera of a photo of this size; nothing is checked where the size is not known."""
    if header.width:
        check_cameras(K[None], np.array([[header.width, header.height]]), lambda row: what)
    return K


def centred_camera(focal_px: float, header: PhotoHeader) -> np.ndarray:
    """The camera with square pixels that looks at the photo's centre, (3, 3) float64 px."""
    return np.array([[focal_px, 0, header.width / 2], [0, focal_px, header.height / 2], [0, 0, 1]])


def check_camera(K: np.ndarray, *, what: str) -> None:
    """Refuses anything that is not a camera matrix.

    Args:
        K: any array.
        what: its name in the message.

    Raises:
        DatasetError: K is not 3 x 3 finite numbers with positive focal lengths and the last row 0, 0, 1.
    """
    shaped = K.shape == (3, 3) and np.isfinite(K).all()
    if not (shaped and K[0, 0] > 0 and K[1, 1] > 0 and K[1, 0] == 0 and (K[2] == (0, 0, 1)).all()):
        raise DatasetError(
            f"{what} must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] px with fx, fy > 0, got {K.tolist()}"
        )
