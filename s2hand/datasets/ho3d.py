"""HO-3D v2 and v3 (Hampali et al., CVPR 2020) as they lie on disk: hands with objects, cut from 640 x 480.

``train.txt`` and ``evaluation.txt`` list frames ``<sequence>/<number>``; ``<split>/<sequence>/rgb`` holds
pictures (v2 .png, v3 .jpg), ``meta`` pickles. Everything leaves here in FreiHAND's order and camera frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from s2hand.datasets.base import HandDataset, SampleRecord
from s2hand.datasets.detections import read_detections
from s2hand.errors import DatasetError
from s2hand.files import require_file, require_folder
from s2hand.datasets.ho3d_meta import OPENGL_TO_CAMERA, load_index
from s2hand.datasets.points_json import read_points
from s2hand.images.transforms import AugmentationConfig
from s2hand.datasets.trust import photometric_weight
from s2hand.skeleton import HO3D_TO_FREIHAND, NUM_JOINTS, SCALE_BONE

LAYOUT = "the folder of HO-3D: train.txt, train/<sequence>/rgb and meta, evaluation.txt, evaluation/..."
SUFFIXES = {"v2": ".png", "v3": ".jpg"}
DETECTION_FOLDER = "openpose"
LABELS = ("joints", "vertices", "scale")
LABEL_FILES = {"joints": "evaluation_xyz.json", "vertices": "evaluation_verts.json"}
"""Evaluation's labels, published apart."""

BOX_PADDING_PX = 10.0
SIDE_OVER_BOX = 2.0
SIDE_RANGE_PX = (50.0, 640.0)
CENTRE_JITTER_PX = 5.0
JITTERED_FRAMING = (0.8, 0.9)
STILL_FRAMING = 0.85
"""The published crop: side = 2 x the larger side of the padded box, divided by the framing, which training
draws; without jitter its mean keeps the framing that was trained on."""


