"""Hands over whole photos, at the photo's own resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

from s2hand.geometry.cameras import MIN_DEPTH
from s2hand.visualize.draft import draft_clay
from s2hand.visualize.drawing import draw_keypoints
from s2hand.visualize.pixels import composite, to_array
from s2hand.visualize.views import render_view

LARGEST_RENDERING_PX = 1024
"""Largest side of a rendering where none is stated. A texture of one colour per face shows no more at a
higher resolution, while time and memory grow with its square."""

FREE_BORDER_PX = 2

SKELETON_BORDER = 8
"""A skeleton may reach beyond its hand's window by this part of the window's side."""


@dataclass(frozen=True)
class Overlay:
    """A photo with hands over it.

    Attributes:
        image: (H, W, 3) uint8.
        silhouette: (H, W) coverage by hands in [0, 1].
    """

    image: np.ndarray
    silhouette: np.ndarray

    @classmethod
    def of_photo(cls, photo: np.ndarray) -> Overlay:
        """The photo (H, W, 3) uint8 without hands."""
        return cls(photo.copy(), np.zeros(photo.shape[:2]))

    def with_hand(
        self,
        vertices: Tensor,
        faces: Tensor,
        K: Tensor,
        face_textures: Tensor | None = None,
        light: Tensor | None = None,
        largest_px: int = LARGEST_RENDERING_PX,
        draft: bool = False,
    ) -> Overlay:
        """Draws a hand over the image: textured and lit, or as clay without a texture.

        Args:
            vertices: (V, 3) metres, camera frame.
            faces: (F, 3) vertex numbers.
            K: (3, 3) px of the photo.
            face_textures: (F, 3) RGB before tanh and light, or None.
            light: (11,) or None.
            largest_px: a hand that is larger is rendered with this side and enlarged.
            draft: whether a hand without a texture is drawn fast instead of fine.
        """
        window = hand_window(vertices, K, self.silhouette.shape)
        if window is None:
            return self
        left, top, side = window
        size = min(side, largest_px)
        camera = window_camera(K, window, size)
        if draft and face_textures is None:
            drawn = draft_clay(vertices, faces, camera, size)
        else:
            view = render_view(vertices, faces, camera, size, face_textures, light)
            drawn = view.smooth, view.silhouette
        rgb, silhouette = (
            cv2.resize(values, (side, side), interpolation=cv2.INTER_LINEAR) if side != size else values
            for values in drawn
        )
        rows, columns = self._inside(left, top, side)
        seen = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        image, covered = self.image.copy(), self.silhouette.copy()
        image[rows, columns] = composite(image[rows, columns], rgb[seen], silhouette[seen])
        covered[rows, columns] = np.maximum(covered[rows, columns], silhouette[seen])
        return Overlay(image, covered)

    def with_skeleton(self, keypoints: Tensor | np.ndarray, window: tuple[int, int, int]) -> Overlay:
        """Draws the joints and bones of a hand, with a thickness that suits its size.

        Args:
            keypoints: (21, 2) px of the photo.
            window: left, top and side of the hand, from :func:`hand_window`.
        """
        left, top, side = window
        border = side // SKELETON_BORDER  # joints at the hand's edge are drawn as whole discs
        rows, columns = self._inside(left - border, top - border, side + 2 * border)
        keypoints = to_array(keypoints) - (columns.start, rows.start)
        image = self.image.copy()
        image[rows, columns] = draw_keypoints(image[rows, columns], keypoints)
        return Overlay(image, self.silhouette)

    def _inside(self, left: int, top: int, side: int) -> tuple[slice, slice]:
        """Rows and columns of the photo that a window covers."""
        height, width = self.silhouette.shape
        return slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))


def hand_window(vertices: Tensor, K: Tensor, shape: tuple[int, int]) -> tuple[int, int, int] | None:
    """The square that contains the visible part of a hand in a photo.

    Args:
        vertices: (V, 3) metres, camera frame.
        K: (3, 3) px of the photo.
        shape: the photo's height and width.

    Returns:
        Left, top and side in whole pixels; None if the hand is not in the photo. The square may extend beyond
        the photo.
    """
    before = vertices[vertices[:, 2] > MIN_DEPTH]
    if not len(before):
        return None
    projected = before @ K.T
    pixels = to_array(projected[:, :2] / projected[:, 2:])
    height, width = shape
    low = np.clip(np.floor(pixels.min(0)) - FREE_BORDER_PX, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(pixels.max(0)) + FREE_BORDER_PX, 0, (width, height)).astype(int)
    if (high <= low).any():
        return None
    side = int((high - low).max())
    left, top = (low + high - side) // 2
    return int(left), int(top), side


def window_camera(K: Tensor, window: tuple[int, int, int], size: int) -> Tensor:
    """The camera (3, 3) of the photo in pixels of a window that is scaled to ``size`` x ``size``."""
    left, top, side = window
    scale = size / side
    to_window = K.new_tensor([[scale, 0, -scale * left], [0, scale, -scale * top], [0, 0, 1]])
    return to_window @ K
