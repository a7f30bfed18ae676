"""The hands of a photo: as a detections file has them, or one somewhere in the photo."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detections import Detections
from s2hand.errors import DatasetError
from s2hand.files import inside_folder
from s2hand.images.crops import WHOLE
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.photos import PhotoHeader
from s2hand.images.videos import FRAME_ENDING, FRAME_NAME
from s2hand.prediction.found_hands import FoundHands, answer_or_error
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO, PredictOptions
from s2hand.prediction.photos import Photo

COLUMNS = ("keypoints", "confidence", "sizes", "boxes", "hands", "cameras")
"""What a row of detections may say of a hand."""

TRIED_NAMES = 1000
"""Number of names, evenly chosen, that are looked for on disk to find the folder that was detected on."""


class DetectedHands:
    """Looks up the hands of photos and of frames of videos.

    Args:
        options: which detections file, which hands, and the camera of photos without one.

    Attributes:
        detections: the file's content, with names, or None.
        stated: the camera of photos without one.
        doubts: lines for the user on joints in another order, and on what :meth:`match` had to guess.
        finder: looks for the hands of what the detections do not name; None: a network is to look at the
            whole of it.
        fewest: hands with fewer keypoints are left out, as the network cannot answer for them.
        left_out: a line for each hand of a photo that was.

    Raises:
        DatasetError: the detections cannot be read or have no names, or the stated camera is not valid.
    """

    def __init__(self, options: PredictOptions) -> None:
        self.hand, self.path = options.hand, options.detections
        self.detections: Detections | None = None
        if self.path is not None:
            self.detections = read_detections(self.path)
            if self.detections.names is None:
                raise DatasetError(f"{self.path} has no image names: run `s2hand detect` again")
        K = None
        if options.K is not None:
            fx, fy, cx, cy = options.K
            K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        self.stated = StatedCamera(options.focal, K)
        doubt = "" if self.detections is None else self.detections.order_doubt(self.path)
        self.doubts = [doubt] if doubt else []
        self._names: dict[Path, str] = {}
        self.finder: FoundHands | None = None
        self.fewest = 0
        self.left_out: list[str] = []

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """Name in NFC, as file systems differ in how letters are composed -> rows; none: no hand found."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(() if self.detections is None else self.detections.names):
            rows.setdefault(unicodedata.normalize("NFC", name), []).append(row)
        for name in () if self.detections is None else self.detections.without_hands:
            rows.setdefault(unicodedata.normalize("NFC", name), [])
        return rows

    @cached_property
    def _files(self) -> dict[str, None]:
        """The photos and videos that the detections name, in NFC and in order."""
        return dict.fromkeys(FRAME_ENDING.sub("", name) for name in self._rows)

    def match(self, photos: Sequence[Photo]) -> list[Photo]:
        """Finds out which photos and videos the detections are about; to be called before :meth:`views`.

        Names in detections are relative to the folder that was detected on, which may be another one than the
        user names now. It is the folder, of a photo's own and those above it, under which most of the names
        exist.

        Returns:
            The photos that the detections do not name.

        Raises:
            DatasetError: one name fits several photos.
        """
        if self.detections is None:
            return []
        roots: dict[Path, Path] = {}
        claimed: dict[str, Photo] = {}
        unknown = []
        for photo in photos:
            if photo.root not in roots:
                roots[photo.root] = self._detected_root(photo.root)
            name = Path(os.path.relpath(photo.path, roots[photo.root])).as_posix()
            name = unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())
            if name not in self._files:
                unknown.append(photo)
            elif name in claimed:
                raise DatasetError(
                    f"{self.path}: {name} may be {claimed[name].path} or {photo.path}: predict on one folder "
                    "at a time, or detect on a folder that holds both"
                )
            else:
                claimed[name] = photo
                self._names[photo.path] = name
        return unknown

    def _detected_root(self, own: Path) -> Path:
        """The folder that names are relative to; ``own`` if nothing speaks for another one."""
        names = list(self._files)
        tried = names[:: -(-len(names) // TRIED_NAMES) or 1]
        beside = Path(self.path).expanduser().absolute().parent
        # One folder may be written in several ways; its first one counts.
        candidates = {root.resolve(): root for root in reversed((own, beside, *own.parents))}
        found = {root: sum(_exists(root, name) for name in tried) for root in reversed(candidates.values())}
        best, *others = (root for root in found if found[root] == max(found.values()))
        if others and found[best]:
            self.doubts.append(
                f"{self.path} fits the files in {best} and in {others[0]}: it is taken for those in {best}"
            )
        return best

    def views(
        self, viewer: Viewer, photo: Photo, pixels: np.ndarray, header: PhotoHeader, frame: int | None = None
    ) -> list[HandView]:
        """The hands of a photo or frame: all that were detected, or one somewhere in it if nobody looked.

        In videos that the detections name, frames without a detected hand have none: a guess from the whole
        frame would make the hand jump.

        Args:
            viewer: makes the views.
            photo: the photo, or the video.
            pixels: (H, W, 3) uint8 RGB.
            header: the header of the photo or frame.
            frame: number of the frame; None for photos.

        Raises:
            DatasetError: the photo has another size than the one that was detected on, or a box or camera of
                the detections is not valid.
        """
        name = self._names.get(photo.path)
        if name is None and self.finder is not None:
            return self.finder.views(viewer, photo, pixels, header, frame)
        if name is None:
            return [self._view(viewer, photo, pixels, header, None)]
        key = name if frame is None else FRAME_NAME.format(video=name, frame=frame)
        views = [self._view(viewer, photo, pixels, header, row) for row in self._rows.get(key, [])]
        usable = [view for view in views if _keypoints_of(view) >= self.fewest]
        if frame is not None:
            return [view for view in usable if view.looked_at != WHOLE]
        self.left_out += [
            f"{photo.name}: its {view.hand} hand has {_keypoints_of(view)} detected keypoints, and the "
            f"network needs {self.fewest}"
            for view in views
            if _keypoints_of(view) < self.fewest
        ]
        return usable

    def in_photos(
        self, viewer: Viewer, photos: Sequence[tuple[Photo, np.ndarray, PhotoHeader]]
    ) -> list[list[HandView] | DatasetError]:
        """The hands of photos, or why one cannot be used.

        Args:
            viewer: makes the views.
            photos: each with its pixels (H, W, 3), uint8 RGB, and its header.
        """
        return [answer_or_error(self.views, viewer, *photo) for photo in photos]

    def _view(
        self, viewer: Viewer, photo: Photo, pixels: np.ndarray, header: PhotoHeader, row: int | None
    ) -> HandView:
        found = {} if row is None else self._row(row)
        size = header.width, header.height
        if found.get("sizes") is not None and tuple(found["sizes"]) != size:
            width, height = found["sizes"]
            raise DatasetError(
                f"{photo.name} has {size[0]} x {size[1]} px, but the detections are for {width} x {height} "
                "px: detect again"
            )
        view = viewer.view(
            photo.name,
            pixels,
            header,
            found.get("hands", "right") if self.hand == AUTO else self.hand,
            K=found.get("cameras"),
            box=found.get("boxes"),
            keypoints=found.get("keypoints"),
            confidence=found.get("confidence"),
        )
        tracks = self.detections.tracks if row is not None else None
        return view if tracks is None else replace(view, track=tracks[row])

    def _row(self, row: int) -> dict:
        """What a row of the detections says; columns that say nothing are left out."""
        columns = {name: getattr(self.detections, name) for name in COLUMNS}
        found = {name: column[row] for name, column in columns.items() if column is not None}
        return {
            name: value
            for name, value in found.items()
            if isinstance(value, str) or not np.isnan(value).any()
        }


def _keypoints_of(view: HandView) -> int:
    """How many were detected."""
    return 0 if view.keypoints is None else int(np.count_nonzero(view.confidence))


def _exists(root: Path, name: str) -> bool:
    """Whether a folder holds a file of this name, in NFC or decomposed."""
    forms = (name,) if name.isascii() else (name, unicodedata.normalize("NFD", name))
    return inside_folder(name) is not None and any((root / form).is_file() for form in forms)
