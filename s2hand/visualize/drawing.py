"""Keypoints drawn over images."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from s2hand.skeleton import BONES, FINGERS, NUM_JOINTS, WRIST
from s2hand.visualize.pixels import enlarge, to_array, to_image

FINGER_COLORS = {
    "thumb": (213, 94, 0),
    "index": (240, 228, 66),
    "middle": (0, 158, 115),
    "ring": (86, 180, 233),
    "little": (204, 121, 167),
}
"""One hue per finger, distinct for every common colour blindness (Okabe and Ito, 2008)."""

WRIST_COLOR = (255, 255, 255)
OUTLINE_COLOR = (18, 20, 26)

JOINT_COLORS = {joint: FINGER_COLORS[finger] for finger, chain in FINGERS.items() for joint in chain} | {
    WRIST: WRIST_COLOR
}

LINE_WIDTH = 1 / 90
"""Width of a bone as a fraction of the image's side; joints and outlines follow from it."""

OUTLINE = 0.4
"""Width of an outline as a fraction of the bone's."""

FULL_CONFIDENCE = 0.8
FAINTEST_OPACITY = 0.2
"""Opacity falls from 1 at ``FULL_CONFIDENCE`` to this just above confidence 0 (at 0 nothing is drawn)."""

SUBPIXEL_BITS = 6
SUBPIXELS = 2**SUBPIXEL_BITS
"""OpenCV draws to fractions of a pixel: coordinates are whole numbers of these."""

KEPT_SIZES = 2
"""So many widths and heights of the image remain of a line on either side of where it is nearest."""

TINY = 1e-9
"""Keeps a quotient finite where a line has no length."""

FARTHEST_PX = 1e9
"""Coordinates are cut to this distance: far outside of every image, and well inside of the integers."""


def draw_keypoints(
    image: ArrayLike | Tensor,
    keypoints: ArrayLike | Tensor,
    confidence: ArrayLike | Tensor | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Draws a hand's skeleton, one hue per finger, anti-aliased and outlined.

    Neither a missed joint nor its bones are drawn: one with confidence 0, at exactly (0, 0), or not finite. A
    joint of less confidence is fainter, and a bone takes the lower confidence of its two joints.

    Args:
        image: (H, W, 3) uint8 or anything :func:`~s2hand.visualize.pixels.to_image` takes.
        keypoints: (21, 2) px of ``image``.
        confidence: (21,) in [0, 1]; None stands for certainty.
        scale: factor by which the image is enlarged before drawing, so that small images get fine lines.

    Returns:
        (scale * H, scale * W, 3) uint8.

    Raises:
        ValueError: the keypoints are not (21, 2) or the confidences not 21.
    """
    keypoints = to_array(keypoints)
    if keypoints.shape != (NUM_JOINTS, 2):
        raise ValueError(f"expected keypoints ({NUM_JOINTS}, 2), got {keypoints.shape}: pick one sample")
    confidence = np.ones(NUM_JOINTS) if confidence is None else to_array(confidence).reshape(-1)
    if confidence.shape != (NUM_JOINTS,):
        raise ValueError(f"expected {NUM_JOINTS} confidences, got {confidence.size}")
    image = enlarge(to_image(image), scale)
    drawn = np.isfinite(keypoints).all(-1) & (keypoints != 0).any(-1) & (confidence > 0)
    fading = np.clip(confidence / FULL_CONFIDENCE, 0, 1)
    opacity = np.where(drawn, FAINTEST_OPACITY + (1 - FAINTEST_OPACITY) * fading, 0)
    points = np.where(drawn[:, None], np.clip(keypoints, -FARTHEST_PX, FARTHEST_PX), 0) * scale - 0.5
    size = np.array(image.shape[1::-1])
    width = max(image.shape[:2]) * LINE_WIDTH
    for parent, child in BONES:
        alpha = min(opacity[parent], opacity[child])
        if alpha > 0:
            ends, outline = _near_the_image(points[[parent, child]], size), max(0.5, width * OUTLINE)
            _draw_capsule(image, ends, width / 2, outline, JOINT_COLORS[child], alpha)
    for joint in range(NUM_JOINTS):
        if opacity[joint] > 0:
            ends, outline = _near_the_image(points[[joint, joint]], size), max(0.7, width * OUTLINE)
            _draw_capsule(image, ends, width * 1.25, outline, JOINT_COLORS[joint], opacity[joint])
    return image


def _draw_capsule(image: np.ndarray, ends, radius: float, outline: float, color, alpha: float) -> None:
    """Blends a thick line with round, outlined ends (a disc if its ends coincide) into an image.

    The ends are in OpenCV's coordinates.
    """
    drawn = image if alpha == 1 else image.copy()
    _fill_capsule(drawn, ends, radius + outline, OUTLINE_COLOR)
    _fill_capsule(drawn, ends, radius, color)
    if alpha < 1:
        cv2.addWeighted(drawn, alpha, image, 1 - alpha, 0, dst=image)


def _near_the_image(ends: np.ndarray, size: np.ndarray) -> list[list[float]]:
    """The ends (2, 2) of a line, of which what is far outside of the image is cut off."""
    reach = KEPT_SIZES * float(size.sum())
    if np.abs(ends).max() < reach:
        return ends.tolist()
    start, along = ends[0], ends[1] - ends[0]
    length = max(float(np.linalg.norm(along)), TINY)
    nearest = np.clip((size / 2 - start) @ along / length**2, 0, 1)
    shares = np.clip([[nearest - reach / length], [nearest + reach / length]], 0, 1)
    # Where the nearest point is far away too, any place far away will do.
    return np.clip(start + shares * along, -3 * reach, 3 * reach).tolist()


def _fill_capsule(image: np.ndarray, ends, radius: float, color) -> None:
    """Fills all within ``radius`` of a line, anti-aliased; in plain numbers, for speed."""
    (x0, y0), (x1, y1) = ends
    length = math.hypot(x1 - x0, y1 - y0)
    style = {"lineType": cv2.LINE_AA, "shift": SUBPIXEL_BITS}
    for x, y in ends if length else ends[:1]:
        cv2.circle(image, (_fixed(x), _fixed(y)), _fixed(radius), color, -1, **style)
    if length:
        dx, dy = (y0 - y1) * radius / length, (x1 - x0) * radius / length
        corners = (x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)
        fixed = np.array([(_fixed(x), _fixed(y)) for x, y in corners], np.int32)
        cv2.fillConvexPoly(image, fixed, color, **style)


def _fixed(coordinate: float) -> int:
    """A coordinate in parts of a pixel."""
    return round(coordinate * SUBPIXELS)
