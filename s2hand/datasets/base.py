"""What all datasets share: from a stored image and its annotations to one augmented sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from s2hand.errors import DatasetError
from s2hand.files import require_folder
from s2hand.images.crops import DEFAULT_SQUARES
from s2hand.geometry.mirror import mirror_points
from s2hand.images.images import ImageFile, read_image, read_mask
from s2hand.images.plain_background import plain_silhouette
from s2hand.images.photos import read_photo, read_photo_shrunk
from s2hand.images.square_view import SquareView, view_square
from s2hand.images.transforms import (
    AugmentationConfig,
    apply_colour_transform,
    rotation_about_z,
    sample_colour_transform,
)

SPLITS = ("training", "evaluation")

Sample = dict[str, np.ndarray]
"""One sample under the field names of :class:`s2hand.structures.HandBatch`: image (S, S, 3) and mask (S, S)
as uint8, the rest float32 without the batch axis."""


@dataclass(frozen=True)
class SampleRecord:
    """Where a sample lies and what is known of it, in pixels of the stored image; None where unknown.

    Attributes:
        image_path: the image file.
        K: (3, 3) px.
        crop: (left, top, side) px of the square to show; None takes the whole image, which must be square.
        keypoints_2d: (21, 2) px, detected; (0, 0) where missed.
        confidence: (21,) of the detections.
        photometric_weight: weight of the sample in photometric losses.
        world_joints: (21, 3) metres, the hand in 3D as a detector guesses it: about any origin, x right, y down,
            z away as the image shows the hand.
        world_confidence: (21,) of these.
        joints: (21, 3) metres, camera frame.
        vertices: (778, 3) metres, camera frame.
        scale: metres, length of bone 9-10.
        mask_path: hand segmentation, white on black.
        jitter_box: (4,) px, the box about which training draws ``crop`` (HO-3D's published jitter); stored
            records hold both.
        true_keypoints_2d: (21, 2) px; None for ``joints`` projected with K, unless K is only a guess.
        mirrored: the hand is a left one: the sample shows its mirror image, a right one. Everything here
            describes the left hand, as the image shows it.
        look_at: the square is seen by a camera at the same place that is turned towards it; otherwise it is
            cut out, and K with it. Everything here refers to the image's own camera.
        upright: the image is a user's own photo: its pixels are those of the photo put upright by its EXIF.
        size: (width, height) px that the image must have for the rest to be right; None if any will do.
    """

    image_path: ImageFile
    K: np.ndarray
    crop: tuple[float, float, float] | None = None
    keypoints_2d: np.ndarray | None = None
    confidence: np.ndarray | None = None
    photometric_weight: float | None = None
    world_joints: np.ndarray | None = None
    world_confidence: np.ndarray | None = None
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None
    scale: float | None = None
    mask_path: ImageFile | None = None
    jitter_box: np.ndarray | None = None
    true_keypoints_2d: np.ndarray | None = None
    mirrored: bool = False
    look_at: bool = False
    upright: bool = False
    size: tuple[int, int] | None = None


class HandDataset(Dataset):
    """Turns the records of a subclass into samples and augments them reproducibly.

    All randomness of a sample is a function of (seed, epoch, index): the same in any number of workers and
    in any order, different in every epoch.

    Args:
        image_size: side of the samples' images in pixels.
        augment: random changes of training images; None for none, as in evaluation.
        seed: of the random changes.
        crop_upright: crop images about the detected hand, where the record has no crop about a hand already,
            and turn them so that its fingers point up, before they are turned at random.
    """

    def __init__(
        self, *, image_size: int, augment: AugmentationConfig | None, seed: int, crop_upright: bool = False
    ):
        if image_size < 1:
            raise ValueError(f"image_size must be positive, got {image_size}")
        self.image_size = image_size
        self.augment = augment
        self.seed = seed
        self.crop_upright = crop_upright
        # Shared memory: workers that outlive an epoch see the next one's number.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._finds_silhouettes = False

    def __len__(self) -> int:
        raise NotImplementedError

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        """Looks up one sample; ``random`` is None without augmentation."""
        raise NotImplementedError

    def image_path(self, index: int) -> Path:
        """The image file of a sample, for messages."""
        return self.record(index).image_path

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The numbers of all samples in an order for one epoch; some datasets read faster in some orders."""
        return random.permutation(len(self))

    def summary(self) -> str:
        """A line that tells the user what was taken and what was left out, where that is not plain."""
        return ""

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch for which random changes are drawn; reaches running workers."""
        self._epoch.fill_(epoch)

    def find_silhouettes(self) -> None:
        """From now on, samples hold the silhouettes that are found before plain backgrounds.

        Call it before a loader starts workers, which would not hear of it.
        """
        self._finds_silhouettes = True

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def __getitem__(self, index: int) -> Sample:
        """Reads, crops and augments one sample.

        Raises:
            DatasetError: its image or mask is missing or damaged.
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        random = None
        if self.augment is not None:
            random = np.random.default_rng((self.seed, self.epoch, index))
        record = self.record(index, random)
        if self.crop_upright and not record.look_at:
            record = replace(record, crop=_square_about_hand(record))
        marks = {"index": np.int64(index), "mirrored": np.bool_(record.mirrored)}
        return {**self._augmented(record, random), **marks}

    def _augmented(self, record: SampleRecord, random: np.random.Generator | None) -> Sample:
        stored, shrunk = _read_stored(record, self.image_size)
        angle_rad = 0.0
        if self.crop_upright and record.keypoints_2d is not None:
            level = self._view(record, stored, shrunk, 0.0)
            angle_rad = level.upright_angle(record.keypoints_2d, record.confidence)
        if random is not None and self.augment.rotation_deg:
            angle_rad += math.radians(random.uniform(-self.augment.rotation_deg, self.augment.rotation_deg))
        view = self._view(record, stored, shrunk, angle_rad)
        image = view.image(stored, shrunk)
        if random is not None and self.augment.changes_colour:
            image = apply_colour_transform(image, sample_colour_transform(self.augment, random))
        sample = {"image": image, "K": view.K, "to_photo": view.rotation.T, **_annotations(record, view, angle_rad)}
        if record.mask_path is not None:
            mask = read_mask(record.mask_path)
            sample["mask"] = self._view(record, mask, 1, angle_rad).image(mask)
        if self._finds_silhouettes:
            sample |= _found_silhouette(record, stored, shrunk, view)
        return {
            name: value if value.dtype == np.uint8 else value.astype(np.float32)
            for name, value in sample.items()
        }

    def _view(self, record: SampleRecord, stored: np.ndarray, shrunk: int, angle_rad: float) -> SquareView:
        """What a sample shows of its image or mask, turned in its plane."""
        square = _square(record, stored)
        width = shrunk * stored.shape[1]
        view = view_square(
            square, record.K, width, self.image_size, look_at=record.look_at, mirrored=record.mirrored
        )
        return view.turned(angle_rad) if angle_rad else view


def dataset_folder(root: str | Path, split: str, splits: Iterable[str], *, key: str, layout: str) -> Path:
    """Returns a dataset's folder, having checked it and the split asked for.

    Args:
        root: the folder.
        split: the split asked for.
        splits: those that there are.
        key: config key that names the folder, for messages.
        layout: what should lie there, for messages.

    Raises:
        DatasetError: there is no such folder or split.
    """
    if split not in splits:
        raise DatasetError(f"split must be {' or '.join(splits)}, got {split!r}")
    return require_folder(root, key=key, expected=layout)


def known_labels(asked: Iterable[str], known: Iterable[str], dataset: str) -> frozenset[str]:
    """Returns the labels asked for, if ``dataset`` may have them.

    Raises:
        DatasetError: it never has one of them.
    """
    asked = frozenset(asked)
    if unknown := sorted(asked - set(known)):
        raise DatasetError(f"the labels of {dataset} are {', '.join(known)}; it has no {', '.join(unknown)}")
    return asked


def _read_stored(record: SampleRecord, image_size: int) -> tuple[np.ndarray, int]:
    """A sample's whole image, uint8 RGB, and how many times smaller than stored it is.

    A large photo is decoded no finer than its view would make it: to one or two of its pixels for each of the
    sample's.
    """
    if record.upright and record.crop is not None:
        image, shrunk = read_photo_shrunk(record.image_path, max(record.crop[2] / image_size, 1))
    else:
        image, shrunk = (read_photo if record.upright else read_image)(record.image_path), 1
    height, width = (shrunk * side for side in image.shape[:2])
    if record.size not in (None, (width, height)):
        raise DatasetError(
            f"{record.image_path} has {width} x {height} px, but its keypoints were detected at "
            f"{record.size[0]} x {record.size[1]} px: run the detector on this image again"
        )
    return image, shrunk


def _square(record: SampleRecord, stored: np.ndarray) -> tuple[float, float, float]:
    """Left, top and side of the square that a sample shows of its image, in stored pixels."""
    if record.crop is not None:
        return record.crop
    height, width = stored.shape[:2]
    if height != width:
        raise DatasetError(f"{record.image_path}: expected a square crop, got {width} x {height} px")
    return 0.0, 0.0, float(width)


def _square_about_hand(record: SampleRecord) -> tuple[float, float, float] | None:
    """The square about the detected keypoints; the record's own where hardly any was found."""
    try:
        return DEFAULT_SQUARES.square(None, record.keypoints_2d, record.confidence)[0]
    except DatasetError:
        return record.crop


def _true_keypoints(record: SampleRecord) -> np.ndarray:
    """Where the true joints are seen, (21, 2) px of the stored image."""
    if record.true_keypoints_2d is not None:
        return record.true_keypoints_2d
    projected = record.joints @ record.K.T
    return projected[:, :2] / projected[:, 2:]


def _found_silhouette(record: SampleRecord, stored: np.ndarray, shrunk: int, view: SquareView) -> Sample:
    """What stands before a plain background, as the sample shows it, and whether there is such a thing."""
    points = None
    if record.keypoints_2d is not None:
        points = record.keypoints_2d[record.confidence > 0] / shrunk
    found = plain_silhouette(stored, points)
    mask = np.zeros(stored.shape[:2], np.uint8) if found is None else found
    return {"found_mask": view.image(mask, shrunk), "found_mask_weight": np.float32(found is not None)}


def _seen_world(joints: np.ndarray, mirrored: bool, angle_rad: float) -> np.ndarray:
    """Turns a detector's joints (21, 3) about the line of sight, and mirrors them, as the image is.

    They are seen along the line to the hand, so a virtual camera that looks at it turns nothing else.
    """
    return (mirror_points(joints) if mirrored else joints) @ rotation_about_z(angle_rad).T


def _annotations(record: SampleRecord, view: SquareView, angle_rad: float) -> Sample:
    """Takes what is known of a sample from the stored image to the network's input, turned in its plane."""
    annotations = {}
    if record.keypoints_2d is not None:
        found = record.confidence[:, None] > 0
        annotations["keypoints_2d"] = np.where(found, view.pixels(record.keypoints_2d), 0)
        annotations["confidence"] = record.confidence
        annotations["photometric_weight"] = np.asarray(record.photometric_weight)
    if record.world_joints is not None:
        annotations["world_joints"] = _seen_world(record.world_joints, view.mirrored, angle_rad)
        annotations["world_confidence"] = record.world_confidence
    if record.joints is not None:
        annotations["gt_keypoints_2d"] = view.pixels(_true_keypoints(record))
        annotations["gt_joints"] = view.points(record.joints)
    if record.vertices is not None:
        annotations["gt_vertices"] = view.points(record.vertices)
    if record.scale is not None:
        annotations["gt_scale"] = np.asarray(record.scale)
    return annotations
