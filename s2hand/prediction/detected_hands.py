"""The hands of a photo: as a detections file has them, or one somewhere in the photo."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from s2hand.datasets.detections import Detections, read_detections
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.photos import PhotoHeader
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.options import AUTO, PredictOptions

COLUMNS = ("keypoints", "confidence", "sizes", "boxes", "hands", "cameras")
"""What a row of detections may say of a hand."""


class DetectedHands:
    """Looks up the hands of photos and of frames of videos.

    Args:
        options: which detections file, which hands, and the camera of photos without one.

    Attributes:
        detections: the file's content, with names, or None.
        stated: the camera of photos without one.

    Raises:
        DatasetError: the detections cannot be read or have no names, or the stated camera is not valid.
    """

    def __init__(self, options: PredictOptions) -> None:
        self.hand = options.hand
        self.detections: Detections | None = None
        if options.detections is not None:
            self.detections = read_detections(options.detections)
            if self.detections.names is None:
                raise DatasetError(f"{options.detections} has no image names: run `s2hand detect` again")
        K = None
        if options.K is not None:
            fx, fy, cx, cy = options.K
            K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        self.stated = StatedCamera(options.focal, K)

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """Name -> rows of the detections."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(() if self.detections is None else self.detections.names):
            rows.setdefault(name, []).append(row)
        return rows

    def of_video(self) -> DetectedHands:
        """What finds the hands of one video's frames: the detections name them."""
        return self

    def knows(self, name: str) -> bool:
        """Whether the detections mention a photo."""
        return name in self._rows

    def views(self, viewer: Viewer, name: str, photo: np.ndarray, header: PhotoHeader) -> list[HandView]:
        """The hands of a photo: all that were detected, or one somewhere in it.

        Args:
            viewer: makes the views.
            name: the photo's name in the detections.
            photo: (H, W, 3) uint8 RGB.
            header: the photo's header.

        Raises:
            DatasetError: the photo has another size than the one that was detected on, or a box or camera of
                the detections is not valid.
        """
        views = []
        for row in self._rows.get(name, [None]):
            found = {} if row is None else self._row(row)
            size = header.width, header.height
            if found.get("sizes") is not None and tuple(found["sizes"]) != size:
                width, height = found["sizes"]
                raise DatasetError(
                    f"{name} has {size[0]} x {size[1]} px, but the detections are for {width} x {height} px: "
                    "detect again"
                )
            view = viewer.view(
                name,
                photo,
                header,
                found.get("hands", "right") if self.hand == AUTO else self.hand,
                K=found.get("cameras"),
                box=found.get("boxes"),
                keypoints=found.get("keypoints"),
                confidence=found.get("confidence"),
            )
            views.append(view)
        return views

    def _row(self, row: int) -> dict:
        """What a row of the detections says; columns that say nothing are left out."""
        columns = {name: getattr(self.detections, name) for name in COLUMNS}
        found = {name: column[row] for name, column in columns.items() if column is not None}
        return {
            name: value
            for name, value in found.items()
            if isinstance(value, str) or not np.isnan(value).any()
        }
