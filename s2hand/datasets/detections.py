"""Detected 2D keypoints of images.

Keypoints are in pixels of the image on which the detector ran; a missed joint is (0, 0) with confidence 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.json_files import as_array
from s2hand.errors import DatasetError, shown
from s2hand.images.joint_orders import better_order
from s2hand.skeleton import NUM_JOINTS

HANDS = ("left", "right")


HALF_SURE_M = 0.01
"""Spread of a joint's looks at which it counts half: a guess in 3D is wrong by about as much on average."""


TRUSTED_CONFIDENCE = 0.1
"""A sample counts in photometric losses only if each of its joints is more certain than this (published)."""


@dataclass(frozen=True)
class DetectorInfo:
    """The detector that found the keypoints of a file.

    Attributes:
        name: the detector's name.
        sha256: hash of its weights file, in hexadecimal.
        settings: plain JSON values.
    """

    name: str
    sha256: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Detections:
    """Keypoints found by a 2D detector.

    Attributes:
        keypoints: (N, 21, 2) float32 px of the image, FreiHAND order.
        confidence: (N, 21) float32, 0 where missed.
        names: N image names, or None.
        sizes: (N, 2) int width and height of the images, or None.
        boxes: (N, 4) float32 x, y, width, height px about the hands, NaN rows where there is none; or None.
        hands: "left" or "right" for each row, or None.
        cameras: (N, 3, 3) float32 px, NaN where unknown; or None.
        detector: the detector that found them, or None.
        unreadable: "name: reason" for each image that could not be read.
        tracks: number of each row's hand in its video, None where hands were not followed; or None.
        world: (N, 21, 3) float32 metres, as the image shows the hands, NaN where unknown; or None.
        world_spread: (N, 21) float32 metres, mean distance of looks from their median, NaN where unknown; or
            None.
        without_hands: names of the images that were searched and show no hand.
    """

    keypoints: np.ndarray
    confidence: np.ndarray
    names: tuple[str, ...] | None = None
    sizes: np.ndarray | None = None
    boxes: np.ndarray | None = None
    hands: tuple[str, ...] | None = None
    cameras: np.ndarray | None = None
    detector: DetectorInfo | None = None
    unreadable: tuple[str, ...] = ()
    tracks: tuple[int | None, ...] | None = None
    world: np.ndarray | None = None
    world_spread: np.ndarray | None = None
    without_hands: tuple[str, ...] = ()

    def __post_init__(self):
        as_array(self.keypoints, (None, NUM_JOINTS, 2), what="Detections.keypoints")
        as_array(self.confidence, (len(self.keypoints), NUM_JOINTS), what="Detections.confidence")
        for field in ("names", "sizes", "boxes", "hands", "cameras", "tracks", "world", "world_spread"):
            value = getattr(self, field)
            if value is not None and len(value) != len(self.keypoints):
                raise DatasetError(f"Detections: {len(value)} {field} for {len(self.keypoints)} images")
        if strange := set(self.hands or ()) - set(HANDS):
            raise DatasetError(f"Detections.hands: expected left or right, got {shown(strange.pop())}")

    def __len__(self) -> int:
        return len(self.keypoints)

    def annotations(self, row: int) -> dict[str, Any]:
        """What a row says of its sample, by field of :class:`~s2hand.datasets.base.SampleRecord`.

        The photometric weight is the mean confidence if every joint is above ``TRUSTED_CONFIDENCE``, else 0
        (published rule).
        """
        confidence = self.confidence[row]
        trusted = (confidence > TRUSTED_CONFIDENCE).all()
        return {
            "keypoints_2d": self.keypoints[row],
            "confidence": confidence,
            "photometric_weight": float(confidence.mean()) if trusted else 0.0,
        }

    def world_annotations(self, row: int) -> dict[str, Any]:
        """What a row says of its hand in 3D, by field of :class:`~s2hand.datasets.base.SampleRecord`.

        A joint's confidence halves where looks at it lie ``HALF_SURE_M`` apart; where the spread is unknown,
        the confidences of the keypoints stand in. A row without 3D joints has confidence 0. There must be a
        ``world``.
        """
        world, confidence = self.world[row], self.confidence[row]
        if self.world_spread is not None and not np.isnan(self.world_spread[row]).any():
            confidence = 1 / (1 + (self.world_spread[row] / HALF_SURE_M) ** 2)
        known = not np.isnan(world).any()
        return {
            "world_joints": np.nan_to_num(world),
            "world_confidence": confidence if known else np.zeros_like(confidence),
        }

    def order_doubt(self, source: str | Path) -> str:
        """A line on joints that are certainly in another order than FreiHAND's; "" if nothing tells that.

        Args:
            source: where the detections were read, for the line.
        """
        order = better_order(self.keypoints, self.confidence)
        if order is None or not order[1]:  # a single hand may be drawn in any order
            return ""
        return (
            f"WARNING: {source}: joints are expected as wrist, then thumb to little finger from base to tip, "
            f"but these look like {order[0]}: reorder them"
        )
