"""How the square about a hand is seen: one rule for the samples of datasets and for prediction.

Images that were cut out beforehand are cropped plainly, with the camera that they came with. In anyone's own
photo, a virtual camera looks straight at the square. A network that is shown a square alone cannot know where
in the photo it was cut, and so where before the camera the hand is; it learned from images whose optical axis
goes through their middle. The virtual camera stands where the photo's camera stands and is turned towards the
square (perspective crop; Yu et al., CVPR 2021, argue for the same). What it sees follows from the photo by a
homography, whatever the scene, and what is found in its frame can be turned back exactly.

Left hands are shown in a mirror: in the mirror image of the photo, the same square shows a right hand, so
that a mirrored photo of the other hand gives the same view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from s2hand.geometry.mirror import mirror_camera, mirror_keypoints, mirror_points
from s2hand.images.transforms import (
    crop_transform,
    halved,
    rotate_camera,
    rotation_about_z,
    rotation_transform,
    transform_points,
    warp_image,
)
from s2hand.skeleton import FINGER_BASES, WRIST


@dataclass(frozen=True)
class SquareView:
    """A right hand in a square, and the way between the square and the image that it is a part of.

    Attributes:
        image_size: S, side of the view in pixels.
        K: (3, 3) px of the view.
        homography: (3, 3) from homogeneous pixels of the (mirrored) image to those of the view.
        rotation: (3, 3) from the camera frame of the (mirrored) image to the view's.
        scale: pixels of the view per pixel of the image, about the middle, if a virtual camera looks at the
            square; None for a plain crop, whose homography is affine.
        mirrored: whether the view is of the image's mirror image.
        width: width of the image in pixels.
    """

    image_size: int
    K: np.ndarray
    homography: np.ndarray
    rotation: np.ndarray
    scale: float | None
    mirrored: bool
    width: float

    def upright_angle(self, keypoints: np.ndarray, confidence: np.ndarray) -> float:
        """The angle to turn the view by, so that the hand's fingers point up.

        Args:
            keypoints: (21, 2) px of the image.
            confidence: (21,); a joint of confidence 0 was not found.

        Returns:
            Radians for :meth:`turned`; 0 where the wrist or all finger bases were missed.
        """
        bases = [base for base in FINGER_BASES if confidence[base] > 0]
        if not (bases and confidence[WRIST] > 0):
            return 0.0
        seen = self.pixels(keypoints[[WRIST, *bases]])
        x, y = seen[1:].mean(0) - seen[0]
        return float(-np.pi / 2 - np.arctan2(y, x))

    def turned(self, angle_rad: float) -> SquareView:
        """The view turned in its plane, x towards y; exact if fx = fy, see :func:`rotate_camera`."""
        turn = rotation_transform(angle_rad, self.image_size)
        return replace(
            self,
            K=rotate_camera(self.K, turn),
            homography=turn @ self.homography,
            rotation=rotation_about_z(angle_rad) @ self.rotation,
        )

    def image(self, source: np.ndarray, shrunk: int = 1) -> np.ndarray:
        """Draws what is seen of an image.

        Args:
            source: (H, W) or (H, W, 3), uint8 or float32.
            shrunk: how many times smaller ``source`` is than the image that the view was made for.

        Returns:
            (S, S) or (S, S, 3) of the same dtype.
        """
        if self.mirrored:
            source = cv2.flip(source, 1)
        homography = self.homography @ np.diag([shrunk, shrunk, 1])
        if self.scale is None:
            return warp_image(source, homography, self.image_size)
        return warp_by_homography(source, homography, self.image_size, self.scale * shrunk)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points (..., 2) px of the image are seen: (..., 2) px of the view."""
        if self.mirrored:
            points = mirror_keypoints(points, self.width)
        return transform_points(self.homography, points)

    def source_pixels(self, points: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`pixels`."""
        points = transform_points(np.linalg.inv(self.homography), points)
        return mirror_keypoints(points, self.width) if self.mirrored else points

    def points(self, points: np.ndarray) -> np.ndarray:
        """Takes points (..., 3) in metres from the image's camera frame to the view's; mirrors left hands."""
        if self.mirrored:
            points = mirror_points(points)
        return points @ np.ascontiguousarray(self.rotation.T)


def view_square(
    square: tuple[float, float, float],
    K: np.ndarray,
    width: float,
    image_size: int,
    *,
    look_at: bool,
    mirrored: bool = False,
) -> SquareView:
    """Makes the view of a square.

    Args:
        square: left, top and side in pixels of the image; it may reach over the border.
        K: (3, 3) px of the image.
        width: width of the image in pixels.
        image_size: S, side of the view in pixels.
        look_at: turn a virtual camera to the square; otherwise the square is cut out, and K with it.
        mirrored: show the image's mirror image.
    """
    left, top, side = square
    if mirrored:
        K, left = mirror_camera(K, width), width - left - side
    if look_at:
        K, rotation, homography = look_at_square((left, top, side), K, image_size)
        return SquareView(image_size, K, homography, rotation, image_size / side, mirrored, width)
    homography = crop_transform((left, top), side, image_size)
    return SquareView(image_size, homography @ K, homography, np.eye(3), None, mirrored, width)


def look_at_square(
    square: tuple[float, float, float], K: np.ndarray, image_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turns a virtual camera to a square of a photo.

    Away from the optical axis, a photo stretches things outwards. The virtual camera undoes this: its image
    shows the square and, in that case, a little more.

    Args:
        square: left, top and side in pixels of the photo.
        K: (3, 3) px of the photo.
        image_size: S, side of the virtual camera's image in pixels.

    Returns:
        The virtual camera's K (3, 3) in pixels, with the principal point in the middle; and the rotation and
        the homography, both (3, 3), that take the photo's camera frame and pixels to its own.
    """
    left, top, side = square
    middle = np.linalg.solve(K, [left + side / 2, top + side / 2, 1.0])
    distance = np.linalg.norm(middle)
    rotation = turn_to_axis(middle / distance)
    focal = np.sqrt(K[0, 0] * K[1, 1]) * distance * image_size / side
    K_virtual = np.array([[focal, 0, image_size / 2], [0, focal, image_size / 2], [0, 0, 1]])
    return K_virtual, rotation, K_virtual @ rotation @ np.linalg.inv(K)


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
    """Resamples an image bilinearly; what lies outside of it becomes black.

    Args:
        image: (H, W) or (H, W, 3), uint8 or float32.
        homography: (3, 3) from its pixels to the result's; pixel i covers [i, i + 1).
        image_size: S, side of the result in pixels.
        scale: pixels of the result per pixel of the image, about the result's middle.

    Returns:
        (S, S) or (S, S, 3) of the same dtype.
    """
    image, homography = halved(image, homography, scale)
    to_corners = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from the centres of pixels
    centred = np.linalg.inv(to_corners) @ homography @ to_corners
    return cv2.warpPerspective(image, centred, (image_size, image_size), flags=cv2.INTER_LINEAR)
