"""Detected 2D keypoints: the published JSON format, and the trust that photometric losses put in a sample.

The file is one list ``[keypoints (N, 21, 2), confidences (N, 21, 1), names (N, 1)]``; names may be left out.
Keypoints are pixels of the image that was detected on; a missed joint is (0, 0) with confidence 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.data.errors import DatasetError
from s2hand.data.json_files import as_array, read_json, write_json
from s2hand.skeleton import NUM_JOINTS

TRUSTED_CONFIDENCE = 0.1
"""A picture counts in photometric losses only if each of its joints is more certain than this (published)."""

REMEDY = "write it with `s2hand detect`, or name another detections file"


@dataclass(frozen=True)
class Detections:
    """Keypoints found by a 2D detector.

    Attributes:
        keypoints: (N, 21, 2) float32 px of the detected image, FreiHAND order.
        confidence: (N, 21) float32, 0 where missed.
        names: N image names, or None.
    """

    keypoints: np.ndarray
    confidence: np.ndarray
    names: tuple[str, ...] | None = None

    def __post_init__(self):
        as_array(self.keypoints, (None, NUM_JOINTS, 2), what="Detections.keypoints")
        as_array(self.confidence, (len(self.keypoints), NUM_JOINTS), what="Detections.confidence")
        if self.names is not None and len(self.names) != len(self.keypoints):
            raise DatasetError(f"Detections: {len(self.names)} names for {len(self.keypoints)} images")

    def __len__(self) -> int:
        return len(self.keypoints)


def read_detections(path: str | Path) -> Detections:
    """Reads a detections file of the published format.

    Raises:
        DatasetError: the file is missing, broken JSON, or its entries have wrong shapes or lengths.
    """
    content = read_json(path, remedy=REMEDY)
    if not isinstance(content, list) or len(content) not in (2, 3):
        raise DatasetError(
            f"{path}: expected a list [keypoints (N, {NUM_JOINTS}, 2), confidences (N, {NUM_JOINTS}, 1), "
            f"names]: {REMEDY}"
        )
    keypoints = as_array(content[0], (None, NUM_JOINTS, 2), what=f"{path}, keypoints")
    confidence = as_array(content[1], (len(keypoints), NUM_JOINTS, 1), what=f"{path}, confidences")[..., 0]
    if (confidence < 0).any():
        raise DatasetError(f"{path}, confidences: expected values from 0, got {confidence.min():g}")
    names = _read_names(content[2], len(keypoints), path) if len(content) == 3 else None
    return Detections(keypoints, confidence, names)


def _read_names(entries, count: int, path: str | Path) -> tuple[str, ...]:
    """Accepts ``[[name], ...]`` as published and plain ``[name, ...]``."""
    if not isinstance(entries, list) or len(entries) != count:
        raise DatasetError(f"{path}, names: expected {count} names, one an image")
    names = tuple(entry[0] if isinstance(entry, list) and len(entry) == 1 else entry for entry in entries)
    if not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path}, names: expected text, [[name], ...]")
    return names


def write_detections(path: str | Path, detections: Detections) -> None:
    """Writes a detections file of the published format; reading it back gives the same numbers."""
    content = [
        np.asarray(detections.keypoints, np.float32).tolist(),
        np.asarray(detections.confidence, np.float32)[..., None].tolist(),
    ]
    if detections.names is not None:
        content.append([[name] for name in detections.names])
    write_json(path, content)


def photometric_weight(confidence: np.ndarray) -> np.ndarray:
    """How much a sample counts in photometric losses.

    Args:
        confidence: (..., 21) of the detections.

    Returns:
        (...) mean confidence if every joint is above ``TRUSTED_CONFIDENCE``, else 0 (published rule).
    """
    return np.where((confidence > TRUSTED_CONFIDENCE).all(-1), confidence.mean(-1), 0)
