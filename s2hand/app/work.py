"""A photo at hand: what was found in it, what was changed, and what is drawn of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from s2hand.app.editing import HandEdit
from s2hand.images.photos import PhotoHeader
from s2hand.pages.hands import hand_labels
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.visualize import Overlay, hand_window
from s2hand.visualize.pixels import enlarge

PREVIEW_PX = 1280
"""Longest side of the picture that is shown and drawn upon; numbers stay in the photo's own pixels."""

BOX_COLORS = ((0, 158, 115), (213, 94, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66))
"""RGB of the boxes, hand by hand (Okabe and Ito, 2008)."""

BOX_MARGIN = 0.1
"""Keypoints lie inside of the fingers: their box grows by this part of its longer side."""

OUTLINE_COLOR = (18, 20, 26)


@dataclass
class PhotoWork:
    """A photo and everything about it; belongs to one page.

    Attributes:
        name: the photo's.
        path: its file in the page's folder.
        header: its size and focal length.
        preview: (h, w, 3) uint8, at most ``PREVIEW_PX`` on a side.
        views: its hands; their photos are blank, to save memory, see :meth:`seen`.
        hands: as reconstructed; None if there are none.
        edits: one for each hand.
        refined: whether they were fitted to their keypoints.
        corner: px of the photo, where a box was begun; None otherwise.
        lock: held while views, hands and edits change together.
    """

    name: str
    path: Path
    header: PhotoHeader
    preview: np.ndarray
    views: list[HandView] = field(default_factory=list)
    hands: Reconstruction | None = None
    edits: list[HandEdit] = field(default_factory=list)
    refined: bool = False
    corner: tuple[float, float] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def scale(self) -> float:
        """Pixels of the preview for one of the photo."""
        return self.preview.shape[1] / self.header.width

    @property
    def labels(self) -> list[str]:
        """What the hands are called: "Right hand", "Left hand 2"."""
        return [] if self.hands is None else hand_labels(self.hands.hands)

    def seen(self, photo: np.ndarray) -> list[HandView]:
        """The views with the photo's pixels (H, W, 3) in them."""
        return [replace(view, photo=photo) for view in self.views]

    def box(self, index: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of the box about a hand's keypoints, px of the photo."""
        low, high = (limit(self.views[index].keypoints, axis=0) for limit in (np.min, np.max))
        margin = BOX_MARGIN * (high - low).max()
        size = self.header.width, self.header.height
        low, high = np.clip(low - margin, 0, size), np.clip(high + margin, 0, size)
        return *low.tolist(), *(high - low).tolist()


def shrunk(photo: np.ndarray) -> np.ndarray:
    """The photo as it is shown."""
    return enlarge(photo, min(1.0, PREVIEW_PX / max(photo.shape[:2])))


def blank(views: Sequence[HandView]) -> list[HandView]:
    """The views without the photo's pixels: black, of the same size, and without memory of their own."""
    return [replace(view, photo=np.broadcast_to(np.uint8(0), view.photo.shape)) for view in views]


def drawn(
    work: PhotoWork, hands: Reconstruction | None, *, clay: bool = False, skeleton: bool = False
) -> np.ndarray:
    """The hands over the preview, the nearest one last.

    Args:
        work: the photo.
        hands: as they are to be drawn; None: none.
        clay: without texture and light.
        skeleton: with joints and bones.

    Returns:
        (h, w, 3) uint8.
    """
    overlay = Overlay.of_photo(work.preview)
    if hands is None:
        return overlay.image
    for index in hands.vertices[..., 2].mean(1).argsort(descending=True).tolist():
        look = (None, None) if clay else (hands.face_textures[index], hands.light[index])
        K = scaled_camera(hands.K[index], work.scale)
        overlay = overlay.with_hand(hands.vertices[index], hands.faces(index), K, *look)
        window = hand_window(hands.vertices[index], K, work.preview.shape[:2])
        if skeleton and window is not None:
            overlay = overlay.with_skeleton(hands.keypoints_2d[index] * work.scale, window)
    return overlay.image


def with_boxes(image: np.ndarray, work: PhotoWork, chosen: int) -> np.ndarray:
    """The preview with the hands' boxes, the chosen one stronger, and the corner where one was begun."""
    image = image.copy()
    width = max(2, round(max(image.shape[:2]) / 400))
    for index in range(len(work.views)):
        left, top, across, down = (round(value * work.scale) for value in work.box(index))
        strength = width if index == chosen else max(1, width // 2)
        for color, extra in ((OUTLINE_COLOR, 2), (BOX_COLORS[index % len(BOX_COLORS)], 0)):
            corners = (left, top), (left + across, top + down)
            cv2.rectangle(image, *corners, color, strength + extra, cv2.LINE_AA)
    if work.corner is not None:
        place = tuple(round(value * work.scale) for value in work.corner)
        cv2.drawMarker(image, place, OUTLINE_COLOR, cv2.MARKER_CROSS, 14 * width, width + 2)
        cv2.drawMarker(image, place, (255, 255, 255), cv2.MARKER_CROSS, 14 * width, width)
    return image


def scaled_camera(K: Tensor, scale: float) -> Tensor:
    """K (3, 3) in pixels of a picture that is ``scale`` times as large; pixel i covers [i, i + 1)."""
    return K * K.new_tensor([[scale], [scale], [1.0]])
