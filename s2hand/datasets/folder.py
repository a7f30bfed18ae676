"""A user's own photos as a dataset: a folder, and a JSON of the hands that a detector found in it.

Each row of the detections is a sample: the square about one hand, seen by a camera that looks at it
(:mod:`s2hand.images.square_view`), as in prediction. Left hands are mirrored, so that the network sees right
hands only.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.cache import file_stamp
from s2hand.config.data_sections import FolderSection
from s2hand.datasets.base import SPLITS, HandDataset, SampleRecord, dataset_folder, known_labels
from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detections import Detections
from s2hand.datasets.folder_cameras import UNREADABLE, find_cameras
from s2hand.datasets.folder_labels import FolderLabels, read_folder_labels
from s2hand.errors import DatasetError, shown
from s2hand.files import inside_folder
from s2hand.images.crops import SquareRule
from s2hand.images.intrinsics import SOURCES, StatedCamera
from s2hand.images.photos import read_photo_header
from s2hand.images.transforms import AugmentationConfig
from s2hand.skeleton import SCALE_BONE

LAYOUT = "a folder of photos with detections.json, which `s2hand detect` writes"
DETECTIONS_FILE = "detections.json"
LABELS = ("joints", "vertices", "scale", "world")
"""The last is no label, but read on request like one: the detector's 3D joints, which few detections have."""

TRIED_NAMES = 1000
"""Number of names, evenly chosen, that are looked for on disk before a folder is taken for the wrong one."""


