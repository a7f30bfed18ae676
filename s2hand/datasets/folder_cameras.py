"""The cameras of a folder's photos, found by opening as few of them as possible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2hand.datasets.detections import Detections
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photo_index import read_headers
from s2hand.images.photos import PhotoHeader

UNREADABLE = "unreadable"
"""The source of a camera that could not be found, since the photo cannot be read."""

_NO_HEADER = PhotoHeader(0, 0, None)
"""Stands for the header where K is known."""


def find_cameras(
    root: Path, detections: Detections, rows: Sequence[int], stated: StatedCamera
) -> tuple[np.ndarray, list[str]]:
    """Chooses the camera of every sample; see :func:`s2hand.images.intrinsics.choose_camera`.

    Args:
        root: folder of the photos.
        detections: with names.
        rows: rows of the detections that are samples.
        stated: the camera stated for all photos.

    Returns:
        K (N, 3, 3) float64 px of the upright photos, NaN where a photo cannot be read, and the source of
        each.

    Raises:
        DatasetError: the detections hold a K that is no camera.
    """
    given = {}
    if detections.cameras is not None:
        known = ~np.isnan(detections.cameras).any((1, 2))
        given = {row: detections.cameras[row] for row in np.flatnonzero(known).tolist()}
    # Those of all rows, so that training and evaluation share one cached copy of them.
    headers = _headers(root, detections, [row for row in range(len(detections)) if row not in given], stated)
    cameras, sources = np.full((len(rows), 3, 3), np.nan), []
    for index, row in enumerate(rows):
        name, own = detections.names[row], given.get(row)
        if own is None and stated.K is None and name not in headers:
            sources.append(UNREADABLE)
            continue
        try:
            cameras[index], source = choose_camera(headers.get(name, _NO_HEADER), own, stated)
        except DatasetError as error:
            raise DatasetError(f"{name}: {error}") from None
        sources.append(source)
    return cameras, sources


def _headers(
    root: Path, detections: Detections, rows: Sequence[int], stated: StatedCamera
) -> dict[str, PhotoHeader]:
    """The headers needed of photos without a K of their own, by name."""
    if stated.K is not None:
        return {}
    if stated.focal_px is not None and detections.sizes is not None:  # EXIF would not be asked
        return {detections.names[row]: PhotoHeader(*detections.sizes[row].tolist(), None) for row in rows}
    return read_headers(root, [detections.names[row] for row in rows])
