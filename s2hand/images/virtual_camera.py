"""A camera that looks straight at a hand, in place of one that sees it somewhere in a large photo.

A network that is shown a square alone cannot know where in the photo it was cut, and so where before the
camera the hand is. It learned from pictures whose optical axis goes through their middle. So the square is
seen through a virtual camera at the same place that is turned towards it (perspective crop; Yu et al., CVPR
2021, argue for the same). What it sees follows from the photo by a homography, whatever the scene, and what
is found before it is turned back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from s2hand.images.transforms import halved


@dataclass(frozen=True)
class VirtualCamera:
    """How a square of a photo is seen.

    Attributes:
        K: (3, 3) px of its picture; the principal point is the middle.
        rotation: (3, 3) from the photo's camera frame to this one's.
        homography: (3, 3) from homogeneous pixels of the photo to those of its picture.
        scale: pixels of its picture per pixel of the photo, about the middle.
    """

    K: np.ndarray
    rotation: np.ndarray
    homography: np.ndarray
    scale: float


def look_at_square(square: tuple[float, float, float], K: np.ndarray, image_size: int) -> VirtualCamera:
    """The virtual camera whose picture shows a square of a photo.

    Away from the photo's optical axis a photo stretches things outwards, which is undone: the picture shows
    the square and, there, a little more.

    Args:
        square: left, top, side in pixels of the photo.
        K: (3, 3) px of the photo.
        image_size: S, side of the virtual camera's picture in pixels.
    """
    left, top, side = square
    middle = np.linalg.solve(K, [left + side / 2, top + side / 2, 1.0])
    distance = np.linalg.norm(middle)
    rotation = turn_to_axis(middle / distance)
    focal = np.sqrt(K[0, 0] * K[1, 1]) * distance * image_size / side
    K_virtual = np.array([[focal, 0, image_size / 2], [0, focal, image_size / 2], [0, 0, 1]])
    return VirtualCamera(K_virtual, rotation, K_virtual @ rotation @ np.linalg.inv(K), image_size / side)


def turn_to_axis(direction: np.ndarray) -> np.ndarray:
    """The shortest rotation that takes a direction to the optical axis.

    Args:
        direction: (3,) of length 1, before the camera (z > 0).

    Returns:
        (3, 3).
    """
    x, y, z = direction
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])  # [direction x axis]x
    return np.eye(3) + cross + cross @ cross / (1 + z)


def warp_by_homography(
    image: np.ndarray, homography: np.ndarray, image_size: int, scale: float
) -> np.ndarray:
    """Resamples a picture bilinearly; what lies outside of it becomes black.

    Args:
        image: (H, W) or (H, W, 3), uint8 or float32.
        homography: (3, 3) from its pixels to the result's; pixel i covers [i, i + 1).
        image_size: S, side of the result in pixels.
        scale: pixels of the result per pixel of the picture, about the result's middle.

    Returns:
        (S, S) or (S, S, 3) of the same dtype.
    """
    image, homography = halved(image, homography, scale)
    to_corners = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from pixels' centres
    centred = np.linalg.inv(to_corners) @ homography @ to_corners
    return cv2.warpPerspective(image, centred, (image_size, image_size), flags=cv2.INTER_LINEAR)
