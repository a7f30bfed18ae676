"""The formats of other programs by name: what they hold, in which unit, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from s2hand.detection.imported_hands import ImportedHand
from s2hand.detection.importing_csv import SHORT_HEADER, is_csv, read_csv
from s2hand.detection.importing_json import (
    is_coco,
    is_mmpose,
    is_openpose,
    read_coco,
    read_mmpose,
    read_openpose,
)
from s2hand.detection.importing_mediapipe import is_mediapipe, read_mediapipe

PIXEL_INDEX = 0.5
"""What is added to programs' pixel indices, whose pixel i is at i: here it covers [i, i + 1)."""


@dataclass(frozen=True)
class Format:
    """What another program writes.

    Attributes:
        title: the program's name.
        expected: what a file holds, for messages.
        fits: whether JSON's content is of the format.
        read: content, name without ending and path -> hands, None for those without a joint.
        unit: the keypoints' unit, as the user is told it.
        shares: whether keypoints are shares of the image.
        origin: px to add to keypoints.
    """

    title: str
    expected: str
    fits: Callable[[Any], bool]
    read: Callable[[Any, str, str], Iterator[ImportedHand | None]]
    unit: str = "pixel indices"
    shares: bool = False
    origin: float = PIXEL_INDEX


FORMATS = {
    "openpose": Format(
        "OpenPose", '{"people": [{"hand_right_keypoints_2d": [...]}]}', is_openpose, read_openpose
    ),
    "coco-wholebody": Format(
        "COCO-WholeBody", "annotations or results with lefthand_kpts and righthand_kpts", is_coco, read_coco
    ),
    "mmpose": Format("MMPose", "instances with keypoints and keypoint_scores", is_mmpose, read_mmpose),
    "mediapipe": Format(
        "MediaPipe",
        '{"hand_landmarks": [...], "handedness": [...]}',
        is_mediapipe,
        read_mediapipe,
        "shares of the image",
        shares=True,
    ),
    "csv": Format(
        "CSV",
        f"the header {SHORT_HEADER}",
        lambda content: isinstance(content, str) and is_csv(content),
        lambda content, stem, path: read_csv(content, path),
        "pixels, pixel i covers i to i + 1",
        origin=0.0,
    ),
}
"""Name -> format."""
