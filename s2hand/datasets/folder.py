"""Anyone's pictures as a dataset: a folder, and a JSON of what a detector found in it.

Each row of the detections is a sample: the square about one hand, seen by a camera that looks at it
(:mod:`s2hand.images.square_view`), as in prediction. Left hands are mirrored, so that the network sees right
hands only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.base import HandDataset, SampleRecord
from s2hand.cache import file_stamp
from s2hand.images.crops import DEFAULT_MARGIN, DEFAULT_MIN_CONFIDENCE, SquareRule
from s2hand.datasets.detections import Detections, read_detections
from s2hand.errors import DatasetError
from s2hand.files import require_folder
from s2hand.datasets.folder_cameras import UNREADABLE, find_cameras
from s2hand.datasets.folder_labels import FolderLabels, read_folder_labels
from s2hand.images.intrinsics import SOURCES, StatedCamera
from s2hand.datasets.name_split import SPLITS, in_split
from s2hand.images.photos import read_photo_header
from s2hand.images.transforms import AugmentationConfig
from s2hand.datasets.trust import photometric_weight
from s2hand.skeleton import SCALE_BONE

LAYOUT = "a folder of pictures with detections.json, which `s2hand detect` writes"
DETECTIONS_FILE = "detections.json"
LABELS = ("joints", "vertices", "scale")

DEFAULT_MIN_JOINTS = 11
"""More than half of the joints: with fewer, neither the place nor the pose of a hand is known."""

DEFAULT_VAL_SHARE = 0.1


class FolderDataset(HandDataset):
    """A folder of pictures, cropped about the hands that a detector found.

    Pictures are in the evaluation split or not by a hash of their names alone, so that adding pictures
    changes nothing for the others.

    Args:
        root: the pictures' folder.
        split: ``training`` or ``evaluation``.
        detections: a file, or loaded detections with names; ``auto`` for ``detections.json`` under ``root``.
        image_size: side of the samples' images in pixels.
        augment: random changes of training pictures; None for none.
        labels: which of ``joints``, ``vertices``, ``scale`` to read from ``labels_file``.
        labels_file: see :func:`s2hand.datasets.folder_labels.read_folder_labels`; None if there are none.
        stated: camera of all pictures; see :mod:`s2hand.images.intrinsics` for where cameras come from.
        margin: free part of the crop on each side, in longer sides of the hand's box (or its keypoints').
        min_confidence: a joint counts as found if it is more certain than this.
        min_joints: hands with fewer joints found are left out, and counted.
        val_share: of the pictures that are for evaluation; 0 takes all of them for both.
        controlled_size: use only the first so many hands.
        seed: of the random changes.
        key: config key that names ``root``, for messages.

    Raises:
        DatasetError: files are missing, damaged or do not fit together, or nothing is left.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "training",
        *,
        detections: Detections | str | Path = "auto",
        image_size: int = 224,
        augment: AugmentationConfig | None = None,
        labels: Iterable[str] = (),
        labels_file: str | Path | None = None,
        stated: StatedCamera | None = None,
        margin: float = DEFAULT_MARGIN,
        min_confidence: float = DEFAULT_MIN_CONFIDENCE,
        min_joints: int = DEFAULT_MIN_JOINTS,
        val_share: float = DEFAULT_VAL_SHARE,
        controlled_size: int | None = None,
        seed: int = 0,
        key: str = "folder_base_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed)
        if split not in SPLITS:
            raise DatasetError(f"split must be training or evaluation, got {split!r}")
        self.root = require_folder(root, key=key, expected=LAYOUT)
        self.split = split
        self.min_confidence, self.min_joints = min_confidence, min_joints
        self.squares = SquareRule(margin, min_confidence)
        self.detections, self.source = self._load_detections(detections)
        names = self.detections.names
        found = (self.detections.confidence > min_confidence).sum(-1) >= min_joints
        self.num_left_out = int((~found).sum())
        if not found.any():
            raise DatasetError(
                f"{self.source}: none of its {len(found)} hands has {min_joints} joints above "
                f"{min_confidence:g}: lower folder_min_joints or folder_min_confidence, or detect again"
            )
        chosen = in_split([names[row] for row in np.flatnonzero(found)], split, val_share)
        self.rows = np.flatnonzero(found)[chosen][:controlled_size]
        if not len(self.rows):
            raise DatasetError(
                f"{self.root}: no picture is left for {split} with a folder_val_share of {val_share:g}: "
                "set another share (0 uses every picture for both), or add pictures"
            )
        try:
            self._cameras, self.camera_sources = find_cameras(
                self.root, self.detections, self.rows, stated or StatedCamera()
            )
        except DatasetError as error:
            raise DatasetError(f"{self.source}, {error}") from None
        self._labels = self._read_labels(frozenset(labels), labels_file)

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """A sample's picture, relative to the folder."""
        return self.detections.names[self.rows[index]]

    def hand(self, index: int) -> str:
        """``left`` or ``right``; right where the detections do not tell."""
        hands = self.detections.hands
        return "right" if hands is None else hands[self.rows[index]]

    def image_path(self, index: int) -> Path:
        return self.root / self.name(index)

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        """Looks up one sample.

        Raises:
            DatasetError: its picture cannot be read, or no square can be put about the hand.
        """
        row = self.rows[index]
        keypoints, confidence = self.detections.keypoints[row], self.detections.confidence[row]
        sizes = self.detections.sizes
        return SampleRecord(
            image_path=self.image_path(index),
            K=self._camera(index),
            crop=self._crop(index),
            keypoints_2d=keypoints,
            confidence=confidence,
            photometric_weight=float(photometric_weight(confidence)),
            **self._labels_of(row),
            mirrored=self.hand(index) == "left",
            look_at=True,
            upright=True,
            size=None if sizes is None else tuple(int(length) for length in sizes[row]),
        )

    def summary(self) -> str:
        """One line: what was taken, what was left out, and where the cameras come from."""
        pictures = len({self.name(index) for index in range(len(self))})
        lefts = sum(self.hand(index) == "left" for index in range(len(self)))
        counts = Counter(self.camera_sources)
        sources = [f"{counts[name]:,} {name}" for name in (*SOURCES, UNREADABLE) if counts[name]]
        line = (
            f"{self.root}, {self.split}: {len(self):,} hands ({lefts:,} left, mirrored) in {pictures:,} "
            f"pictures; {self.num_left_out:,} of {len(self.detections):,} left out for fewer than "
            f"{self.min_joints} joints above {self.min_confidence:g}; cameras: {', '.join(sources)}"
        )
        unreadable = len(self.detections.unreadable)
        return line + (f"; the detector could not read {unreadable:,} pictures" if unreadable else "")

    def _load_detections(self, detections: Detections | str | Path) -> tuple[Detections, str]:
        """The detections, and what they are called in messages."""
        source = "the given detections"
        if not isinstance(detections, Detections):
            path = self.root / DETECTIONS_FILE if detections == "auto" else Path(detections).expanduser()
            source = str(path)
            detections = _read_once(path, file_stamp(path)) if path.is_file() else read_detections(path)
        if detections.names is None:
            raise DatasetError(
                f"{source} has no picture names, which a folder needs: run `s2hand detect` on it"
            )
        if len(detections) and not (first := self.root / detections.names[0]).exists():
            raise DatasetError(
                f"{source}: no picture {first}: its names must be relative to the pictures' folder"
            )
        return detections, source

    def _camera(self, index: int) -> np.ndarray:
        if np.isnan(self._cameras[index, 0, 0]):
            path = self.image_path(index)
            read_photo_header(path)  # says what is wrong with it
            raise DatasetError(f"{path} could not be read when the run began, but can be now: start again")
        return self._cameras[index]

    def _crop(self, index: int) -> tuple[float, float, float]:
        """The square about the detections' box, or else about the keypoints."""
        row, found = self.rows[index], self.detections
        box = None if found.boxes is None else found.boxes[row]
        try:
            size = None if found.sizes is None else found.sizes[row]
            return self.squares.square(box, found.keypoints[row], found.confidence[row], size)[0]
        except DatasetError as error:
            raise DatasetError(f"{self.source}, {self.name(index)}: {error}") from None

    def _read_labels(self, asked: frozenset[str], path: str | Path | None) -> FolderLabels | None:
        if unknown := asked - set(LABELS):
            raise DatasetError(
                f"a folder's labels are {', '.join(LABELS)}; it has no {', '.join(sorted(unknown))}"
            )
        self.labels = asked
        if not asked:
            return None
        if path is None:
            raise DatasetError(
                f"{self.root} has no {', '.join(sorted(asked))}: leave out the losses that need labels, "
                'or set "folder_labels"'
            )
        return read_folder_labels(path, self.detections.names)

    def _labels_of(self, row: int) -> dict[str, Any]:
        """The fields of a record that are labels, as far as asked for."""
        if self._labels is None:
            return {}
        joints, keypoints = self._labels.joints[row], self._labels.keypoints
        fields = {
            "joints": joints,
            "vertices": self._labels.vertices[row],
            "scale": float(np.linalg.norm(np.subtract(*joints[list(SCALE_BONE)]))),
        }
        fields = {name: value for name, value in fields.items() if name in self.labels}
        if "joints" in fields and keypoints is not None:
            fields["true_keypoints_2d"] = keypoints[row]
        return fields


@lru_cache(maxsize=1)
def _read_once(path: Path, stamp: str) -> Detections:
    """Training and evaluation need the same file, which takes a while to read if it is large."""
    return read_detections(path)
