"""Squares around hands: where they lie, and how their pixels and the photo's belong together.

A square is a row (centre x, centre y, side, rotation) in pixels of the photo and radians; arrays of squares
are (N, 4). Pixel i of a photo covers [i, i + 1). The networks count differently in their own pictures: i is
the middle of pixel i there, and a square reaches from 0 to the picture's side. (The published solution counts
so in photos too, so its keypoints are half a pixel less than these.) A rotation turns x towards y, clockwise
on the screen: a square's own up, (0, -1), is the photo's (sin, -cos).
"""

from __future__ import annotations

import numpy as np

from s2hand.skeleton import FINGER_BASES, FINGERS, WRIST

PALM_WRIST, PALM_MIDDLE_BASE = 0, 2
"""Which of the palm detector's seven points are the wrist and the middle finger's base."""

PALM_SCALE, PALM_SHIFT = 2.6, -0.5
"""A palm's square in longer sides of its box; its centre's shift along the square's y in heights of the box.
These and the two below are the published graphs' values."""

TRACKED_SCALE, TRACKED_SHIFT = 2.0, -0.1
"""The same for the next frame's square, from the box of the last frame's landmarks."""

STEADY_JOINTS = tuple(
    sorted((WRIST, *FINGERS["thumb"][:3], *(joint for base in FINGER_BASES for joint in (base, base + 1))))
)
"""Joints that say where a hand is whatever its fingertips do (the published graph's choice)."""

INDEX_BASE, MIDDLE_BASE, RING_BASE = (FINGERS[name][0] for name in ("index", "middle", "ring"))


def squares_of_palms(palms: np.ndarray) -> np.ndarray:
    """The square around the hand of each palm.

    Args:
        palms: (N, 18) px: box centre x, y, width, height, then x, y of seven points.

    Returns:
        (N, 4) squares.
    """
    points = palms[:, 4:].reshape(-1, 7, 2)
    rotation = upright_rotation(points[:, PALM_WRIST], points[:, PALM_MIDDLE_BASE])
    shift = PALM_SHIFT * palms[:, 3, None] * _down(rotation)
    side = PALM_SCALE * palms[:, 2:4].max(axis=1)
    return np.column_stack([palms[:, :2] + shift, side, rotation])


def squares_of_landmarks(keypoints: np.ndarray) -> np.ndarray:
    """The square in which to look for each hand in a video's next frame.

    Args:
        keypoints: (N, 21, 2) px of the last frame.

    Returns:
        (N, 4) squares.
    """
    fingers = (keypoints[:, INDEX_BASE] + keypoints[:, RING_BASE]) / 2
    rotation = upright_rotation(keypoints[:, WRIST], (fingers + keypoints[:, MIDDLE_BASE]) / 2)
    local = rotate(keypoints[:, STEADY_JOINTS], -rotation)
    low, high = local.min(axis=1), local.max(axis=1)
    centre = rotate((low + high)[:, None] / 2, rotation)[:, 0]
    extent = high - low
    centre = centre + TRACKED_SHIFT * extent[:, 1, None] * _down(rotation)
    return np.column_stack([centre, TRACKED_SCALE * extent.max(axis=1), rotation])


def upright_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation of squares whose up is the way from one point to another.

    Args:
        start: (N, 2).
        end: (N, 2).

    Returns:
        (N,) radians in [-pi, pi).
    """
    way = end - start
    rotation = np.pi / 2 - np.arctan2(-way[:, 1], way[:, 0])
    return (rotation + np.pi) % (2 * np.pi) - np.pi


def rotate(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Turns the x and y of points.

    Args:
        points: (N, J, 2), or (N, J, 3), whose z stays.
        rotation: (N,) radians.
    """
    cosine, sine = np.cos(rotation)[:, None], np.sin(rotation)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, *np.moveaxis(points[..., 2:], -1, 0)], -1)


def square_of_photo(width: int, height: int) -> np.ndarray:
    """(1, 4) the square around a whole photo, of that many pixels, in which palms are looked for."""
    return np.array([[(width + 1) / 2, (height + 1) / 2, max(width, height), 0.0]])


def photo_from_square(squares: np.ndarray, size: int) -> np.ndarray:
    """The maps from a square's picture to the photo.

    Args:
        squares: (N, 4).
        size: side of the picture in pixels.

    Returns:
        (N, 2, 3) affine maps from the networks' coordinates to the photo's.
    """
    scale = squares[:, 2] / size
    cosine, sine = scale * np.cos(squares[:, 3]), scale * np.sin(squares[:, 3])
    linear = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    offset = squares[:, :2] - linear.sum(axis=2) * size / 2
    return np.concatenate([linear, offset[..., None]], axis=2)


def transform(points: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Affine maps of points: (N, J, 2) by (N, 2, 3) to (N, J, 2)."""
    return points @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2]


def _down(rotation: np.ndarray) -> np.ndarray:
    """(N, 2) the squares' own y axis in the photo."""
    return np.stack([-np.sin(rotation), np.cos(rotation)], axis=1)
