"""Numbers that cannot be pixels of an image, told before anything is computed from them.

Other programs write keypoints and boxes as shares of the image, boxes by two corners, and confidences in per
cent. Taken for pixels, such numbers give squares of one pixel or squares beside the image, and no error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from s2hand.errors import DatasetError

NORMALISED = 1.5
"""Keypoints of a hand and boxes that stay below this, in pixels, are shares of the image."""

SMALLEST_IMAGE_PX = 16
"""In smaller images, a hand may really have a pixel or two."""

LARGEST_SIDE_PX = 100_000
"""Longer than the sides of photos of 100 megapixels; stands for sizes that are not known."""

LARGEST_CONFIDENCE = 2.0
"""Confidences are meant to be in [0, 1]; averaged heat maps overshoot by some per cent."""

PER_CENT = 100.0

FARTHEST_OUTSIDE = 10.0
"""Boxes and keypoints lie within this many longer sides of their image; extrapolated joints of a hand that is
mostly out of view reach less than two sides over its border."""

BOX_OUTSIDE = 0.5
"""Share of a box outside of its image above which it is read as two corners, if that fits."""

BETTER_CORNERS = 0.25
"""Corners explain the keypoints if their distance from them is this share of the box's own, or less."""

FOCAL_OVER_LONGER_SIDE = (0.05, 1000.0)
"""Focal lengths of real cameras: angles of view from 169 to 0.06 degrees."""

LARGEST_FOCAL_PX = FOCAL_OVER_LONGER_SIDE[1] * LARGEST_SIDE_PX
"""Longest focal length that is possible in any photo."""

FARTHEST_CENTRE = 100.0
"""Principal points lie within this many longer sides of the middle, in crops from large photos too."""

LARGEST_HAND_M = 1.0
"""Joints of a hand about its middle, and what is uncertain about them, are less."""

Where = Callable[[int], str]
"""Names a row in messages."""


def check_confidence(confidence: np.ndarray, where: Where) -> None:
    """Refuses confidences that are not about in [0, 1].

    Args:
        confidence: (N, 21).
        where: names a row.

    Raises:
        DatasetError: one is negative or above ``LARGEST_CONFIDENCE``.
    """
    if not confidence.size:
        return
    for extreme, wrong in (
        (confidence.min(), confidence < 0),
        (confidence.max(), confidence > LARGEST_CONFIDENCE),
    ):
        if not wrong.any():
            continue
        looks = "they look like per cent: divide by 100" if 0 < extreme <= PER_CENT else "scale them to that"
        row = int(np.argmax(wrong.any(-1)))
        raise DatasetError(f"{where(row)}: confidences must be in [0, 1], got {extreme:g}; {looks}")


def check_keypoints(
    keypoints: np.ndarray, confidence: np.ndarray, sizes: np.ndarray | None, where: Where
) -> None:
    """Refuses keypoints that are shares of the image, or far outside of it.

    Args:
        keypoints: (N, 21, 2).
        confidence: (N, 21), 0 where missed.
        sizes: (N, 2) width and height of the images in pixels; None if unknown.
        where: names a row.

    Raises:
        DatasetError: most hands are within a pixel, or one is farther outside than the image is long, or has
            a joint at more than ``FARTHEST_OUTSIDE`` times that.
    """
    found = confidence > 0
    rows = np.flatnonzero(found.sum(-1) > 1)
    if not len(rows):
        return
    points = np.where(found[rows, :, None], keypoints[rows].astype(np.float64), np.nan)
    low, high = np.nanmin(points, 1), np.nanmax(points, 1)
    small = (np.abs([low, high]).max((0, 2)) <= NORMALISED) & ((high - low).max(-1) > 0)
    if sizes is not None:
        small &= sizes[rows].max(-1) >= SMALLEST_IMAGE_PX
    if small.sum() > len(rows) / 2:
        row = rows[np.argmax(small)]
        raise DatasetError(
            f"{where(row)}: keypoints look like shares of the image, in [0, 1]; multiply them by its width "
            "and height: pixels are expected"
        )
    sizes = np.full((len(keypoints), 2), LARGEST_SIDE_PX) if sizes is None else sizes
    outside = np.maximum(low - sizes[rows], -high).max(-1)
    far = outside > sizes[rows].max(-1)
    if far.any():
        row = rows[np.argmax(far)]
        raise DatasetError(
            f"{where(row)}: all keypoints are {outside[np.argmax(far)]:.3g} px outside of an image of "
            f"{sizes[row][0]} x {sizes[row][1]} px: give pixels of the upright image, not of a crop or of "
            "another size"
        )
    longer = sizes[rows].max(-1)
    farthest = np.maximum(high - longer[:, None], -low).max(-1)
    wild = farthest > FARTHEST_OUTSIDE * longer
    if wild.any():
        row = rows[np.argmax(wild)]
        raise DatasetError(
            f"{where(row)}: a keypoint is {farthest[np.argmax(wild)]:.3g} px outside of the image: give "
            "pixels, and confidence 0 to a joint that was missed"
        )


