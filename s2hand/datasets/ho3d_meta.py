"""HO-3D's per-frame pickles: read without running code, once, and kept in an index.

Reading 66,000 pickles takes minutes; the index of their cameras, boxes and joints loads at once.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.cache import cached_file
from s2hand.errors import DatasetError
from s2hand.progress_bar import ProgressBar
from s2hand.safe_pickle import loads_arrays, plain_array
from s2hand.skeleton import HO3D_TO_FREIHAND, NUM_JOINTS

OPENGL_TO_CAMERA = np.array([1.0, -1.0, -1.0])
"""HO-3D's y points up and its z backwards."""

MAX_PICKLE_BYTES = 1 << 20
"""HO-3D's have a few thousand; a larger file is something else."""

INDEX_FORMAT = 1
BROKEN = "copy or download it again"


def read_meta(path: Path) -> dict:
    """Reads one frame's pickle.

    Raises:
        DatasetError: it is missing, damaged, too large, not a dict, or asks for anything but arrays.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PICKLE_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error.strerror}): is the dataset complete?") from None
    if len(content) > MAX_PICKLE_BYTES:
        raise DatasetError(f"{path} has more than {MAX_PICKLE_BYTES} bytes: expected HO-3D's annotation")
    try:
        return loads_arrays(content)
    except pickle.UnpicklingError as error:
        raise DatasetError(f"{path} is not a pickle of arrays ({error}): {BROKEN}") from None


@dataclass(frozen=True)
class Ho3dIndex:
    """The content of a split's pickles, by frame of its list.

    Attributes:
        K: (N, 3, 3) px of the whole image.
        boxes: (N, 4) px, left, top, right, bottom of the hand.
        joints: (N, 21, 3) metres, FreiHAND order, camera frame; None in evaluation.
    """

    K: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray | None


def load_index(folder: Path, frames: Sequence[str], *, labelled: bool) -> Ho3dIndex:
    """Loads a split's index; makes it, with a progress bar, if frames or pickles have changed.

    Args:
        folder: ``train`` or ``evaluation``.
        frames: its frames, ``<sequence>/<number>``.
        labelled: whether the pickles hold all joints (training) or boxes (evaluation).

    Raises:
        DatasetError: a pickle is missing, damaged or lacks an entry.
    """
    sequences = sorted({frame.partition("/")[0] for frame in frames})
    try:
        # A folder's time changes with each file that comes, goes or is replaced.
        times = [str((folder / sequence / "meta").stat().st_mtime_ns) for sequence in sequences]
    except OSError as error:
        raise DatasetError(
            f"cannot read {error.filename} ({error.strerror}): is the dataset complete?"
        ) from None
    listing = hashlib.sha256("\n".join(frames).encode()).hexdigest()
    stamp = " ".join([str(INDEX_FORMAT), listing, *times])
    path = cached_file(
        folder, stamp, ".npz", lambda target: np.savez(target, **_read_frames(folder, frames, labelled))
    )
    with np.load(path, allow_pickle=False) as index:
        return Ho3dIndex(index["K"], index["boxes"], index["joints"] if labelled else None)


def _read_frames(folder: Path, frames: Sequence[str], labelled: bool) -> dict[str, np.ndarray]:
    """Reads all pickles of a split into arrays."""
    cameras, boxes, joints = [], [], []
    for frame in ProgressBar(frames, desc=f"indexing {folder.name}", unit="frame", dynamic_ncols=True):
        sequence, _, number = frame.partition("/")
        path = folder / sequence / "meta" / f"{number}.pkl"
        meta = read_meta(path)
        K = _entry(meta, "camMat", (3, 3), path)
        if labelled:
            hand = _entry(meta, "handJoints3D", (NUM_JOINTS, 3), path)
            hand = hand[list(HO3D_TO_FREIHAND)] * OPENGL_TO_CAMERA
            projected = hand @ K.T
            pixels = projected[:, :2] / projected[:, 2:]
            joints.append(hand)
            boxes.append([*pixels.min(0), *pixels.max(0)])
        else:
            boxes.append(_entry(meta, "handBoundingBox", (4,), path))
        cameras.append(K)
    arrays = {"K": cameras, "boxes": boxes} | ({"joints": joints} if labelled else {})
    return {name: np.asarray(rows, np.float32) for name, rows in arrays.items()}


def _entry(meta: dict, key: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """One entry of a pickle as float64, checked."""
    value = meta.get(key)
    try:
        array = plain_array(value).astype(np.float64)
    except pickle.UnpicklingError:
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise DatasetError(
            f"{path}: expected {key} to be {shape} finite numbers, got {type(value).__name__}: {BROKEN}"
        )
    return array