class Ho3dDataset(HandDataset):
    """HO-3D's training or evaluation split, cropped about the hand.

    Args:
        root: the dataset's folder.
        split: ``train`` or ``evaluation``.
        version: ``v2`` or ``v3``; None tells by the pictures' suffix.
        detections: folder of ``<sequence>/detect.json``, row = frame number, px of the whole picture; None
            for none; ``auto`` for ``openpose`` under ``root`` (which evaluation may lack).
        image_size: side of the samples' images in pixels.
        augment: random changes of training pictures, to which the published jitter of the crop is added;
            None for none.
        labels: which of ``joints``, ``vertices``, ``scale`` to read. Evaluation leaves out those whose
            published file is not there: the attribute ``labels`` says what was found.
        controlled_size: use only the first so many frames.
        seed: of the random changes.
        key: config key that names ``root``, for messages.

    Raises:
        DatasetError: files are missing, damaged or do not fit together.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        version: str | None = None,
        detections: str | Path | None = "auto",
        image_size: int = 224,
        augment: AugmentationConfig | None = None,
        labels: Iterable[str] = (),
        controlled_size: int | None = None,
        seed: int = 0,
        key: str = "ho3d_base_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed)
        if split not in ("train", "evaluation"):
            raise DatasetError(f"split must be train or evaluation, got {split!r}")
        self.root = require_folder(root, key=key, expected=LAYOUT)
        self.split = split
        self.key = key
        all_frames = self._read_list()
        self.frames = all_frames[:controlled_size]
        self.suffix = self._find_suffix(version)
        index = load_index(self.root / split, all_frames, labelled=split == "train")
        self._cameras, self._boxes = index.K, index.boxes
        self._joints, self._vertices = self._read_labels(frozenset(labels), index.joints, len(all_frames))
        self._detections = self._read_detections(detections)

    def __len__(self) -> int:
        return len(self.frames)

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        keypoints = confidence = weight = None
        sequence, _, number = self.frames[index].partition("/")
        if self._detections is not None:
            found = self._detections[sequence]
            keypoints, confidence = found.keypoints[int(number)], found.confidence[int(number)]
            weight = float(photometric_weight(confidence))
        joints, vertices = self._labels_of(index)
        scale = None
        if "scale" in self.labels:
            scale = float(np.linalg.norm(np.subtract(*joints[list(SCALE_BONE)])))
        return SampleRecord(
            image_path=self._picture(self.frames[index], self.suffix),
            K=self._cameras[index],
            crop=hand_crop(self._boxes[index], random),
            keypoints_2d=keypoints,
            confidence=confidence,
            photometric_weight=weight,
            joints=joints if "joints" in self.labels else None,
            vertices=vertices,
            scale=scale,
            jitter_box=self._boxes[index] if self.split == "train" else None,
        )

    def _labels_of(self, index: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Joints (21, 3) and vertices (778, 3) in FreiHAND's order and frame, None where not read."""
        joints = None if self._joints is None else self._joints[index]
        vertices = None if self._vertices is None else self._vertices[index] * OPENGL_TO_CAMERA
        if joints is not None and self.split == "evaluation":  # the index of training is converted already
            joints = joints[list(HO3D_TO_FREIHAND)] * OPENGL_TO_CAMERA
        return joints, vertices

    def _read_list(self) -> tuple[str, ...]:
        path = require_file(self.root / f"{self.split}.txt", remedy=f'set "{self.key}" to {LAYOUT}')
        try:
            frames = tuple(path.read_text(encoding="utf-8").split())
        except UnicodeDecodeError:
            raise DatasetError(f"{path} is not text: copy or download it again") from None
        for frame in frames:
            sequence, _, number = frame.partition("/")
            if not sequence.strip(".") or not (number.isascii() and number.isdigit()):
                raise DatasetError(f"{path}: expected lines <sequence>/<frame number>, got {frame[:80]!r}")
        if not frames:
            raise DatasetError(f"{path} lists no frames: expected {LAYOUT}")
        return frames

    def _picture(self, frame: str, suffix: str) -> Path:
        sequence, _, number = frame.partition("/")
        return self.root / self.split / sequence / "rgb" / f"{number}{suffix}"

    def _find_suffix(self, version: str | None) -> str:
        if version is not None and version not in SUFFIXES:
            raise DatasetError(f"version must be v2 or v3, got {version!r}")
        wanted = SUFFIXES.values() if version is None else (SUFFIXES[version],)
        for suffix in wanted:
            if self._picture(self.frames[0], suffix).is_file():
                return suffix
        expected = self._picture(self.frames[0], " or ".join(wanted))
        raise DatasetError(f'no {expected}: set "{self.key}" to {LAYOUT}')

    def _read_labels(self, asked: frozenset[str], joints: np.ndarray | None, count: int):
        """Joints and vertices by frame, or None; sets ``labels`` to what there is of those asked for."""
        if unknown := asked - set(LABELS):
            raise DatasetError(
                f"HO-3D's labels are {', '.join(LABELS)}; it has no {', '.join(sorted(unknown))}"
            )
        if self.split == "train":
            if "vertices" in asked:
                raise DatasetError("HO-3D's training split has no vertices: ask for joints, or use FreiHAND")
            self.labels = asked
            return (joints if asked else None), None
        found = {name: self._read_evaluation_labels(name, count) for name in LABEL_FILES if name in asked}
        if "scale" in asked and "joints" not in found:
            found["joints"] = self._read_evaluation_labels("joints", count)
        present = {name for name, array in found.items() if array is not None}
        self.labels = asked & (present | ({"scale"} if "joints" in present else set()))
        return found.get("joints"), found.get("vertices")

    def _read_evaluation_labels(self, name: str, count: int) -> np.ndarray | None:
        path = self.root / LABEL_FILES[name]
        if not path.is_file():
            return None
        array = read_points(path)
        if len(array) != count:
            raise DatasetError(
                f"{path}: {len(array)} rows for the {count} frames of evaluation.txt: expected as many"
            )
        if name == "joints" and array.shape[1] != NUM_JOINTS:
            raise DatasetError(f"{path}: expected {NUM_JOINTS} joints a row, got {array.shape[1]}")
        return array

    def _read_detections(self, detections: str | Path | None):
        if detections is None:
            return None
        folder = self.root / DETECTION_FOLDER if detections == "auto" else Path(detections).expanduser()
        last = {}
        for frame in self.frames:
            sequence, _, number = frame.partition("/")
            last[sequence] = max(last.get(sequence, 0), int(number))
        complete = all((folder / sequence / "detect.json").is_file() for sequence in last)
        if detections == "auto" and self.split == "evaluation" and not complete:
            return None
        loaded = {}
        for sequence, number in last.items():
            path = folder / sequence / "detect.json"
            loaded[sequence] = read_detections(path)
            if len(loaded[sequence]) <= number:
                raise DatasetError(
                    f"{path}: {len(loaded[sequence])} rows, expected one for each frame up to {number}: "
                    "detect on this dataset, or name another folder"
                )
        return loaded


def hand_crop(box: np.ndarray, random: np.random.Generator | None) -> tuple[float, float, float]:
    """The square that is cut about a hand.

    Args:
        box: (4,) px, left, top, right, bottom of the hand.
        random: draws the published jitter of place and framing; None for none, as in evaluation.

    Returns:
        Left, top and side in pixels; the square may reach over the picture's border.
    """
    low, high = box[:2] - BOX_PADDING_PX, box[2:] + BOX_PADDING_PX
    centre = (low + high) / 2
    side = float(np.clip(SIDE_OVER_BOX * (high - low).max(), *SIDE_RANGE_PX))
    if random is None:
        side /= STILL_FRAMING
    else:
        centre = centre + random.normal(0, CENTRE_JITTER_PX, 2)
        side /= random.uniform(*JITTERED_FRAMING)
    return float(centre[0] - side / 2), float(centre[1] - side / 2), side