class FolderDataset(HandDataset):
    """A folder of photos, cropped about the hands that a detector found.

    Whether a photo belongs to the evaluation split depends on its name alone, so that adding photos changes
    nothing for the others.

    Args:
        section: the config's section on own photos, which says what is read and how; or a folder, to be read
            by the section's defaults.
        split: ``training`` or ``evaluation``.
        detections: loaded detections with names, in place of the section's file.
        image_size: side of the samples' images in pixels.
        augment: random changes of training images; None for none.
        labels: which of ``joints``, ``vertices``, ``scale`` and ``world`` to read; None for the joints and
            vertices if the section names a file of labels.
        controlled_size: use only this many hands, the first ones.
        seed: what the random changes are drawn with.
        crop_upright: crop about the detected hand, fingers up; see :class:`HandDataset`.

    Raises:
        DatasetError: files are missing, damaged or do not fit together, or nothing is left.
    """

    def __init__(
        self,
        section: FolderSection | str | Path,
        split: str = "training",
        *,
        detections: Detections | None = None,
        image_size: int = 224,
        augment: AugmentationConfig | None = None,
        labels: Iterable[str] | None = (),
        controlled_size: int | None = None,
        seed: int = 0,
        crop_upright: bool = False,
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed, crop_upright=crop_upright)
        if not isinstance(section, FolderSection):
            section = FolderSection(folder_base_path=str(section))
        self.root = dataset_folder(
            section.folder_base_path, split, SPLITS, key="folder_base_path", layout=LAYOUT
        )
        self.section, self.split = section, split
        self.squares = SquareRule(section.folder_crop_margin, section.folder_min_confidence)
        self.detections, self.source = self._load_detections(detections)
        self.rows = self._choose_rows()[:controlled_size]
        stated = StatedCamera(
            section.folder_focal, None if section.folder_K is None else np.array(section.folder_K)
        )
        try:
            self._cameras, self.camera_sources = find_cameras(self.root, self.detections, self.rows, stated)
        except DatasetError as error:
            raise DatasetError(f"{self.source}, {error}") from None
        if labels is None:
            labels = () if section.folder_labels is None else ("joints", "vertices")
        self.labels = known_labels(labels, LABELS, "a folder")
        self._labels = self._read_labels() if self.labels - {"world"} else None
        if "world" in self.labels and self.detections.world is None:
            raise DatasetError(
                f"{self.source} has no 3D landmarks (world), which the loss world_bones needs: run "
                "`s2hand detect` on the folder again, with the bundled detector"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """A sample's photo, relative to the folder."""
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
            DatasetError: its photo cannot be read, or no square can be put about the hand.
        """
        row = self.rows[index]
        sizes = self.detections.sizes
        return SampleRecord(
            image_path=self.image_path(index),
            K=self._camera(index),
            crop=self._crop(index),
            **self.detections.annotations(row),
            **self._labels_of(row),
            **(self.detections.world_annotations(row) if "world" in self.labels else {}),
            mirrored=self.hand(index) == "left",
            look_at=True,
            upright=True,
            size=None if sizes is None else tuple(int(length) for length in sizes[row]),
        )

    def summary(self) -> str:
        """What was taken, what was left out, and where the cameras come from; and doubts about the joints."""
        photos = len({self.name(index) for index in range(len(self))})
        lefts = sum(self.hand(index) == "left" for index in range(len(self)))
        counts = Counter(self.camera_sources)
        sources = [f"{counts[name]:,} {name}" for name in (*SOURCES, UNREADABLE) if counts[name]]
        line = (
            f"{self.root}, {self.split}: {len(self):,} hands ({lefts:,} left, mirrored) in {photos:,} "
            f"photos; {self.num_left_out:,} of {len(self.detections):,} left out for fewer than "
            f"{self.section.folder_min_joints} joints above {self.section.folder_min_confidence:g}; "
            f"cameras: {', '.join(sources)}"
        )
        if unreadable := len(self.detections.unreadable):
            line += f"; the detector could not read {unreadable:,} photos"
        return "\n".join(filter(None, (line, self.detections.order_doubt(self.source))))

    def _load_detections(self, detections: Detections | None) -> tuple[Detections, str]:
        """The detections, and their name in messages."""
        source = "the given detections"
        if detections is None:
            path = Path(self.section.folder_detections or self.root / DETECTIONS_FILE).expanduser()
            source = str(path)
            detections = _read_once(path, file_stamp(path)) if path.is_file() else read_detections(path)
        if detections.names is None:
            raise DatasetError(
                f"{source} has no photo names, which a folder needs: run `s2hand detect` on the folder"
            )
        if strange := [name for name in detections.names if inside_folder(name) is None]:
            raise DatasetError(
                f"{source}: {shown(strange[0])} is not the name of a photo inside {self.root}: names must be "
                "relative to the photos' folder"
            )
        detections = replace(detections, names=_names_on_disk(self.root, detections.names))
        # Some photos may have been removed since; that none is there has another reason.
        tried = detections.names[:: -(-len(detections) // TRIED_NAMES) or 1]
        if tried and not any((self.root / name).exists() for name in tried):
            raise DatasetError(
                f"{source}: no photo {self.root / tried[0]}: its names must be relative to the photos' folder"
            )
        return detections, source

    def _choose_rows(self) -> np.ndarray:
        """The rows of hands that were found well enough, as far as they are in the split."""
        section = self.section
        found = (self.detections.confidence > section.folder_min_confidence).sum(-1)
        found = found >= section.folder_min_joints
        self.num_left_out = int((~found).sum())
        if not found.any():
            raise DatasetError(
                f"{self.source}: none of its {len(found)} hands has {section.folder_min_joints} joints above "
                f"{section.folder_min_confidence:g}: lower folder_min_joints or folder_min_confidence, or "
                "detect again"
            )
        rows = np.flatnonzero(found)
        names = [self.detections.names[row] for row in rows]
        rows = rows[_in_split(names, self.split, section.folder_val_share)]
        if not len(rows):
            raise DatasetError(
                f"{self.root}: no photo is left for {self.split} with a folder_val_share of "
                f"{section.folder_val_share:g}: set another share (0 uses all photos for both), or add photos"
            )
        return rows

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

    def _read_labels(self) -> FolderLabels:
        if self.section.folder_labels is None:
            raise DatasetError(
                f"{self.root} has no {', '.join(sorted(self.labels - {'world'}))}: leave out the losses that "
                'need labels, or set "folder_labels"'
            )
        return read_folder_labels(self.section.folder_labels, self.detections.names)

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


def _names_on_disk(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Names as the file system has them, which may compose letters differently than the detections."""

    def on_disk(name: str) -> str:
        if name.isascii() or (root / name).exists():
            return name
        forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
        return next((form for form in forms if (root / form).exists()), name)

    return tuple(map(on_disk, names))


@lru_cache(maxsize=1)
def _read_once(path: Path, stamp: str) -> Detections:
    """Training and evaluation need the same file, which takes a while to read if it is large."""
    return read_detections(path)


def _in_split(names: Sequence[str], split: str, val_share: float) -> np.ndarray:
    """Which photos are in a split, (N,) bool.

    A photo is for evaluation if the hash of its name, a number in [0, 1), is below the share. If that leaves
    a split of several photos empty, it gets the one photo nearest to it.
    """
    if val_share == 0:
        return np.ones(len(names), bool)
    hashes = np.array([_name_hash(name) for name in names])
    evaluation = hashes < val_share
    if val_share < 1 and len(set(names)) > 1:
        if not evaluation.any():
            evaluation = hashes == hashes.min()
        elif evaluation.all():
            evaluation = hashes != hashes.max()
    return evaluation if split == "evaluation" else ~evaluation


def _name_hash(name: str) -> float:
    """A number in [0, 1) that depends on a name alone."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48
