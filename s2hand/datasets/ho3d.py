"""HO-3D v2 and v3 (Hampali et al., CVPR 2020) as they lie on disk: hands with objects, cut from 640 x 480.

``train.txt`` and ``evaluation.txt`` list frames ``<sequence>/<number>``; ``<split>/<sequence>/rgb`` holds
images (v2 .png, v3 .jpg), ``meta`` pickles. Everything leaves here in FreiHAND's order and camera frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.special import erf

from s2hand.datasets.base import HandDataset, SampleRecord, dataset_folder, known_labels
from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detections import Detections
from s2hand.datasets.ho3d_meta import OPENGL_TO_CAMERA, load_index
from s2hand.datasets.points_json import read_points
from s2hand.errors import DatasetError, shown
from s2hand.files import inside_folder, require_file
from s2hand.images.transforms import AugmentationConfig
from s2hand.skeleton import HO3D_TO_FREIHAND, NUM_JOINTS, SCALE_BONE

LAYOUT = "the folder of HO-3D: train.txt, train/<sequence>/rgb and meta, evaluation.txt, evaluation/..."
SUFFIXES = {"v2": ".png", "v3": ".jpg"}
DETECTION_FOLDER = "openpose"
LABELS = ("joints", "vertices", "scale")
LABEL_FILES = {"joints": "evaluation_xyz.json", "vertices": "evaluation_verts.json"}
"""Evaluation's labels, published apart."""

BOX_PADDING_PX = 10.0
SIDE_OVER_REACH = 4.0
SIDE_RANGE_PX = (50.0, 640.0)
CENTRE_JITTER_PX = 5.0
FRAMING_RANGE = (0.8, 0.9)
"""The published crop: its side is 4 x the reach, the largest distance along x or y from its jittered centre
to a border of the padded box, clamped to the range and divided by a framing that is drawn, too."""

MEAN_INVERSE_FRAMING = math.log(FRAMING_RANGE[1] / FRAMING_RANGE[0]) / (FRAMING_RANGE[1] - FRAMING_RANGE[0])
LARGEST_JITTER = 6.0
"""Standard deviations beyond which the jitter does not count in the mean."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
"""Gauss-Legendre quadrature on [-1, 1]."""


class Ho3dDataset(HandDataset):
    """HO-3D's training or evaluation split, cropped about the hand.

    Args:
        root: the dataset's folder.
        split: ``train`` or ``evaluation``.
        version: ``v2`` or ``v3``; None tells by the images' suffix.
        detections: folder of ``<sequence>/detect.json``, row = frame number, px of the whole image; None
            for none; ``auto`` for ``openpose`` under ``root`` (which evaluation may lack).
        image_size: side of the samples' images in pixels.
        augment: random changes of training images, to which the published jitter of the crop is added;
            None for none.
        labels: which of ``joints``, ``vertices``, ``scale`` to read; None for all but the scale. Evaluation
            leaves out those that were not downloaded: the attribute ``labels`` says what was found.
        controlled_size: use only this many frames, the first ones.
        seed: seed of the random changes.
        crop_upright: crop about the detected hand, fingers up; see :class:`HandDataset`.
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
        labels: Iterable[str] | None = (),
        controlled_size: int | None = None,
        seed: int = 0,
        crop_upright: bool = False,
        key: str = "ho3d_base_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed, crop_upright=crop_upright)
        self.root = dataset_folder(root, split, ("train", "evaluation"), key=key, layout=LAYOUT)
        self.split = split
        self.key = key
        if labels is None:
            labels = ("joints",) if split == "train" else ("joints", "vertices")
        asked = known_labels(labels, LABELS, "HO-3D")
        if split == "train" and "vertices" in asked:
            raise DatasetError("HO-3D's training split has no vertices: ask for joints, or use FreiHAND")
        all_frames = self._read_list()
        self.frames = all_frames[:controlled_size]
        self.suffix = self._find_suffix(version)
        index = load_index(self.root / split, all_frames, labelled=split == "train")
        self._cameras, self._boxes = index.K, index.boxes
        self._points = {"joints": index.joints} if split == "train" else self._read_points(asked)
        found = set(self._points) | ({"scale"} if "joints" in self._points else set())
        self.labels = asked & found
        self._detections = self._read_detections(detections)

    def __len__(self) -> int:
        return len(self.frames)

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        sequence, number = _parts(self.frames[index])
        found = {} if self._detections is None else self._detections[sequence].annotations(int(number))
        return SampleRecord(
            image_path=self._image(self.frames[index], self.suffix),
            K=self._cameras[index],
            crop=hand_crop(self._boxes[index], random),
            jitter_box=self._boxes[index] if self.split == "train" else None,
            **found,
            **self._labels_of(index),
        )

    @property
    def crops_vary(self) -> bool:
        return self.augment is not None and not self.crop_upright

    def summary(self) -> str:
        """A line on each sequence whose detected joints are in another order."""
        found = self._detections or {}
        doubts = (detections.order_doubt(f"detections of {name}") for name, detections in found.items())
        return "\n".join(filter(None, doubts))

    def _labels_of(self, index: int) -> dict[str, np.ndarray | float]:
        """The labels asked for: joints and vertices in FreiHAND's order and frame, and the scale."""
        points = {name: array[index] for name, array in self._points.items()}
        if self.split == "evaluation":  # the index of training holds converted joints
            if "joints" in points:
                points["joints"] = points["joints"][list(HO3D_TO_FREIHAND)]
            points = {name: array * OPENGL_TO_CAMERA for name, array in points.items()}
        if "scale" in self.labels:
            points["scale"] = float(np.linalg.norm(np.subtract(*points["joints"][list(SCALE_BONE)])))
        return {name: value for name, value in points.items() if name in self.labels}

    def _read_list(self) -> tuple[str, ...]:
        path = require_file(self.root / f"{self.split}.txt", remedy=f'set "{self.key}" to {LAYOUT}')
        try:
            frames = tuple(path.read_text(encoding="utf-8").split())
        except UnicodeDecodeError:
            raise DatasetError(f"{path} is not text: copy or download it again") from None
        for frame in frames:
            sequence, number = _parts(frame)
            if inside_folder(frame) != frame or not (sequence and number.isascii() and number.isdigit()):
                raise DatasetError(f"{path}: expected lines <sequence>/<frame number>, got {shown(frame)}")
        if not frames:
            raise DatasetError(f"{path} lists no frames: expected {LAYOUT}")
        return frames

    def _image(self, frame: str, suffix: str) -> Path:
        sequence, number = _parts(frame)
        return self.root / self.split / sequence / "rgb" / f"{number}{suffix}"

    def _find_suffix(self, version: str | None) -> str:
        if version is not None and version not in SUFFIXES:
            raise DatasetError(f"version must be v2 or v3, got {version!r}")
        wanted = SUFFIXES.values() if version is None else (SUFFIXES[version],)
        for suffix in wanted:
            if self._image(self.frames[0], suffix).is_file():
                return suffix
        expected = self._image(self.frames[0], " or ".join(wanted))
        raise DatasetError(f'no {expected}: set "{self.key}" to {LAYOUT}')

    def _read_points(self, asked: frozenset[str]) -> dict[str, np.ndarray]:
        """Evaluation's joints and vertices as published, as far as they are on disk and needed."""
        needed = asked | ({"joints"} if "scale" in asked else set())
        paths = {name: self.root / file for name, file in LABEL_FILES.items() if name in needed}
        points = {name: read_points(path) for name, path in paths.items() if path.is_file()}
        for name, array in points.items():
            if len(array) != len(self._boxes):
                raise DatasetError(
                    f"{paths[name]}: {len(array)} rows for the {len(self._boxes)} frames of evaluation.txt: "
                    "expected as many"
                )
            if name == "joints" and array.shape[1] != NUM_JOINTS:
                raise DatasetError(f"{paths[name]}: expected {NUM_JOINTS} joints a row, got {array.shape[1]}")
        return points

    def _read_detections(self, detections: str | Path | None) -> dict[str, Detections] | None:
        """The detections of every sequence."""
        if detections is None:
            return None
        folder = self.root / DETECTION_FOLDER if detections == "auto" else Path(detections).expanduser()
        last = {}
        for sequence, number in map(_parts, self.frames):
            last[sequence] = max(last.get(sequence, 0), int(number))
        paths = {sequence: folder / sequence / "detect.json" for sequence in last}
        complete = all(path.is_file() for path in paths.values())
        if detections == "auto" and self.split == "evaluation" and not complete:
            return None
        loaded = {sequence: read_detections(path) for sequence, path in paths.items()}
        for sequence, found in loaded.items():
            if len(found) <= last[sequence]:
                raise DatasetError(
                    f"{paths[sequence]}: {len(found)} rows, expected one for each frame up to "
                    f"{last[sequence]}: detect on this dataset, or name another folder"
                )
        return loaded


