"""What all datasets share: from a stored image and its annotations to one augmented sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from s2hand.datasets.annotations import found_silhouette, seen_annotations
from s2hand.datasets.sample_record import Sample, SampleRecord
from s2hand.errors import DatasetError
from s2hand.files import require_folder
from s2hand.images.crops import DEFAULT_SQUARES
from s2hand.images.images import read_image, read_mask
from s2hand.images.photos import read_photo, read_photo_shrunk
from s2hand.images.square_view import SquareView, view_square
from s2hand.images.transforms import (
    AugmentationConfig,
    apply_colour_transform,
    sample_colour_transform,
)

SPLITS = ("training", "evaluation")


class HandDataset(Dataset):
    """Turns the records of a subclass into samples and augments them reproducibly.

    All randomness of a sample is a function of (seed, epoch, index): the same in any number of workers and
    in any order, different in every epoch.

    Args:
        image_size: side of the samples' images in pixels.
        augment: random changes of training images; None for none, as in evaluation.
        seed: what the random changes are drawn with.
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
        self._fits: np.ndarray | None = None

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

    @property
    def crops_vary(self) -> bool:
        """Whether a sample shows another part of its image in each epoch."""
        return False

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

    def take_fits(self, joints: np.ndarray) -> None:
        """From now on, samples hold hands that were fitted to their detections.

        Call it before a loader starts workers, which would not hear of it.

        Args:
            joints: (N, 21, 3) metres, in the frames of the stored images' cameras and as these show the hand
                (left hands are not mirrored); NaN where none could be fitted.
        """
        self._fits = joints

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
        # A square about the hand has no jitter, nor has the crop that stands in for it.
        record = self.record(index, None if self.crop_upright else random)
        if self._fits is not None:
            record = replace(record, fitted_joints=self._fits[index])
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
        sample = {
            "image": image,
            "K": view.K,
            "to_photo": view.rotation.T,
            **seen_annotations(record, view, angle_rad),
        }
        if record.mask_path is not None:
            mask = read_mask(record.mask_path)
            sample["mask"] = self._view(record, mask, 1, angle_rad).image(mask)
        if self._finds_silhouettes:
            sample |= found_silhouette(record, stored, shrunk, view)
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
