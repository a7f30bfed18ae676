"""How a square of a picture is seen: one rule for samples of datasets and for prediction.

Pictures that were cut out before they came here are cut plainly, with the camera that they came with. In
anyone's photo a camera looks at the square (:mod:`s2hand.images.virtual_camera`). Left hands are shown in a
mirror: from the mirror image of the picture the same square is seen as of the right hand that is in it, so
that a mirrored picture of the other hand gives the same view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from s2hand.geometry.mirror import mirror_camera, mirror_keypoints, mirror_points
from s2hand.images.transforms import (
    crop_transform,
    rotate_camera,
    rotation_about_z,
    rotation_transform,
    transform_points,
    warp_image,
)
from s2hand.images.virtual_camera import look_at_square, warp_by_homography


@dataclass(frozen=True)
class SquareView:
    """A right hand in a square, and the way there from the picture.

    Attributes:
        image_size: S, side of the view in pixels.
        K: (3, 3) px of the view.
        homography: (3, 3) from homogeneous pixels of the (mirrored) picture to those of the view.
        rotation: (3, 3) from the camera frame of the (mirrored) picture to the view's.
        scale: pixels of the view per pixel of the picture, about the middle, where a camera looks at it; None
            for a plain crop, whose homography is affine.
        mirrored: whether the view is of the picture's mirror image.
        width: of the picture in pixels.
    """

    image_size: int
    K: np.ndarray
    homography: np.ndarray
    rotation: np.ndarray
    scale: float | None
    mirrored: bool
    width: float

    def turned(self, angle_rad: float) -> SquareView:
        """The view turned in its plane, x towards y; exact if fx = fy, see :func:`rotate_camera`."""
        turn = rotation_transform(angle_rad, self.image_size)
        return replace(
            self,
            K=rotate_camera(self.K, turn),
            homography=turn @ self.homography,
            rotation=rotation_about_z(angle_rad) @ self.rotation,
        )

    def image(self, picture: np.ndarray, shrunk: int = 1) -> np.ndarray:
        """What is seen of a picture.

        Args:
            picture: (H, W) or (H, W, 3), uint8 or float32.
            shrunk: how many times smaller than the picture that the view is of it is.

        Returns:
            (S, S) or (S, S, 3) of the same dtype.
        """
        if self.mirrored:
            picture = cv2.flip(picture, 1)
        homography = self.homography @ np.diag([shrunk, shrunk, 1])
        if self.scale is None:
            return warp_image(picture, homography, self.image_size)
        return warp_by_homography(picture, homography, self.image_size, self.scale * shrunk)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points (..., 2) px of the picture are seen; (..., 2) px of the view."""
        if self.mirrored:
            points = mirror_keypoints(points, self.width)
        return transform_points(self.homography, points)

    def picture_pixels(self, points: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`pixels`."""
        points = transform_points(np.linalg.inv(self.homography), points)
        return mirror_keypoints(points, self.width) if self.mirrored else points

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) metres of the picture's camera frame in the view's; left hands get right ones."""
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
    """The view of a square.

    Args:
        square: left, top, side in pixels of the picture; it may reach over the border.
        K: (3, 3) px of the picture.
        width: of the picture in pixels.
        image_size: S, side of the view in pixels.
        look_at: turn a camera to the square; else the square is cut out and K with it.
        mirrored: show the picture's mirror image.
    """
    left, top, side = square
    if mirrored:
        K, left = mirror_camera(K, width), width - left - side
    if look_at:
        camera = look_at_square((left, top, side), K, image_size)
        K, homography, rotation, scale = camera.K, camera.homography, camera.rotation, camera.scale
    else:
        homography = crop_transform((left, top), side, image_size)
        K, rotation, scale = homography @ K, np.eye(3), None
    return SquareView(image_size, K, homography, rotation, scale, mirrored, width)
