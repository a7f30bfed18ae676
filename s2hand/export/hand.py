"""One predicted hand with all that its files state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAMERA_FRAME = "camera: x right, y down, z forward"
GLTF_FRAME = "glTF: x right, y up, z backward; (x, y, z) of the camera frame is (x, -y, -z) here"

GLTF_FLIP = np.array((1.0, -1.0, -1.0))

BARE_COLOR = (0.78, 0.72, 0.68)
"""sRGB of a hand without a texture."""


@dataclass(frozen=True)
class ExportedHand:
    """A hand before the camera of its photo.

    Attributes:
        image: the photo's name.
        image_size: (width, height) px.
        hand: "left" or "right".
        K: (3, 3) camera matrix in pixels of the upright photo.
        focal_source: where its focal length comes from.
        looked_at: what the network was shown: the square about a "box", about "keypoints", "whole picture".
        vertices: (V, 3) metres, camera frame.
        joints: (21, 3) metres, camera frame, FreiHAND order.
        keypoints_2d: (21, 2) px, ``joints`` projected with K.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside, for left hands too.
        parameters: hand_pose (num_pca,), pose_axis_angle (16, 3), betas (10,), rotation (3,), translation
            (3,) metres and scale (), of the **right-hand** model: a left hand is its mirror image, x to -x.
        face_colors: (F, 3) albedo, sRGB in [0, 1], or None.
        light: (11,) see :mod:`s2hand.rendering.lighting`, camera frame, or None.
        refined: whether it was fitted to keypoints.
    """

    image: str
    image_size: tuple[int, int]
    hand: str
    K: np.ndarray
    focal_source: str
    looked_at: str
    vertices: np.ndarray
    joints: np.ndarray
    keypoints_2d: np.ndarray
    faces: np.ndarray
    parameters: dict[str, np.ndarray]
    face_colors: np.ndarray | None = None
    light: np.ndarray | None = None
    refined: bool = False

    def colors(self) -> np.ndarray:
        """(F, 3) sRGB in [0, 1]: the albedo, or ``BARE_COLOR``."""
        if self.face_colors is None:
            return np.tile(BARE_COLOR, (len(self.faces), 1))
        return np.clip(self.face_colors, 0, 1)


def to_gltf_frame(points: np.ndarray) -> np.ndarray:
    """Camera-frame points (..., 3) in glTF's frame, or back: half a turn about x, so no mirroring."""
    return points * GLTF_FLIP
