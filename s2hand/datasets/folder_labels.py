"""Labels of a folder of photos, where there are any: for scoring, and for tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from s2hand.datasets.json_files import as_array, read_json
from s2hand.errors import DatasetError
from s2hand.hand.assets import NUM_VERTICES
from s2hand.skeleton import NUM_JOINTS

SHAPES = {"joints": (NUM_JOINTS, 3), "vertices": (NUM_VERTICES, 3), "keypoints": (NUM_JOINTS, 2)}


@dataclass(frozen=True)
class FolderLabels:
    """True hands, one for each row of the detections with which they were matched.

    Attributes:
        joints: (N, 21, 3) metres, camera frame of the upright photo; left hands are not mirrored.
        vertices: (N, 778, 3), likewise.
        keypoints: (N, 21, 2) px of the upright photo; None if a hand has none.
    """

    joints: np.ndarray
    vertices: np.ndarray
    keypoints: np.ndarray | None = None


def read_folder_labels(path: str | Path, names: Sequence[str]) -> FolderLabels:
    """Reads a JSON list of ``{"name": ..., "joints": 21 x 3, "vertices": 778 x 3}``, one entry a hand.

    With ``"keypoints": 21 x 2`` the 2D truth does not depend on how well the camera is known. Hands in one
    photo are told apart by their order, here and in the detections.

    Args:
        path: the file.
        names: the detections' photo names.

    Returns:
        Labels, one for each name.

    Raises:
        DatasetError: the file is missing or not such a list, or a hand has no label.
    """
    entries = read_json(path, remedy='set "folder_labels" to the JSON of true hands, or leave it out')
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise DatasetError(f"{path}: expected a list of objects with name, joints and vertices")
    by_hand = dict(zip(_numbered([entry["name"] for entry in entries]), entries, strict=True))
    try:
        chosen = [by_hand[hand] for hand in _numbered(names)]
    except KeyError as missing:
        name, number = missing.args[0]
        raise DatasetError(
            f"{path}: no label for hand {number} of {name}, which the detections have: add it, or detect less"
        ) from None
    columns = {key: [entry.get(key) for entry in chosen] for key in SHAPES}
    if None in columns["keypoints"]:
        del columns["keypoints"]
    return FolderLabels(
        **{
            key: as_array(values, (len(names), *SHAPES[key]), what=f"{path}, {key}")
            for key, values in columns.items()
        }
    )


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it came before."""
    counters = defaultdict(count)
    return [(name, next(counters[name])) for name in names]
