"""FreiHAND v2 (Zimmermann et al., ICCV 2019) as it lies on disk, and any dataset in the same layout.

``training/rgb/%08d.jpg`` holds versions of the same N poses: image ``k N + row`` is version k of label row
``row``. Version 0 stands before a green screen, the others have recoloured backgrounds. N is the number of
label rows (32,560 in FreiHAND).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from s2hand.datasets.base import SPLITS, HandDataset, SampleRecord, dataset_folder, known_labels
from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detections import Detections
from s2hand.datasets.json_files import as_array, read_json
from s2hand.datasets.points_json import read_points
from s2hand.errors import DatasetError
from s2hand.files import require_file
from s2hand.images.transforms import AugmentationConfig
from s2hand.skeleton import NUM_JOINTS

LAYOUT = (
    "the folder of FreiHAND v2: training/rgb/%08d.jpg, training_K.json, evaluation/rgb, evaluation_K.json"
)
EVALUATION_SUFFIX = "_eval"
"""FreiHAND's two archives, FreiHAND_pub_v2.zip and FreiHAND_pub_v2_eval.zip, are often unpacked into folders
of their names: evaluation is looked for in the second, too."""

DETECTION_FILES = {
    "training": "openpose_v2/training/detect_all.json",
    "evaluation": "openpose/evaluation/detect.json",
}
"""Where the published detections lie under the dataset's folder."""

MAX_VERSIONS = 4
GREEN_SCREEN_WEIGHT, RECOLOURED_WEIGHT = 1.1, 0.1
"""Published factors of the photometric weight: recoloured versions have unnatural edges and shades."""

LABEL_FILES = {"joints": "xyz", "vertices": "verts", "scale": "scale"}
LABELS = (*LABEL_FILES, "mask")
LABEL_SHAPES = {"joints": (None, NUM_JOINTS, 3), "scale": (None,)}