def _parts(frame: str) -> tuple[str, str]:
    """A frame's sequence and number."""
    sequence, _, number = frame.partition("/")
    return sequence, number


def hand_crop(box: np.ndarray, random: np.random.Generator | None) -> tuple[float, float, float]:
    """The square that is cut about a hand.

    Args:
        box: (4,) px, left, top, right, bottom of the hand.
        random: draws the published jitter of place and framing; None for their means, as in evaluation, so
            that the framing stays that of training.

    Returns:
        Left, top and side in pixels; the square may reach over the image's border.
    """
    low, high = box[:2] - BOX_PADDING_PX, box[2:] + BOX_PADDING_PX
    centre = (low + high) / 2
    if random is None:
        side = _mean_side((high - low) / 2) * MEAN_INVERSE_FRAMING
    else:
        centre = centre + random.normal(0, CENTRE_JITTER_PX, 2)
        reach = max(np.abs(low - centre).max(), np.abs(high - centre).max())
        side = float(np.clip(SIDE_OVER_REACH * reach, *SIDE_RANGE_PX)) / random.uniform(*FRAMING_RANGE)
    return float(centre[0] - side / 2), float(centre[1] - side / 2), side


def _mean_side(half: np.ndarray) -> float:
    """The expected side before framing, over the jitter, of a padded box with these half sides (2,) px.

    The reach is max(half + |jitter|), so that P(reach < r) is the product of erf((r - half) / (sigma sqrt 2))
    and the expectation of a clamped side is its lower limit and the integral of P(side > s) from there on.
    """
    least, most = SIDE_RANGE_PX
    still = min(max(SIDE_OVER_REACH * float(half.max()), least), most)
    end = min(SIDE_OVER_REACH * (float(half.max()) + LARGEST_JITTER * CENTRE_JITTER_PX), most)
    if end <= still:
        return still
    sides = still + (end - still) * (NODES + 1) / 2
    below = erf(np.maximum(sides[:, None] / SIDE_OVER_REACH - half, 0) / (CENTRE_JITTER_PX * math.sqrt(2)))
    return still + (end - still) / 2 * float(WEIGHTS @ (1 - below.prod(1)))
