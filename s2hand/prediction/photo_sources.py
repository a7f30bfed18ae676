"""Which pictures to predict from, and where their hands are: by a detections file, or anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from s2hand.datasets.detections import Detections
from s2hand.errors import DatasetError
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader, list_photos, photo_names, read_photo, read_photo_header
from s2hand.prediction.asked_hands import CALLERS_SOURCE
from s2hand.prediction.hand_views import HandView, find_square

AUTO = "auto"

INDEX_STEM = "index"
"""Of index.json, which lists everything that was written."""

OWN_ENDING = re.compile(r"\.(hand\d+|mask|overlay)$")
"""What the names of written files have after the picture's stem."""

LONGEST_STEM_BYTES = 180
"""Of a file's name before its ending: systems take 255 bytes, and names of partial files are longer."""


@dataclass(frozen=True)
class NamedPhoto:
    """A picture.

    Attributes:
        path: the file.
        name: relative to the folder it was found in, with "/", as in detections files.
        stem: of the files that are written for it, without ending; no other picture has the same.
    """

    path: Path
    name: str
    stem: str


def named_photos(sources: Sequence[str | Path]) -> list[NamedPhoto]:
    """The pictures of folders, patterns and files.

    Args:
        sources: see :func:`s2hand.images.photos.list_photos`.

    Returns:
        Each picture once, in the order given.

    Raises:
        DatasetError: a source has no picture.
    """
    found: dict[Path, str] = {}
    for source in sources:
        paths = list_photos(source)
        for path, name in zip(paths, photo_names(source, paths), strict=True):
            found.setdefault(path, name)
    stems = [str(Path(name).with_suffix("")) for name in found.values()]
    taken = {INDEX_STEM}
    photos = []
    for (path, name), stem in zip(found.items(), stems, strict=True):
        # a.jpg and a.png of one folder keep their endings, and so does a.hand0.jpg, whose files would else be
        # those of the first hand of a.jpg; what still meets gets a number.
        free = base = _writable(name if stems.count(stem) > 1 or OWN_ENDING.search(stem) else stem)
        number = 2
        while free in taken:
            free, number = f"{base}_{number}", number + 1
        taken.add(free)
        photos.append(NamedPhoto(path, name, free))
    return photos


def _writable(stem: str) -> str:
    """A stem that leaves room for endings, and that files which name others, line by line, can hold."""
    stem = "".join(character if character.isprintable() else "_" for character in stem)
    folder, slash, last = stem.rpartition("/")
    return folder + slash + last.encode()[:LONGEST_STEM_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class HandFinder:
    """Finds the hands of a picture: in a detections file, or one in the whole picture.

    Attributes:
        detections: with names, or None.
        hand: "left" or "right" for all hands, or "auto": as detected, and right where nothing is known.
        stated: camera of pictures that come without one.
        squares: where to look for hands that were detected.
    """

    detections: Detections | None = None
    hand: str = AUTO
    stated: StatedCamera = field(default_factory=StatedCamera)
    squares: SquareRule = DEFAULT_SQUARES

    def __post_init__(self):
        if self.detections is not None and self.detections.names is None:
            raise DatasetError("the detections file has no picture names: run `s2hand detect` again")

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """Name -> rows of the detections."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(() if self.detections is None else self.detections.names):
            rows.setdefault(name, []).append(row)
        return rows

    def knows(self, name: str) -> bool:
        """Whether the detections name a picture."""
        return name in self._rows

    def views_of_file(self, photo: NamedPhoto) -> list[HandView]:
        """Reads a picture and finds its hands.

        Raises:
            DatasetError: the picture cannot be read, or is not the one that was detected on.
        """
        return self.views(photo.name, read_photo(photo.path), read_photo_header(photo.path))

    def views(self, name: str, pixels: np.ndarray, header: PhotoHeader) -> list[HandView]:
        """The hands of a picture that was read: all that were detected, or one somewhere in it.

        Args:
            name: as in the detections.
            pixels: (H, W, 3) uint8 RGB.
            header: the picture's.

        Raises:
            DatasetError: it is not the picture that was detected on, or a camera or box is none.
        """
        return [self._view(row, name, pixels, header) for row in self._rows.get(name, [None])]

    def _view(self, row: int | None, name: str, pixels: np.ndarray, header: PhotoHeader) -> HandView:
        size = header.width, header.height
        found = _row(self.detections, row)
        if found.get("sizes") is not None and tuple(found["sizes"]) != size:
            width, height = found["sizes"]
            raise DatasetError(
                f"{name} has {size[0]} x {size[1]} px, the detections are of {width} x {height}: detect again"
            )
        K, source = choose_camera(header, found.get("cameras"), self.stated)
        hand = found.get("hands", "right") if self.hand == AUTO else self.hand
        keypoints, confidence = found.get("keypoints"), found.get("confidence")
        square, looked_at = find_square(size, found.get("boxes"), keypoints, confidence, self.squares)
        return HandView(
            photo=pixels,
            K=K,
            focal_source=CALLERS_SOURCE.get(source, source),
            hand=hand,
            square=square,
            looked_at=looked_at,
            keypoints=keypoints,
            confidence=confidence,
        )


def _row(detections: Detections | None, row: int | None) -> dict:
    """What a row of detections says; what it does not know is left out."""
    if row is None:
        return {}
    names = ("keypoints", "confidence", "sizes", "boxes", "hands", "cameras")
    columns = {name: getattr(detections, name) for name in names}
    found = {name: column[row] for name, column in columns.items() if column is not None}
    return {
        name: value for name, value in found.items() if isinstance(value, str) or not np.isnan(value).any()
    }
