"""One predicted hand, with everything that its files state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CAMERA_FRAME = "camera: x right, y down, z forward"
GLTF_FRAME = "glTF: x right, y up, z backward; (x, y, z) of the camera frame is (x, -y, -z) here"

GLTF_FLIP = np.array((1.0, -1.0, -1.0))

ATLAS_BLOCK_TEXELS = 4
"""Side of a face's block in an atlas: its centre is two texels from its neighbours, out of reach of any
filtering."""

BARE_COLOR = (0.78, 0.72, 0.68)
"""sRGB colour of a hand without a texture."""


@dataclass(frozen=True)
class HandSize:
    """How large a hand is taken to be; its distance follows, as a photo does not tell one from the other.

    Attributes:
        source: "hand_length" where the length was given, "prior" where it is a guess.
        length_mm: from the wrist along the middle finger to its tip.
        prior: what a guess expects of lengths: mean_mm, spread_mm and their source.
    """

    source: str
    length_mm: float
    prior: dict[str, float | str] | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Hand:
    """The hand in a photo, before the photo's camera.

    Attributes:
        image: the photo's name.
        image_size: (width, height) px.
        hand: "left" or "right".
        K: (3, 3) camera matrix in pixels of the upright photo.
        focal_source: where its focal length comes from.
        looked_at: what the network was shown: the square about a "box" or "keypoints", or the
            "whole picture".
        vertices: (V, 3) metres, camera frame.
        joints: (21, 3) metres, camera frame, FreiHAND order.
        keypoints_2d: (21, 2) px, ``joints`` projected with K.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside, for left hands too.
        parameters: hand_pose (num_pca,), pose_axis_angle (16, 3), betas (10,), rotation (3,), translation
            (3,) metres and scale (), of the **right-hand** model: a left hand is its mirror image, x to -x.
        face_colors: (F, 3) albedo, sRGB in [0, 1], or None.
        light: (11,) see :mod:`s2hand.rendering.lighting`, camera frame, or None.
        refined: whether it was fitted to keypoints.
        confidence: (21,) the probability that each of ``keypoints_2d`` lies within a tenth of the hand's size
            of where the joint is seen, or None.
        size: where its size comes from, or None.
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
    confidence: np.ndarray | None = None
    size: HandSize | None = None

    def __repr__(self) -> str:
        distance_m = float(self.vertices[:, 2].mean())
        return f"<Hand: {self.hand} in {self.image!r}, {distance_m:.2f} m away>"

    def colors(self) -> np.ndarray:
        """(F, 3) sRGB in [0, 1]: the albedo, or ``BARE_COLOR``."""
        return colors_or_bare(self.face_colors, len(self.faces))


def colors_or_bare(face_colors: np.ndarray | None, count: int) -> np.ndarray:
    """(F, 3) sRGB in [0, 1]: the albedo of F faces, ``BARE_COLOR`` where there is none."""
    return np.tile(BARE_COLOR, (count, 1)) if face_colors is None else np.clip(face_colors, 0, 1)


def to_gltf_frame(points: np.ndarray) -> np.ndarray:
    """Camera-frame points (..., 3) in glTF's frame, or back: half a turn about x, so no mirroring."""
    return points * GLTF_FLIP


def color_atlas(face_colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lays out one flat colour per face as a texture, which every viewer shows: a block for each face.

    Args:
        face_colors: (F, 3) in [0, 1].

    Returns:
        The texture (N, N, 3) uint8, face after face in rows of blocks, where N is a power of two, as old
        viewers need it. And (F, 2) texture coordinates in [0, 1], the middle of each face's block, u to the
        right and v **up** from the bottom row (as in .obj; glTF counts v down): one for all of its corners.
    """
    count = len(face_colors)
    side = 2 ** math.ceil(math.log2(math.ceil(math.sqrt(count)) * ATLAS_BLOCK_TEXELS))
    blocks = side // ATLAS_BLOCK_TEXELS
    colors = np.zeros((blocks * blocks, 3))
    colors[:count] = np.clip(face_colors, 0, 1)
    texels = np.rint(colors * 255).astype(np.uint8).reshape(blocks, blocks, 3)
    row, column = np.divmod(np.arange(count), blocks)
    uv = np.stack([(column + 0.5) / blocks, 1 - (row + 0.5) / blocks], -1)
    return texels.repeat(ATLAS_BLOCK_TEXELS, 0).repeat(ATLAS_BLOCK_TEXELS, 1), uv
