"""Keypoints over an image as SVG, which stays sharp and names its joints."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from s2hand.pages.joints import joint_colors, joint_names
from s2hand.skeleton import FINGERS, NUM_JOINTS, WRIST

LINE_WIDTH, DOT_RADIUS = 0.008, 0.011
"""Shares of the longer side of what is shown."""

FAINTEST = 0.3
FULL_CONFIDENCE = 0.8
"""A joint below this confidence is drawn fainter."""


def keypoints_svg(
    size: tuple[int, int],
    keypoints: ArrayLike | None,
    confidence: ArrayLike | None = None,
    box: ArrayLike | None = None,
) -> str:
    """An SVG to lay over an image that is shown whole (``object-fit: contain``).

    Args:
        size: (width, height) px that keypoints and box refer to.
        keypoints: (21, 2) px; a joint at (0, 0), not finite or of confidence 0 was missed and is left out.
        confidence: (21,) in [0, 1].
        box: left, top, right, bottom in px.
    """
    width, height = size
    unit = max(size)
    marks = []
    if box is not None:
        left, top, right, bottom = (float(value) for value in box)
        marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'fill="none" stroke="#fff" stroke-opacity=".85" stroke-width="{LINE_WIDTH * unit * 0.6:.2f}" '
            f'stroke-dasharray="{unit * 0.02:.1f}"/>'
        )
    if keypoints is not None:
        marks += _skeleton(np.asarray(keypoints, float), confidence, unit)
    return f'<svg viewBox="0 0 {width} {height}" class="keypoints" aria-hidden="true">{"".join(marks)}</svg>'


def missed_joints(keypoints: ArrayLike, confidence: ArrayLike | None) -> np.ndarray:
    """(21,) bool, which joints the detector did not find."""
    keypoints = np.asarray(keypoints, float)
    missed = ~np.isfinite(keypoints).all(1) | (keypoints == 0).all(1)
    return missed if confidence is None else missed | ~(np.asarray(confidence, float) > 0)


def _skeleton(keypoints: np.ndarray, confidence: ArrayLike | None, unit: float) -> list[str]:
    missed = missed_joints(keypoints, confidence)
    scores = np.ones(NUM_JOINTS) if confidence is None else np.asarray(confidence, float)
    strength = np.clip(scores / FULL_CONFIDENCE, FAINTEST, 1)
    colors, names = joint_colors(), joint_names()
    marks = []
    for chain in FINGERS.values():
        points = (WRIST, *chain)
        path = "".join(
            "M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*keypoints[a], *keypoints[b])
            for a, b in pairwise(points)
            if not (missed[a] or missed[b])
        )
        if path:
            marks += [
                f'<path d="{path}" fill="none" stroke-linecap="round" stroke="{color}" '
                f'stroke-opacity="{opacity}" stroke-width="{LINE_WIDTH * unit * width:.2f}"/>'
                for color, opacity, width in (("#0c0e12", 0.6, 1.9), (colors[chain[0]], 1, 1.0))
            ]
    for joint in np.flatnonzero(~missed):
        x, y = keypoints[joint]
        told = "" if confidence is None else f", confidence {scores[joint]:.2f}"
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DOT_RADIUS * unit:.2f}" fill="{colors[joint]}" '
            f'fill-opacity="{strength[joint]:.2f}" stroke="#fff" stroke-opacity="{strength[joint]:.2f}" '
            f'stroke-width="{DOT_RADIUS * unit * 0.3:.2f}"><title>{names[joint]}{told}</title></circle>'
        )
    return marks
