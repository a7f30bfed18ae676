"""Left and right: mirroring images, their points and their cameras.

The network and the hand model are of a right hand. A left one is seen in a mirror: the image's columns run
backwards, ``x' = W - x`` (pixel i covers [i, i + 1)), the camera frame's X changes its sign, and projecting
a mirrored point with the mirrored camera gives the mirrored pixel. Every function is its own inverse, takes
NumPy arrays and tensors alike, and leaves its argument as it is.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def mirror_keypoints(points: Array, width: float | Array) -> Array:
    """Where points of an image lie in its mirror image.

    Args:
        points: (..., 2) px.
        width: the image's width in pixels; a number, or an array that broadcasts to ``points[..., 0]``.

    Returns:
        (..., 2) px.
    """
    mirrored = _copy(points)
    mirrored[..., 0] = width - points[..., 0]
    return mirrored


def mirror_camera(K: Array, width: float | Array) -> Array:
    """The camera of the mirror image: ``M K F``, with M the mirror of pixels and F that of the camera frame.

    Args:
        K: (..., 3, 3) px.
        width: the image's width in pixels; a number, or an array that broadcasts to ``K[..., 0, 2]``.

    Returns:
        (..., 3, 3) px: the focal lengths stay, the principal point is mirrored, a skew changes its sign.
    """
    mirrored = _copy(K)
    mirrored[..., 0, 1] = -K[..., 0, 1]
    mirrored[..., 0, 2] = width - K[..., 0, 2]
    return mirrored


def mirror_points(points: Array) -> Array:
    """Mirrors points in the plane X = 0 of the camera frame.

    Args:
        points: (..., 3) metres.

    Returns:
        (..., 3) metres.
    """
    mirrored = _copy(points)
    mirrored[..., 0] = -points[..., 0]
    return mirrored


def mirror_faces(faces: Array) -> Array:
    """The faces of a mirrored mesh: the winding is turned round, so that normals point outwards again.

    Args:
        faces: (F, 3) vertex numbers.

    Returns:
        (F, 3); corner 0 stays the first.
    """
    return faces[..., [0, 2, 1]]


def _copy(array: Array) -> Array:
    return array.clone() if isinstance(array, Tensor) else np.array(array)
