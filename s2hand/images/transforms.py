"""Crops, rotation and colour jitter, for image, camera, keypoints and joints alike.

An image transform is a (3, 3) matrix on homogeneous pixel coordinates, from the stored image to the
network's square input. Pixel ``i`` covers ``[i, i + 1)``; OpenCV puts pixel centres at integers, so
:func:`warp_image` shifts by half a pixel on the way in and out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601 weights of R, G, B in brightness."""

RGB_TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""NTSC colour axes: turning I and Q about Y changes the hue and keeps the brightness."""

YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)

SHRINK_FROM = 0.5
"""Below this scale an image is first halved by area, so that bilinear resampling passes over no pixel."""


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of training images. The default is the published one: any rotation, no colour change.

    Attributes:
        rotation_deg: rotation about the crop's centre is uniform in plus and minus this.
        brightness: the image is multiplied by 1 + U(-b, b).
        contrast: its difference from mid-grey is multiplied by 1 + U(-c, c).
        saturation: its difference from grey is multiplied by 1 + U(-s, s).
        hue_deg: its hue is turned by U(-h, h) degrees.
    """

    rotation_deg: float = 180.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_deg: float = 0.0

    def __post_init__(self):
        for name in ("rotation_deg", "brightness", "contrast", "saturation", "hue_deg"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"AugmentationConfig.{name} must be 0 or more, got {getattr(self, name)}")

    @property
    def changes_colour(self) -> bool:
        return max(self.brightness, self.contrast, self.saturation, self.hue_deg) > 0


def crop_transform(corner_px: tuple[float, float], side_px: float, image_size: int) -> np.ndarray:
    """The image transform that cuts a square and resizes it.

    Args:
        corner_px: left and top of the square in the stored image.
        side_px: its side.
        image_size: side of the result.

    Returns:
        (3, 3) float64.
    """
    scale = image_size / side_px
    return np.array([[scale, 0, -scale * corner_px[0]], [0, scale, -scale * corner_px[1]], [0, 0, 1]])


def rotation_transform(angle_rad: float, image_size: int) -> np.ndarray:
    """The image transform that turns the square about its centre, x towards y (clockwise on screen).

    Returns:
        (3, 3) float64.
    """
    cosine, sine, centre = math.cos(angle_rad), math.sin(angle_rad), image_size / 2
    shift_x, shift_y = centre * (1 - cosine + sine), centre * (1 - cosine - sine)
    return np.array([[cosine, -sine, shift_x], [sine, cosine, shift_y], [0, 0, 1]])


def transform_points(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies an image transform, or any homography, to points.

    Args:
        transform: (3, 3).
        points: (..., 2) px.

    Returns:
        (..., 2) px.
    """
    mapped = points @ transform[:2, :2].T + transform[:2, 2]
    return mapped / (points @ transform[2, :2] + transform[2, 2])[..., None]


def rotate_camera(K: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The camera of an image turned in its plane: the principal point turns, the focal lengths stay.

    With joints turned by :func:`rotation_about_z` their projections turn with the image, exactly if
    fx = fy; FreiHAND's differ by less than a per mille.

    Args:
        K: (3, 3) camera of the upright square.
        rotation: (3, 3) from :func:`rotation_transform`.

    Returns:
        (3, 3).
    """
    rotated = K.copy()
    rotated[:2, 2] = transform_points(rotation, K[None, :2, 2])[0]
    return rotated


def rotation_about_z(angle_rad: float) -> np.ndarray:
    """The rotation of the camera frame about the optical axis, x towards y.

    Returns:
        (3, 3) float64.
    """
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def warp_image(image: np.ndarray, transform: np.ndarray, image_size: int) -> np.ndarray:
    """Resamples an image; pixels outside of it become black, as published.

    Bilinear; an image shrunk to less than half its size is first halved by area, so that no pixel is
    passed over.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        transform: (3, 3) from stored pixels to the result's.
        image_size: side of the result.

    Returns:
        (S, S) or (S, S, 3) uint8.
    """
    if image.shape[:2] == (image_size, image_size) and np.array_equal(transform, np.eye(3)):
        return image
    image, transform = halved(image, transform, math.hypot(transform[0, 0], transform[1, 0]))
    centred = transform[:2].copy()
    centred[:, 2] += centred[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(image, centred, (image_size, image_size), flags=cv2.INTER_LINEAR)


def halved(image: np.ndarray, transform: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Halves an image by area as often as it will be shrunk to less than half its size.

    Args:
        image: (H, W) or (H, W, 3).
        transform: (3, 3) from its pixels to the result's, affine or not.
        scale: pixels of the result per pixel of the image.

    Returns:
        The image, and the transform from its pixels.
    """
    while scale < SHRINK_FROM and min(image.shape[:2]) > 1:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        transform = transform @ np.diag([image.shape[1] / width, image.shape[0] / height, 1.0])
        image, scale = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), 2 * scale
    return image, transform


def sample_colour_transform(augment: AugmentationConfig, random: np.random.Generator) -> np.ndarray:
    """Draws brightness, contrast, saturation and hue changes as one affine map of RGB.

    Returns:
        (3, 4) float64, for colours in [0, 255].
    """
    brightness, contrast, saturation = (
        1 + random.uniform(-amount, amount)
        for amount in (augment.brightness, augment.contrast, augment.saturation)
    )
    hue_rad = math.radians(random.uniform(-augment.hue_deg, augment.hue_deg))
    turn = np.eye(3)
    turn[1:, 1:] = [[math.cos(hue_rad), -math.sin(hue_rad)], [math.sin(hue_rad), math.cos(hue_rad)]]
    hue = YIQ_TO_RGB @ turn @ RGB_TO_YIQ
    grey = np.tile(LUMA, (3, 1))
    matrix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * grey) @ hue
    mid_grey = 127.5
    return np.column_stack([matrix, np.full(3, mid_grey * (1 - contrast))])


def apply_colour_transform(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Applies an affine map of RGB, clipping to [0, 255].

    Args:
        image: (H, W, 3) uint8.
        colour: (3, 4).

    Returns:
        (H, W, 3) uint8.
    """
    return cv2.transform(image, colour)
