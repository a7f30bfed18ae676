"""The two file formats in which detected 2D keypoints are stored.

Keypoints are in pixels of the image on which the detector ran; a missed joint is (0, 0) with confidence 0.

The published file is one list ``[keypoints (N, 21, 2), confidences (N, 21, 1), names (N, 1)]``; names may be
left out. The versioned file also says which detector found what in which photos:
:mod:`s2hand.datasets.versioned_detections`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detections import Detections
from s2hand.datasets.json_files import as_array, read_json, write_json
from s2hand.datasets.versioned_detections import FORMAT, as_versioned, from_versioned
from s2hand.errors import DatasetError, shown
from s2hand.images.plausible import (
    check_boxes,
    check_cameras,
    check_confidence,
    check_keypoints,
    check_metres,
)
from s2hand.skeleton import NUM_JOINTS

REMEDY = "write it with `s2hand detect`, or name another detections file"

OTHER_PROGRAMS = {
    "OpenPose": {"people"},
    "COCO annotations": {"images", "annotations"},
    "COCO results": {"image_id", "keypoints"},
    "MediaPipe": {"hand_landmarks"},
    "MMPose": {"keypoints", "keypoint_scores"},
}
"""Program -> keys of what it writes, for messages."""


def read_detections(path: str | Path) -> Detections:
    """Reads a detections file in the published or the versioned format.

    Raises:
        DatasetError: the file is missing, broken JSON, its entries have wrong shapes or lengths, or its
            numbers cannot be pixels or confidences.
    """
    content = read_json(path, remedy=REMEDY)
    if not isinstance(content, dict):
        found = _read_published(content, path)
    elif content.get("format") == FORMAT:
        found = from_versioned(content, path, REMEDY)
    else:
        raise DatasetError(
            f'{path}: expected "format": "{FORMAT}", got {shown(content.get("format"))}'
            f"{_looks_like(content)}: {REMEDY}"
        )
    check_detections(found, path)
    return found


def check_detections(found: Detections, path: str | Path) -> None:
    """Refuses numbers that cannot be pixels or confidences.

    Args:
        found: any detections.
        path: where they were read, for messages.

    Raises:
        DatasetError: some are not.
    """

    def where(row: int) -> str:
        return f"{path}, row {row}" if found.names is None else f"{path}, {found.names[row]}"

    check_confidence(found.confidence, where)
    check_keypoints(found.keypoints, found.confidence, found.sizes, where)
    if found.boxes is not None:
        check_boxes(found.boxes, found.sizes, where, found.keypoints, found.confidence)
    if found.cameras is not None:
        check_cameras(found.cameras, found.sizes, where)
    for name in ("world", "world_spread"):
        if (values := getattr(found, name)) is not None:
            check_metres(values, name, where)


def _read_published(content: Any, path: str | Path) -> Detections:
    if not isinstance(content, list) or len(content) not in (2, 3):
        raise DatasetError(
            f"{path}: expected a list [keypoints (N, {NUM_JOINTS}, 2), confidences (N, {NUM_JOINTS}, 1), "
            f'names], or an object of format "{FORMAT}"{_looks_like(content)}: {REMEDY}'
        )
    keypoints = as_array(content[0], (None, NUM_JOINTS, 2), what=f"{path}, keypoints")
    confidence = as_array(content[1], (len(keypoints), NUM_JOINTS, 1), what=f"{path}, confidences")[..., 0]
    names = _read_names(content[2], len(keypoints), path) if len(content) == 3 else None
    return Detections(keypoints, confidence, names)


def _looks_like(content: Any) -> str:
    """Names the program whose output this is, if it is known."""
    first = content[0] if isinstance(content, list) and content else content
    keys = set(first) if isinstance(first, dict) else set()
    for program, needed in OTHER_PROGRAMS.items():
        if needed <= keys:
            return f"; this looks like the output of {program}: convert it with `s2hand import-detections`"
    return ""


def _read_names(entries, count: int, path: str | Path) -> tuple[str, ...]:
    """Accepts ``[[name], ...]`` as published and plain ``[name, ...]``; whole numbers count as names, too."""
    if not isinstance(entries, list) or len(entries) != count:
        raise DatasetError(f"{path}, names: expected {count} names, one for each image")
    names = tuple(entry[0] if isinstance(entry, list) and len(entry) == 1 else entry for entry in entries)
    if not all(isinstance(name, str) or type(name) is int for name in names):
        raise DatasetError(f"{path}, names: expected text, [[name], ...]")
    return tuple(map(str, names))


def write_detections(path: str | Path, detections: Detections) -> None:
    """Writes a detections file in the published format; reading it back gives the same numbers."""
    content = [
        np.ascontiguousarray(detections.keypoints, np.float32),
        np.ascontiguousarray(detections.confidence, np.float32)[..., None],
    ]
    if detections.names is not None:
        content.append([[name] for name in detections.names])
    write_json(path, content)


def write_versioned_detections(path: str | Path, detections: Detections) -> None:
    """Writes a detections file in the versioned format; reading it back gives the same.

    Raises:
        DatasetError: names or sizes are missing, which this format needs.
    """
    if detections.names is None or detections.sizes is None:
        raise DatasetError(f"{path}: the versioned format needs the images' names and sizes")
    write_json(path, as_versioned(detections))


def preview_path(detections: str | Path) -> Path:
    """The contact sheet that ``s2hand detect --preview`` draws beside a detections file."""
    detections = Path(detections).expanduser()
    return detections.parent / f"{detections.stem}_preview.jpg"


def is_preview(photo: Path, detections: str | Path) -> bool:
    """Whether a file is a contact sheet, which may lie among the photos, and no photo itself."""
    sheet = preview_path(detections)
    return photo.name == sheet.name and photo.resolve() == sheet.resolve()