class FreiHandDataset(HandDataset):
    """FreiHAND's training or evaluation split.

    Labels that are not asked for are never opened, so training without labels reads images, cameras and
    detections alone.

    Args:
        root: the dataset's folder. If it has no evaluation split, that of the folder beside it with ``_eval``
            after its name is taken, as FreiHAND's archives are called.
        split: ``training`` or ``evaluation``.
        detections: detected keypoints, one row for each label row: a file, loaded detections, None for none,
            or ``auto`` for the published file's place (which evaluation may lack).
        image_size: side of the samples' images in pixels.
        augment: random changes of training images; None for none.
        labels: which of ``joints``, ``vertices``, ``mask``, ``scale`` to read; None for the joints and
            vertices that are on disk.
        versions: background versions to use, e.g. ``[0]`` for the green screen alone; None for all on disk.
        rows: label rows to use, e.g. ``slice(30000)``; None for all.
        controlled_size: use only this many samples, the first ones: as published, all green-screen samples
            come first.
        seed: seed of the random changes.
        crop_upright: crop about the detected hand, fingers up; see :class:`HandDataset`.
        key: config key that names ``root``, for messages.

    Raises:
        DatasetError: files are missing, damaged or do not fit together.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "training",
        *,
        detections: Detections | str | Path | None = "auto",
        image_size: int = 224,
        augment: AugmentationConfig | None = None,
        labels: Iterable[str] | None = (),
        versions: Sequence[int] | None = None,
        rows: Sequence[int] | slice | None = None,
        controlled_size: int | None = None,
        seed: int = 0,
        crop_upright: bool = False,
        key: str = "freihand_base_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed, crop_upright=crop_upright)
        self.base = self.root = dataset_folder(root, split, SPLITS, key=key, layout=LAYOUT)
        self.split = split
        self.key = key
        if not self._json("K").is_file() and split == "evaluation":
            self.root = self._evaluation_folder()
        if labels is None:
            labels = [label for label in ("joints", "vertices") if self._label_file(label).is_file()]
        self.labels = known_labels(labels, LABELS, "FreiHAND")
        self._cameras = self._read_array(self._json("K"), (None, 3, 3))
        self._num_rows = len(self._cameras)
        if not self._num_rows:
            raise DatasetError(f"{self._json('K')} holds no samples: expected {LAYOUT}")
        self.versions = self._find_versions(versions)
        self.rows = self._choose_rows(rows)
        self._controlled_size = controlled_size
        self.detections = self._load_detections(detections)
        self._labels = {label: self._read_label(label) for label in LABEL_FILES if label in self.labels}

    def __len__(self) -> int:
        size = len(self.versions) * len(self.rows)
        return size if self._controlled_size is None else min(size, self._controlled_size)

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        version, row = self.versions[index // len(self.rows)], int(self.rows[index % len(self.rows)])
        fields = {label: array[row] for label, array in self._labels.items()}
        if "scale" in fields:
            fields["scale"] = float(fields["scale"])
        if self.detections is not None:
            fields |= self.detections.annotations(row)
            if self.split == "training":
                fields["photometric_weight"] *= GREEN_SCREEN_WEIGHT if version == 0 else RECOLOURED_WEIGHT
        return SampleRecord(
            image_path=self._image("rgb", version * self._num_rows + row),
            K=self._cameras[row],
            mask_path=self._image("mask", row) if "mask" in self.labels else None,
            **fields,
        )

    def summary(self) -> str:
        """A line if the detected joints are in another order; else nothing, as everything is taken."""
        return "" if self.detections is None else self.detections.order_doubt(self._source)

    def _image(self, kind: str, number: int) -> Path:
        return self.root / self.split / kind / f"{number:08d}.jpg"

    def _json(self, name: str) -> Path:
        return self.root / f"{self.split}_{name}.json"

    def _label_file(self, label: str) -> Path:
        return self._json(LABEL_FILES[label])

    def _evaluation_folder(self) -> Path:
        """The folder of the evaluation archive, where it was unpacked beside that of training."""
        beside = self.base.with_name(self.base.name + EVALUATION_SUFFIX)
        if not (beside / self._json("K").name).is_file():
            raise DatasetError(
                f"no {self._json('K')}, and none in {beside}: unpack FreiHAND_pub_v2_eval.zip into "
                f"{self.base} or {beside}"
            )
        return beside

    def _find_versions(self, versions: Sequence[int] | None) -> tuple[int, ...]:
        """Versions with the first image on disk, or those asked for."""
        on_disk = [v for v in range(MAX_VERSIONS) if self._image("rgb", v * self._num_rows).is_file()]
        if not on_disk:
            raise DatasetError(f'no {self._image("rgb", 0)}: set "{self.key}" to {LAYOUT}')
        if versions is None:
            return tuple(on_disk) if self.split == "training" else (0,)
        if missing := sorted(set(versions) - set(on_disk)):
            raise DatasetError(
                f"{self.root}: versions {missing} are not on disk, only {on_disk}: choose among these"
            )
        if not versions:
            raise DatasetError(f"versions is empty: choose among {on_disk}")
        return tuple(versions)

    def _choose_rows(self, rows: Sequence[int] | slice | None) -> Sequence[int]:
        if rows is None:
            rows = slice(None)
        chosen = range(self._num_rows)[rows] if isinstance(rows, slice) else rows
        if not len(chosen) or min(chosen) < 0 or max(chosen) >= self._num_rows:
            raise DatasetError(
                f"{self.root}: rows must be among 0..{self._num_rows - 1} and not empty, got {rows}"
            )
        return chosen

    def _load_detections(self, detections: Detections | str | Path | None) -> Detections | None:
        source = "the given detections"
        if detections == "auto":
            places = [folder / DETECTION_FILES[self.split] for folder in (self.root, self.base)]
            detections = next((path for path in places if path.is_file()), places[0])
            if self.split == "evaluation" and not detections.is_file():
                return None
        if isinstance(detections, (str, Path)):
            source, detections = detections, read_detections(detections)
        if detections is not None and len(detections) != self._num_rows:
            raise DatasetError(
                f"{source}: expected one row for each of the {self._num_rows} rows of {self.split}_K.json, "
                f"got {len(detections)}: detect on this dataset, or name another detections file"
            )
        self._source = source
        return detections

    def _read_array(self, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
        require_file(path, remedy=f'set "{self.key}" to {LAYOUT}')
        return as_array(read_json(path, remedy="copy or download it again"), shape, what=str(path))

    def _read_label(self, label: str) -> np.ndarray:
        path = self._label_file(label)
        array = read_points(path) if label == "vertices" else self._read_array(path, LABEL_SHAPES[label])
        if len(array) != self._num_rows:
            raise DatasetError(
                f"{path}: {len(array)} rows, but {self._num_rows} in {self.split}_K.json: expected as many"
            )
        return array