def check_boxes(
    boxes: np.ndarray,
    sizes: np.ndarray | None,
    where: Where,
    keypoints: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> None:
    """Refuses boxes that are shares of the image, far larger than it, or two corners.

    Args:
        boxes: (N, 4) left, top, width and height; NaN rows where there is none.
        sizes: (N, 2) width and height of the images in pixels; None if unknown.
        where: names a row.
        keypoints: (N, 21, 2) px, or None.
        confidence: (N, 21) of the keypoints.

    Raises:
        DatasetError: a box is within a pixel, or reaches ``FARTHEST_OUTSIDE`` longer sides over the image's
            border; or all boxes can be two corners, and that explains them better.
    """
    rows = np.flatnonzero(~np.isnan(boxes).any(-1))
    boxes = boxes[rows].astype(np.float64)
    small = (np.abs(boxes) <= NORMALISED).all(-1) & (boxes[:, 2:] > 0).all(-1)
    if sizes is not None:
        sizes = sizes[rows]
        small &= sizes.max(-1) >= SMALLEST_IMAGE_PX
    if small.any():
        row = rows[np.argmax(small)]
        raise DatasetError(
            f"{where(row)}: the box {_shown(boxes[np.argmax(small)])} looks like shares of the image, in "
            "[0, 1]; multiply it by width and height: left, top, width and height in pixels are expected"
        )
    longer = np.full(len(rows), LARGEST_SIDE_PX) if sizes is None else sizes.max(-1)
    first, second = boxes[:, :2], boxes[:, 2:]
    outside = np.maximum(first + second - longer[:, None], -first).max(-1)
    far = outside > FARTHEST_OUTSIDE * longer
    if far.any():
        at = np.argmax(far)
        raise DatasetError(
            f"{where(rows[at])}: the box {_shown(boxes[at])} reaches {outside[at]:.3g} px over the image's "
            "border; left, top, width and height in pixels of the upright image are expected"
        )
    if sizes is None or not len(rows):
        return
    if not ((first >= 0) & (second > first) & (second <= sizes + 1)).all():
        return
    seen = np.clip(np.minimum(first + second, sizes) - first, 0, None).prod(-1) / second.prod(-1)
    outside = 1 - seen > BOX_OUTSIDE
    if outside.any() or _corners_explain(boxes, rows, keypoints, confidence):
        at = np.argmax(outside)
        raise DatasetError(
            f"{where(rows[at])}: the box {_shown(boxes[at])} looks like left, top, right and bottom; left, "
            "top, width and height are expected"
        )


def _corners_explain(
    boxes: np.ndarray, rows: np.ndarray, keypoints: np.ndarray | None, confidence: np.ndarray | None
) -> bool:
    """Whether keypoints lie between boxes read as two corners, and far from them read as they should be."""
    if keypoints is None:
        return False
    found = confidence[rows] > 0
    usable = found.sum(-1) > 1
    if not usable.any():
        return False
    points = np.where(found[usable, :, None], keypoints[rows][usable].astype(np.float64), np.nan)
    ends = np.concatenate([np.nanmin(points, 1), np.nanmax(points, 1)], -1)
    corners = boxes[usable]
    meant = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], -1)
    as_corners, as_meant = (np.median(np.abs(ends - read).mean(-1)) for read in (corners, meant))
    return as_corners <= BETTER_CORNERS * as_meant and as_meant > 1


def check_cameras(K: np.ndarray, sizes: np.ndarray, where: Where) -> None:
    """Refuses cameras whose focal length or principal point cannot be in pixels of their images.

    Args:
        K: (N, 3, 3); NaN where unknown.
        sizes: (N, 2) width and height of the images in pixels.
        where: names a row.

    Raises:
        DatasetError: one is not.
    """
    longer = sizes.max(-1).astype(np.float64)
    focals = K[:, [0, 1], [0, 1]].astype(np.float64) / longer[:, None]
    centres = np.abs(K[:, :2, 2].astype(np.float64) - sizes / 2).max(-1) / longer
    least, most = FOCAL_OVER_LONGER_SIDE
    with np.errstate(invalid="ignore"):
        wrong = (
            ((focals > 0) & (focals < least)).any(-1) | (focals > most).any(-1) | (centres > FARTHEST_CENTRE)
        )
    if wrong.any():
        row = int(np.argmax(wrong))
        fx, fy, cx, cy = (K[row][place] for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
        looks = "; it looks like shares of the image" if max(fx, fy) <= 10 else ""
        raise DatasetError(
            f"{where(row)}: no camera of an image of {sizes[row][0]} x {sizes[row][1]} px has fx, fy, cx, cy "
            f"= {fx:.4g}, {fy:.4g}, {cx:.4g}, {cy:.4g} px{looks}: give pixels of the upright image"
        )


def _shown(box: np.ndarray) -> str:
    return f"[{', '.join(f'{value:g}' for value in box)}]"


def check_metres(values: np.ndarray, name: str, where: Where) -> None:
    """Refuses lengths that are in no hand.

    Args:
        values: (N, ...) metres, NaN where unknown.
        name: what they are called in the file.
        where: names a row.

    Raises:
        DatasetError: one is beyond ``LARGEST_HAND_M``.
    """
    beyond = (np.abs(values) > LARGEST_HAND_M).reshape(len(values), -1).any(-1)
    if beyond.any():
        row = int(beyond.argmax())
        largest = float(np.nanmax(np.abs(values[row])))
        raise DatasetError(
            f"{where(row)}: {name} must be metres about the hand, at most {LARGEST_HAND_M:g}, got "
            f"{largest:g}: convert millimetres to metres"
        )
