"""Keypoints and rendered hands over pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from s2hand.skeleton import BONES, FINGERS, NUM_JOINTS, WRIST
from s2hand.structures import RenderOutput
from s2hand.visualize.pictures import composite, enlarge, resize, to_array, to_picture

FINGER_COLORS = {
    "thumb": (213, 94, 0),
    "index": (240, 228, 66),
    "middle": (0, 158, 115),
    "ring": (86, 180, 233),
    "little": (204, 121, 167),
}
"""One hue per finger, told apart with any common colour blindness (Okabe and Ito, 2008)."""

WRIST_COLOR = (255, 255, 255)
OUTLINE_COLOR = (18, 20, 26)

LINE_WIDTH = 1 / 90
"""Width of a bone as a fraction of the picture's side; joints and outlines follow from it."""

FULL_CONFIDENCE = 0.8
FAINTEST_OPACITY = 0.2
"""Opacity falls from 1 at ``FULL_CONFIDENCE`` to this just above confidence 0 (at 0 nothing is drawn)."""


TINY = 1e-9
"""Keeps the quotient of a line without length finite."""

FARTHEST_PX = 1e9
"""Coordinates are cut to this distance: far outside of every image, and well inside of the integers."""


def draw_keypoints(
    image: ArrayLike | Tensor,
    keypoints: ArrayLike | Tensor,
    confidence: ArrayLike | Tensor | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Draws a hand's skeleton, one hue per finger, anti-aliased and outlined.

    A joint is missed, and neither it nor its bones are drawn, if its confidence is 0, its position is
    exactly (0, 0), or not finite. The fainter a joint is drawn, the less confident it is; a bone takes the
    lower of its two joints' confidences.

    Args:
        image: (H, W, 3) uint8 or anything :func:`~s2hand.visualize.pictures.to_picture` takes.
        keypoints: (21, 2) px of ``image``.
        confidence: (21,) in [0, 1]; None stands for certainty.
        scale: factor by which the picture is enlarged before drawing, so that small images get fine lines.

    Returns:
        (scale * H, scale * W, 3) uint8.

    Raises:
        ValueError: if the keypoints are not (21, 2) or the confidences not 21.
    """
    keypoints = to_array(keypoints)
    if keypoints.shape != (NUM_JOINTS, 2):
        raise ValueError(f"expected keypoints ({NUM_JOINTS}, 2), got {keypoints.shape}: pick one sample")
    confidence = np.ones(NUM_JOINTS) if confidence is None else to_array(confidence).reshape(-1)
    if confidence.shape != (NUM_JOINTS,):
        raise ValueError(f"expected {NUM_JOINTS} confidences, got {confidence.size}")
    picture = enlarge(to_picture(image), scale)
    drawn = np.isfinite(keypoints).all(-1) & (keypoints != 0).any(-1) & (confidence > 0)
    opacity = np.where(drawn, _opacity(confidence), 0)
    points = np.where(drawn[:, None], keypoints, 0) * scale - 0.5
    width = max(picture.shape[:2]) * LINE_WIDTH
    colors = _joint_colors()
    for parent, child in BONES:
        alpha = min(opacity[parent], opacity[child])
        if alpha > 0:
            _draw_bone(picture, points[parent], points[child], width, colors[child], alpha)
    for joint in range(NUM_JOINTS):
        if opacity[joint] > 0:
            _draw_joint(picture, points[joint], width, colors[joint], opacity[joint])
    return picture


def overlay_mesh(
    image: ArrayLike | Tensor, render: RenderOutput, index: int = 0, background=(1, 1, 1)
) -> np.ndarray:
    """Lays one rendered hand over its picture; the anti-aliased silhouette is the alpha.

    Args:
        image: (H, W, 3) uint8 or a tensor (3, H, W) in [0, 1]; brought to the rendering's size if it differs.
        render: a batch of renderings.
        index: which of them.
        background: the colour it was rendered over.

    Returns:
        (S, S, 3) uint8, S the rendering's side.
    """
    rgb = to_array(render.rgb[index]).transpose(1, 2, 0)
    picture = resize(to_picture(image), *rgb.shape[:2])
    return composite(picture, rgb, to_array(render.silhouette[index]), background)


def _opacity(confidence: np.ndarray) -> np.ndarray:
    """Opacity in [FAINTEST_OPACITY, 1] of confidences, linear up to FULL_CONFIDENCE."""
    return FAINTEST_OPACITY + (1 - FAINTEST_OPACITY) * np.clip(confidence / FULL_CONFIDENCE, 0, 1)


def _joint_colors() -> list[tuple[int, int, int]]:
    """The colour of each of the 21 joints."""
    colors = [WRIST_COLOR] * NUM_JOINTS
    for finger, chain in FINGERS.items():
        for joint in chain:
            colors[joint] = FINGER_COLORS[finger]
    colors[WRIST] = WRIST_COLOR
    return colors


def _draw_bone(picture, start, end, width: float, color, alpha: float) -> None:
    """Draws an outlined line into ``picture``; ``start`` and ``end`` are in OpenCV's coordinates."""
    _draw_capsule(picture, start, end, width / 2, max(0.5, width * 0.4), color, alpha)


def _draw_joint(picture, centre, width: float, color, alpha: float) -> None:
    """Draws an outlined dot into ``picture``."""
    _draw_capsule(picture, centre, centre, width * 1.25, max(0.7, width * 0.4), color, alpha)


def _draw_capsule(picture, start, end, radius: float, outline: float, color, alpha: float) -> None:
    """Blends a thick line with round, outlined ends (a disc if its ends coincide) into a picture.

    The coverage of a pixel is ``radius + 0.5 - distance`` of its centre from the line, cut to [0, 1].
    """
    reach = radius + outline + 1
    size = picture.shape[1::-1]
    start, end = np.clip((start, end), -FARTHEST_PX, FARTHEST_PX)
    low = np.clip(np.floor(np.minimum(start, end) - reach), 0, size).astype(int)
    high = np.clip(np.ceil(np.maximum(start, end) + reach + 1), 0, size).astype(int)
    if (low >= high).any():
        return
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    offset, along = np.stack([x, y], -1) - start, end - start
    position = np.clip(offset @ along / max(along @ along, TINY), 0, 1)
    distance = np.linalg.norm(offset - position[..., None] * along, axis=-1)[..., None]
    inside = np.clip(radius + 0.5 - distance, 0, 1)
    coverage = alpha * np.clip(radius + outline + 0.5 - distance, 0, 1)
    paint = inside * np.asarray(color) + (1 - inside) * np.asarray(OUTLINE_COLOR)
    patch = picture[low[1] : high[1], low[0] : high[0]]
    patch[:] = np.rint(patch + coverage * (paint - patch)).astype(np.uint8)
