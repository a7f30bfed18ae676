"""What all datasets share: from a stored picture and its annotations to one augmented sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from s2hand.data.errors import DatasetError
from s2hand.data.images import PictureFile, read_image, read_mask
from s2hand.data.photos import read_photo, read_photo_shrunk
from s2hand.data.transforms import (
    AugmentationConfig,
    apply_colour_transform,
    crop_transform,
    mirror_transform,
    rotate_about_z,
    rotate_camera,
    rotation_transform,
    sample_colour_transform,
    transform_points,
    warp_image,
)
from s2hand.geometry.mirror import mirror_camera, mirror_points

Sample = dict[str, np.ndarray]
"""One sample under the field names of :class:`s2hand.structures.HandBatch`: image (S, S, 3) and mask (S, S)
as uint8, the rest float32 without the batch axis."""


@dataclass(frozen=True)
class SampleRecord:
    """Where a sample lies and what is known of it, in pixels of the stored picture; None where unknown.

    Attributes:
        image_path: the picture.
        K: (3, 3) px.
        crop: (left, top, side) px of the square to cut; None takes the whole picture, which must be square.
        keypoints_2d: (21, 2) px, detected; (0, 0) where missed.
        confidence: (21,) of the detections.
        photometric_weight: weight of the sample in photometric losses.
        joints: (21, 3) metres, camera frame.
        vertices: (778, 3) metres, camera frame.
        scale: metres, length of bone 9-10.
        mask_path: hand segmentation, white on black.
        jitter_box: (4,) px, the box about which training draws ``crop`` (HO-3D's published jitter); kept for
            those who store records, who need both.
        true_keypoints_2d: (21, 2) px; None for ``joints`` projected with K, unless K is only a guess.
        mirrored: it is a left hand: the sample shows its mirror image, a right one. Everything here is of the
            left hand, as the picture shows it.
        upright: the picture is anyone's own: its pixels are those of the picture put upright by its EXIF.
        size: (width, height) px that the picture must have for the rest to be right; None if any will do.
    """

    image_path: PictureFile
    K: np.ndarray
    crop: tuple[float, float, float] | None = None
    keypoints_2d: np.ndarray | None = None
    confidence: np.ndarray | None = None
    photometric_weight: float | None = None
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None
    scale: float | None = None
    mask_path: PictureFile | None = None
    jitter_box: np.ndarray | None = None
    true_keypoints_2d: np.ndarray | None = None
    mirrored: bool = False
    upright: bool = False
    size: tuple[int, int] | None = None


class HandDataset(Dataset):
    """Reads records of a subclass into samples; augments them reproducibly.

    All randomness of a sample is a function of (seed, epoch, index): the same in any number of workers and
    in any order, different in every epoch.

    Args:
        image_size: side of the samples' images in pixels.
        augment: random changes; None for none, as in evaluation.
        seed: of the random changes.
    """

    def __init__(self, *, image_size: int, augment: AugmentationConfig | None, seed: int):
        if image_size < 1:
            raise ValueError(f"image_size must be positive, got {image_size}")
        self.image_size = image_size
        self.augment = augment
        self.seed = seed
        # Shared memory: workers that outlive an epoch see the next one's number.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        raise NotImplementedError

    def record(self, index: int, random: np.random.Generator | None) -> SampleRecord:
        """Looks up one sample; ``random`` is None without augmentation."""
        raise NotImplementedError

    def image_path(self, index: int) -> Path:
        """The picture of a sample, for messages."""
        return self.record(index, None).image_path

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The numbers of all samples in an order for one epoch; some datasets read faster in some orders."""
        return random.permutation(len(self))

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose random changes are drawn; reaches running workers."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def __getitem__(self, index: int) -> Sample:
        """Reads, crops and augments one sample.

        Raises:
            DatasetError: its picture or mask is missing or damaged.
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        random = None
        if self.augment is not None:
            random = np.random.default_rng((self.seed, self.epoch, index))
        record = self.record(index, random)
        marks = {"index": np.int64(index), "mirrored": np.bool_(record.mirrored)}
        return {**self._augmented(record, random), **marks}

    def _augmented(self, record: SampleRecord, random: np.random.Generator | None) -> Sample:
        stored, shrunk = _read_picture(record, self.image_size)
        crop = crop_transform(*_square(record, stored), self.image_size)
        K = crop @ record.K
        mirror = np.eye(3)
        if record.mirrored:
            mirror, K = mirror_transform(self.image_size), mirror_camera(K, self.image_size)
        angle_rad, turn = 0.0, np.eye(3)
        if random is not None and self.augment.rotation_deg:
            angle_rad = math.radians(random.uniform(-self.augment.rotation_deg, self.augment.rotation_deg))
            turn = rotation_transform(angle_rad, self.image_size)
        image = warp_image(stored, turn @ mirror @ crop @ np.diag([shrunk, shrunk, 1]), self.image_size)
        if random is not None and self.augment.changes_colour:
            image = apply_colour_transform(image, sample_colour_transform(self.augment, random))
        sample = {
            "image": image,
            "K": rotate_camera(K, turn),
            **_annotations(record, turn @ mirror @ crop, angle_rad),
        }
        if record.mask_path is not None:
            mask = read_mask(record.mask_path)
            mask_crop = crop_transform(*_square(record, mask), self.image_size)
            sample["mask"] = warp_image(mask, turn @ mirror @ mask_crop, self.image_size)
        return {
            name: value if value.dtype == np.uint8 else value.astype(np.float32)
            for name, value in sample.items()
        }


def _read_picture(record: SampleRecord, image_size: int) -> tuple[np.ndarray, int]:
    """A sample's whole picture, uint8 RGB, and how many times smaller than stored it is.

    A large photo is decoded no finer than :func:`warp_image` would make it: to one or two of its pixels for
    each of the sample's.
    """
    if record.upright and record.crop is not None:
        picture, shrunk = read_photo_shrunk(record.image_path, max(record.crop[2] / image_size, 1))
    else:
        picture, shrunk = (read_photo if record.upright else read_image)(record.image_path), 1
    height, width = (shrunk * side for side in picture.shape[:2])
    if record.size not in (None, (width, height)):
        raise DatasetError(
            f"{record.image_path} has {width} x {height} px, but its keypoints are of {record.size[0]} x "
            f"{record.size[1]} px: detect on this picture again"
        )
    return picture, shrunk


def _square(record: SampleRecord, image: np.ndarray) -> tuple[tuple[float, float], float]:
    """Corner and side of the square that a sample shows of its picture, in stored pixels."""
    if record.crop is not None:
        left, top, side = record.crop
        return (left, top), side
    height, width = image.shape[:2]
    if height != width:
        raise DatasetError(f"{record.image_path}: expected a square crop, got {width} x {height} px")
    return (0.0, 0.0), float(width)


def _true_keypoints(record: SampleRecord) -> np.ndarray:
    """Where the true joints are seen, (21, 2) px of the stored picture."""
    if record.true_keypoints_2d is not None:
        return record.true_keypoints_2d
    projected = record.joints @ record.K.T
    return projected[:, :2] / projected[:, 2:]


def _annotations(record: SampleRecord, transform: np.ndarray, angle_rad: float) -> Sample:
    """Takes what is known of a sample from the stored picture to the network's input.

    Args:
        record: the sample.
        transform: (3, 3) from stored pixels to the input's, the mirror of a left hand included.
        angle_rad: the rotation within it, for quantities in the camera frame.
    """
    annotations = {}
    right_handed = mirror_points if record.mirrored else np.asarray
    if record.keypoints_2d is not None:
        found = record.confidence[:, None] > 0
        annotations["keypoints_2d"] = np.where(found, transform_points(transform, record.keypoints_2d), 0)
        annotations["confidence"] = record.confidence
        annotations["photometric_weight"] = np.asarray(record.photometric_weight)
    if record.joints is not None:
        annotations["gt_keypoints_2d"] = transform_points(transform, _true_keypoints(record))
        annotations["gt_joints"] = rotate_about_z(right_handed(record.joints), angle_rad)
    if record.vertices is not None:
        annotations["gt_vertices"] = rotate_about_z(right_handed(record.vertices), angle_rad)
    if record.scale is not None:
        annotations["gt_scale"] = np.asarray(record.scale)
    return annotations
