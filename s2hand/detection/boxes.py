"""Hand boxes from a file: which part of which image shows which hand."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detections import HANDS
from s2hand.datasets.json_files import as_array, read_json
from s2hand.datasets.versioned_detections import FORMAT
from s2hand.detection.sources import HandImage, ImageSource
from s2hand.errors import DatasetError, shown
from s2hand.images.plausible import check_boxes

EXPECTED = (
    '{"a.jpg": [{"box": [x, y, width, height], "hand": "left"}, ...], ...} or a detections file with boxes'
)
NAMES_SHOWN = 3


def with_boxes(source: ImageSource, path: str | Path) -> ImageSource:
    """Gives images the boxes and hands of a file; an image with several hands then occurs several times.

    Args:
        source: the images.
        path: a JSON object, image name -> list of ``{"box": [x, y, width, height] or null, "hand": "left",
            "right" or null}``; or a detections file of the versioned format, with the cameras in it. Images
            that the file does not name are taken whole.

    Raises:
        DatasetError: the file is missing, broken, or names images that the source does not have.
    """
    hands = _read_boxes(path)
    names = {_composed(image.name) for image in source.images}
    if strange := [name for name in hands if name not in names]:
        shown = ", ".join(strange[:NAMES_SHOWN])
        raise DatasetError(
            f"{path}: {len(strange)} of its images are not in the source (first {shown}): names must be "
            "relative to the source, with /"
        )
    images = []
    for image in source.images:
        entries = hands.get(_composed(image.name), [{"box": image.box, "hand": image.hand}])
        images += [replace(image, **entry) for entry in entries]
    return source.with_images(images)


def check_box(image: HandImage, width: int, height: int) -> None:
    """Refuses a box that cannot be in pixels of its image.

    Args:
        image: the image, with or without a box.
        width: the upright image's width in px.
        height: its height in px.

    Raises:
        DatasetError: it is refused.
    """
    if image.box is None:
        return
    check_boxes(np.array([image.box], np.float32), np.array([[width, height]]), lambda _: image.name)


def _read_boxes(path: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Image name -> box, hand and perhaps K of each of its hands."""
    content = read_json(path, remedy=f"expected {EXPECTED}")
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected {EXPECTED}")
    hands: dict[str, list[dict[str, Any]]] = {}
    if content.get("format") == FORMAT:
        found = read_detections(path)
        for row, name in enumerate(found.names):
            entry = {"box": _known(found.boxes, row), "hand": found.hands[row] if found.hands else None}
            checked = _checked(entry, f"{path}, {name}")
            if (K := _known(found.cameras, row)) is not None:
                checked["K"] = K
            hands.setdefault(_composed(name), []).append(checked)
        return hands
    for name, entries in content.items():
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "box" in entry for entry in entries
        ):
            raise DatasetError(f"{path}, {name}: expected {EXPECTED}")
        hands[_composed(name)] = [_checked(entry, f"{path}, {name}") for entry in entries]
    return hands


def _composed(name: str) -> str:
    """The name in NFC: programs and file systems differ in how they compose letters."""
    return unicodedata.normalize("NFC", name)


def _known(column: np.ndarray | None, row: int) -> np.ndarray | None:
    """A row of a column of detections; None where nothing is known."""
    return None if column is None or np.isnan(column[row]).any() else column[row]


def _checked(entry: dict, what: str) -> dict[str, Any]:
    """Checks the box and the hand of an entry."""
    box, hand = entry.get("box"), entry.get("hand")
    if hand is not None and hand not in HANDS:
        raise DatasetError(f'{what}: "hand" must be left or right, got {shown(hand)}')
    if box is not None:
        box = tuple(as_array(box, (4,), what=f"{what}, box").tolist())
        if min(box[2:]) <= 0:
            raise DatasetError(f"{what}, box: expected width and height above 0, got {box[2]:g} x {box[3]:g}")
    return {"box": box, "hand": hand}
