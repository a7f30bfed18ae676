"""Labels of a folder of pictures, where somebody has them: for scoring, and for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.errors import DatasetError
from s2hand.datasets.json_files import as_array, read_json
from s2hand.hand.assets import NUM_VERTICES
from s2hand.skeleton import NUM_JOINTS


@dataclass(frozen=True)
class FolderLabels:
    """True hands, one a row of the detections they were matched with.

    Attributes:
        joints: (N, 21, 3) metres, camera frame of the upright picture; a left hand's are of the left hand.
        vertices: (N, 778, 3), likewise.
        keypoints: (N, 21, 2) px of the upright picture; None if a hand has none.
    """

    joints: np.ndarray
    vertices: np.ndarray
    keypoints: np.ndarray | None


def read_folder_labels(path: str | Path, names: Sequence[str]) -> FolderLabels:
    """Reads a JSON list of ``{"name": ..., "joints": 21 x 3, "vertices": 778 x 3}``, one entry a hand.

    With ``"keypoints": 21 x 2`` the 2D truth does not depend on how well the camera is known. A picture's
    hands are told apart by their order, here and in the detections.

    Args:
        path: the file.
        names: the detections' picture names.

    Returns:
        Labels, one a name.

    Raises:
        DatasetError: the file is missing or not such a list, or a hand has no label.
    """
    entries = read_json(path, remedy='set "folder_labels" to the JSON of true hands, or leave it out')
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise DatasetError(f"{path}: expected a list of objects with name, joints and vertices")
    row_of = {hand: row for row, hand in enumerate(_numbered([entry["name"] for entry in entries]))}
    try:
        chosen = [entries[row_of[hand]] for hand in _numbered(names)]
    except KeyError as missing:
        name, number = missing.args[0]
        raise DatasetError(
            f"{path}: no label for hand {number} of {name}, which the detections have: add it, or detect less"
        ) from None
    shapes = {"joints": (NUM_JOINTS, 3), "vertices": (NUM_VERTICES, 3), "keypoints": (NUM_JOINTS, 2)}
    columns = {key: [entry.get(key) for entry in chosen] for key in shapes}
    if None in columns["keypoints"]:
        del columns["keypoints"]
    arrays = {
        key: as_array(values, (len(names), *shapes[key]), what=f"{path}, {key}")
        for key, values in columns.items()
    }
    return FolderLabels(**{"keypoints": None} | arrays)


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it came before."""
    seen = Counter()
    numbered = []
    for name in names:
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered
