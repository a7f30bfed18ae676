"""Hand boxes from a file: which part of which picture shows which hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from s2hand.data.detections import FORMAT, HANDS, read_detections
from s2hand.data.errors import DatasetError
from s2hand.data.json_files import as_array, read_json
from s2hand.engine.detection.sources import PictureSource

EXPECTED = (
    '{"a.jpg": [{"box": [x, y, width, height], "hand": "left"}, ...], ...} or a detections file with boxes'
)
NAMES_SHOWN = 3


def with_boxes(source: PictureSource, path: str | Path) -> PictureSource:
    """Gives pictures the boxes and hands of a file; one with several hands then comes several times.

    Args:
        source: the pictures.
        path: a JSON object, picture name -> list of ``{"box": [x, y, width, height] or null, "hand": "left",
            "right" or null}``, or a detections file of the versioned format. Pictures that it does not name
            are taken whole.

    Raises:
        DatasetError: the file is missing, broken, or names pictures that the source does not have.
    """
    hands = _read_boxes(path)
    names = {picture.name for picture in source.pictures}
    if strange := [name for name in hands if name not in names]:
        shown = ", ".join(strange[:NAMES_SHOWN])
        raise DatasetError(
            f"{path}: {len(strange)} of its pictures are not in the source (first {shown}): names are "
            "relative to it, with /"
        )
    pictures = []
    for picture in source.pictures:
        entries = hands.get(picture.name, [(picture.box, picture.hand)])
        pictures += [replace(picture, box=box, hand=hand) for box, hand in entries]
    return source.with_pictures(pictures)


def _read_boxes(path: str | Path) -> dict[str, list[tuple]]:
    """Picture name -> (box or None, hand or None) of each of its hands."""
    content = read_json(path, remedy=f"expected {EXPECTED}")
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected {EXPECTED}")
    hands: dict[str, list[tuple]] = {}
    if content.get("format") == FORMAT:
        found = read_detections(path)
        for row, name in enumerate(found.names):
            box = None if found.boxes is None or np.isnan(found.boxes[row]).any() else found.boxes[row]
            entry = {"box": box, "hand": found.hands[row] if found.hands else None}
            hands.setdefault(name, []).append(_checked(entry, f"{path}, {name}"))
        return hands
    for name, entries in content.items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DatasetError(f"{path}, {name}: expected {EXPECTED}")
        hands[name] = [_checked(entry, f"{path}, {name}") for entry in entries]
    return hands


def _checked(entry: dict, what: str) -> tuple[tuple[float, ...] | None, str | None]:
    """Box and hand of an entry."""
    box, hand = entry.get("box"), entry.get("hand")
    if hand is not None and hand not in HANDS:
        raise DatasetError(f'{what}: "hand" must be left or right, got {hand!r:.80}')
    if box is not None:
        box = tuple(as_array(box, (4,), what=f"{what}, box").tolist())
        if min(box[2:]) <= 0:
            raise DatasetError(f"{what}, box: expected width and height above 0, got {box[2]:g} x {box[3]:g}")
    return box, hand
