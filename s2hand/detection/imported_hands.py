"""A hand as another program wrote it, and the checks of numbers that all formats share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2hand.datasets.json_files import as_array
from s2hand.errors import DatasetError, shown
from s2hand.skeleton import NUM_JOINTS


@dataclass(frozen=True)
class ImageRef:
    """How a file of another program refers to an image.

    Attributes:
        name: name relative to the images' folder, with or without its ending.
        number: COCO's number of the image, where only that is known.
        size: (width, height) px as the file states it; None if it does not.
    """

    name: str = ""
    number: int | None = None
    size: tuple[int, int] | None = None

    def __str__(self) -> str:
        return self.name or f"image {self.number}"


@dataclass(frozen=True)
class ImportedHand:
    """One hand of another program's file.

    Attributes:
        image: the image that shows it.
        hand: "left", "right", or None if the file does not say.
        keypoints: (21, 2) in the format's unit.
        confidence: (21,), 0 where missed.
    """

    image: ImageRef
    hand: str | None
    keypoints: np.ndarray
    confidence: np.ndarray


def hand_of_triples(image: ImageRef, hand: str | None, values: Any, what: str) -> ImportedHand | None:
    """A hand of 63 numbers x, y, confidence, x, y, ...

    Returns:
        None if no joint was found.

    Raises:
        DatasetError: they are not 63 numbers.
    """
    if isinstance(values, list) and len(values) == NUM_JOINTS and isinstance(values[0], list):
        points = as_array(values, (NUM_JOINTS, 3), what=what)
    else:
        points = as_array(values, (3 * NUM_JOINTS,), what=what).reshape(NUM_JOINTS, 3)
    return hand_of(image, hand, points[:, :2], points[:, 2])


def hand_of(
    image: ImageRef, hand: str | None, keypoints: np.ndarray, confidence: np.ndarray
) -> ImportedHand | None:
    """A hand; None if no joint was found."""
    return ImportedHand(image, hand, keypoints, confidence) if (confidence > 0).any() else None


def side(text: Any, what: str) -> str | None:
    """ "left" or "right" in any case; None if nothing is given.

    Raises:
        DatasetError: it is something else.
    """
    if text in (None, ""):
        return None
    word = text.strip().lower() if isinstance(text, str) else text
    if word not in ("left", "right"):
        raise DatasetError(f"{what}: a hand must be left or right, got {shown(text)}")
    return word


def require(condition: bool, message: str) -> None:
    """Refuses what does not fit a format.

    Raises:
        DatasetError: the condition is not met.
    """
    if not condition:
        raise DatasetError(message)


def is_list_of_objects(value: Any, keys: Sequence[str] = ()) -> bool:
    """Whether a value is a list of objects, the first of which has some keys; an empty list counts."""
    return (
        isinstance(value, list)
        and all(isinstance(item, dict) for item in value)
        and (not value or set(keys) <= set(value[0]))
    )
