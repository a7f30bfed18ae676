"""Reader of the landmarks that MediaPipe's hand solutions give, however a program wrote them as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from s2hand.datasets.json_files import as_array
from s2hand.detection.imported_hands import ImageRef, ImportedHand, is_list_of_objects, require, side
from s2hand.detection.mediapipe.confidence import confidence_of_one_look
from s2hand.skeleton import NUM_JOINTS

LANDMARKS = ("hand_landmarks", "handLandmarks", "multi_hand_landmarks", "multiHandLandmarks", "landmarks")
HANDEDNESS = ("handedness", "handednesses", "multi_handedness", "multiHandedness")
LABELS = ("category_name", "categoryName", "label", "display_name", "displayName")
"""The same lists in Python's and JavaScript's interfaces, old and new."""


def is_mediapipe(content: Any) -> bool:
    """Whether a JSON's content is the result for an image, or an object of images' names and results."""
    return isinstance(content, dict) and (
        _is_result(content) or (bool(content) and all(map(_is_result, content.values())))
    )


def read_mediapipe(content: Any, stem: str, path: str) -> Iterator[ImportedHand]:
    """Reads the hands of one image or of several.

    Landmarks are shares of the image. MediaPipe gives no confidence of a landmark; what is known of this
    network's landmarks from a single look stands in.

    Args:
        content: what the JSON file holds.
        stem: the file's name without ending, relative to the folder that was named.
        path: the file, for messages.

    Yields:
        Hands with the sides that MediaPipe wrote.

    Raises:
        DatasetError: something does not fit the format.
    """
    results = {stem: content} if _is_result(content) else content
    for name, result in results.items():
        what = path if len(results) == 1 else f"{path}, {name}"
        hands = _first(result, LANDMARKS) or []
        sides = _first(result, HANDEDNESS) or [None] * len(hands)
        require(
            isinstance(hands, list) and isinstance(sides, list) and len(hands) == len(sides),
            f"{what}: expected as many entries of handedness as hands",
        )
        for number, (landmarks, sided) in enumerate(zip(hands, sides, strict=True)):
            where = f"{what}, hand {number}"
            yield ImportedHand(
                ImageRef(name),
                side(_label(sided), where),
                _points(landmarks, where),
                confidence_of_one_look(1)[0].astype(np.float32),
            )


def _is_result(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(_first(content, LANDMARKS), list)


def _first(content: dict, keys: tuple[str, ...]) -> Any:
    """The value of the first key that an object has; None without any."""
    return next((content[key] for key in keys if key in content), None)


def _label(sided: Any) -> Any:
    """The side in an entry of handedness: a text, or an object or list with the likeliest category first."""
    while isinstance(sided, (list, dict)):
        if isinstance(sided, list):
            sided = sided[0] if sided else None
        else:
            sided = _first(sided, (*LABELS, "classification", "categories"))
    return sided


def _points(landmarks: Any, where: str) -> np.ndarray:
    """(21, 2) shares of the image."""
    if isinstance(landmarks, dict):
        landmarks = landmarks.get("landmark", landmarks.get("landmarks"))
    if landmarks and is_list_of_objects(landmarks, ["x", "y"]):
        landmarks = [[point.get("x"), point.get("y")] for point in landmarks]
    points = landmarks if isinstance(landmarks, list) else None
    if points and all(isinstance(point, list) for point in points):
        points = [point[:2] for point in points]
    return as_array(points, (NUM_JOINTS, 2), what=f"{where}, landmarks")
