"""Keypoints drawn over images."""

from __future__ import annotations

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
    points = np.where(drawn[:, None], keypoints, 0) * scale - 0.5
    width = max(image.shape[:2]) * LINE_WIDTH
    for parent, child in BONES:
        alpha = min(opacity[parent], opacity[child])
        if alpha > 0:
            ends = points[parent], points[child]
            _draw_capsule(image, *ends, width / 2, max(0.5, width * OUTLINE), JOINT_COLORS[child], alpha)
    for joint in range(NUM_JOINTS):
        if opacity[joint] > 0:
            ends, outline = (points[joint],) * 2, max(0.7, width * OUTLINE)
            _draw_capsule(image, *ends, width * 1.25, outline, JOINT_COLORS[joint], opacity[joint])
    return image


def _draw_capsule(image, start, end, radius: float, outline: float, color, alpha: float) -> None:
    """Blends a thick line with round, outlined ends (a disc if its ends coincide) into an image.

    The ends are in OpenCV's coordinates. The coverage of a pixel is ``radius + 0.5 - distance`` of its centre
    from the line, clipped to [0, 1].
    """
    reach = radius + outline + 1
    size = image.shape[1::-1]
    start, end = np.clip((start, end), -FARTHEST_PX, FARTHEST_PX)
    low = np.clip(np.floor(np.minimum(start, end) - reach), 0, size).astype(int)
    high = np.clip(np.ceil(np.maximum(start, end) + reach + 1), 0, size).astype(int)
    if (low >= high).any():
        return
    x, y = np.arange(low[0], high[0]) - start[0], np.arange(low[1], high[1])[:, None] - start[1]
    along = end - start
    position = np.clip((x * along[0] + y * along[1]) / max(along @ along, TINY), 0, 1)
    distance = np.sqrt((x - position * along[0]) ** 2 + (y - position * along[1]) ** 2)[..., None]
    inside = np.clip(radius + 0.5 - distance, 0, 1)
    coverage = alpha * np.clip(radius + outline + 0.5 - distance, 0, 1)
    paint = inside * np.asarray(color) + (1 - inside) * np.asarray(OUTLINE_COLOR)
    patch = image[low[1] : high[1], low[0] : high[0]]
    patch[:] = np.rint(patch + coverage * (paint - patch)).astype(np.uint8)
