"""FreiHAND v2 (Zimmermann et al., ICCV 2019) as it lies on disk, and any dataset of the same layout.

``training/rgb/%08d.jpg`` holds versions of the same N poses: picture ``k N + row`` is version k of label row
``row``. Version 0 stands before a green screen, the others have recoloured backgrounds. N is the number of
label rows (32,560 in FreiHAND).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from s2hand.datasets.base import HandDataset, SampleRecord
from s2hand.datasets.detections import Detections, read_detections
from s2hand.errors import DatasetError
from s2hand.files import require_file, require_folder
from s2hand.datasets.json_files import as_array, read_json
from s2hand.datasets.points_json import read_points
from s2hand.images.transforms import AugmentationConfig
from s2hand.datasets.trust import photometric_weight
from s2hand.skeleton import NUM_JOINTS

LAYOUT = (
    "the folder of FreiHAND v2: training/rgb/%08d.jpg, training_K.json, evaluation/rgb, evaluation_K.json"
)
DETECTION_FILES = {
    "training": "openpose_v2/training/detect_all.json",
    "evaluation": "openpose/evaluation/detect.json",
}
"""Where the published detections lie under the dataset's folder."""

MAX_VERSIONS = 4
GREEN_SCREEN_WEIGHT, RECOLOURED_WEIGHT = 1.1, 0.1
"""Published factors of the photometric weight: recoloured versions have unnatural edges and shades."""

LABELS = ("joints", "vertices", "mask", "scale")
LABEL_SHAPES = {"xyz": (None, NUM_JOINTS, 3), "scale": (None,)}


class FreiHandDataset(HandDataset):
    """FreiHAND's training or evaluation split.

    Labels that are not asked for are never opened, so training without labels reads pictures, cameras and
    detections alone.

    Args:
        root: the dataset's folder.
        split: ``training`` or ``evaluation``.
        detections: detected keypoints, one row a label row: a file, loaded detections, None for none, or
            ``auto`` for the published file's place (which evaluation may lack).
        image_size: side of the samples' images in pixels.
        augment: random changes of training pictures; None for none.
        labels: which of ``joints``, ``vertices``, ``mask``, ``scale`` to read.
        versions: background versions to use, e.g. ``[0]`` for the green screen alone; None for all on disk.
        rows: label rows to use, e.g. ``slice(30000)``; None for all.
        controlled_size: use only the first so many samples: as published, first come all green-screen ones.
        seed: of the random changes.
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
        labels: Iterable[str] = (),
        versions: Sequence[int] | None = None,
        rows: Sequence[int] | slice | None = None,
        controlled_size: int | None = None,
        seed: int = 0,
        key: str = "freihand_base_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed)
        if split not in DETECTION_FILES:
            raise DatasetError(f"split must be one of {', '.join(DETECTION_FILES)}, got {split!r}")
        self.root = require_folder(root, key=key, expected=LAYOUT)
        self.split = split
        self.key = key
        self.labels = frozenset(labels)
        if unknown := self.labels - set(LABELS):
            raise DatasetError(f"labels must be among {', '.join(LABELS)}, got {', '.join(sorted(unknown))}")
        self._cameras = self._read_array("K", (None, 3, 3))
        self._num_rows = len(self._cameras)
        if not self._num_rows:
            raise DatasetError(f"{self.root / f'{split}_K.json'} holds no samples: expected {LAYOUT}")
        self.versions = self._find_versions(versions)
        self.rows = self._choose_rows(rows)
        self._controlled_size = controlled_size
        self.detections = self._load_detections(detections)
        self._joints = self._read_labels("joints", "xyz")
        self._vertices = self._read_labels("vertices", "verts")
        self._scales = self._read_labels("scale", "scale")

    def __len__(self) -> int:
        size = len(self.versions) * len(self.rows)
        return size if self._controlled_size is None else min(size, self._controlled_size)

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        version, row = self.versions[index // len(self.rows)], int(self.rows[index % len(self.rows)])
        keypoints = confidence = weight = None
        if self.detections is not None:
            keypoints, confidence = self.detections.keypoints[row], self.detections.confidence[row]
            weight = float(photometric_weight(confidence)) * self._version_weight(version)
        return SampleRecord(
            image_path=self._picture("rgb", version * self._num_rows + row),
            K=self._cameras[row],
            keypoints_2d=keypoints,
            confidence=confidence,
            photometric_weight=weight,
            joints=None if self._joints is None else self._joints[row],
            vertices=None if self._vertices is None else self._vertices[row],
            scale=None if self._scales is None else float(self._scales[row]),
            mask_path=self._picture("mask", row) if "mask" in self.labels else None,
        )

    def _version_weight(self, version: int) -> float:
        if self.split != "training":
            return 1.0
        return GREEN_SCREEN_WEIGHT if version == 0 else RECOLOURED_WEIGHT

    def _picture(self, kind: str, number: int) -> Path:
        return self.root / self.split / kind / f"{number:08d}.jpg"

    def _find_versions(self, versions: Sequence[int] | None) -> tuple[int, ...]:
        """Versions whose first picture is on disk, or those asked for."""
        on_disk = [v for v in range(MAX_VERSIONS) if self._picture("rgb", v * self._num_rows).is_file()]
        if not on_disk:
            raise DatasetError(f'no {self._picture("rgb", 0)}: set "{self.key}" to {LAYOUT}')
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
        if detections is None:
            return None
        source = "the given detections"
        if not isinstance(detections, Detections):
            source = Path(detections)
            if detections == "auto":
                source = self.root / DETECTION_FILES[self.split]
                if self.split == "evaluation" and not source.is_file():
                    return None
            detections = read_detections(source)
        if len(detections) != self._num_rows:
            raise DatasetError(
                f"{source}: expected one row for each of the {self._num_rows} rows of {self.split}_K.json, "
                f"got {len(detections)}: detect on this dataset, or name another detections file"
            )
        return detections

    def _read_array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        path = self.root / f"{self.split}_{name}.json"
        require_file(path, remedy=f'set "{self.key}" to {LAYOUT}')
        return as_array(read_json(path, remedy="copy or download it again"), shape, what=str(path))

    def _read_labels(self, label: str, name: str) -> np.ndarray | None:
        if label not in self.labels:
            return None
        if label == "vertices":
            array = read_points(self.root / f"{self.split}_{name}.json")
        else:
            array = self._read_array(name, LABEL_SHAPES[name])
        if len(array) != self._num_rows:
            raise DatasetError(
                f"{self.root}: {len(array)} rows in {self.split}_{name}.json, {self._num_rows} in "
                f"{self.split}_K.json: expected as many"
            )
        return array
