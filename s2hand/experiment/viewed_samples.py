"""Hands of a dataset as its page shows them: with their crops, or with the reason why they are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from s2hand.datasets import FolderDataset, HandDataset
from s2hand.datasets.base import Sample
from s2hand.errors import DatasetError
from s2hand.experiment.datasets import sample_name
from s2hand.images.images import read_image
from s2hand.images.photos import read_photo
from s2hand.pages import Crop, DatasetSample, embed
from s2hand.pages.dataset_samples import CROP_PX, IMAGE_PX

AUGMENTATIONS = 3
"""Augmented crops of each hand: those of the first epochs."""

LEFT_OUT_SHOWN = 4
"""At most one in so many of the hands shown is one that is left out, as long as others are there."""

UNREADABLE = "cannot be read"
BLANK = np.full((96, 96, 3), 128, np.uint8)
"""Stands for an image that cannot be read."""


@dataclass(frozen=True)
class ViewedDataset:
    """A dataset without augmentation and with it.

    Attributes:
        plain: as evaluation reads it.
        augmented: as training reads it, or None where nothing is trained.
    """

    plain: HandDataset
    augmented: HandDataset | None


def viewed_samples(part: ViewedDataset, reasons: dict[int, str], count: int) -> Iterator[DatasetSample]:
    """Hands spread evenly over the dataset, and then some of those that are left out."""
    dropped = [row for row, reason in reasons.items() if reason]
    few = min(len(dropped), max(count // LEFT_OUT_SHOWN, count - len(part.plain)))
    for index in spread(range(len(part.plain)), count - few):
        yield _used(part, index)
    for row in spread(dropped, few):
        yield _left_out(part.plain, row, reasons[row])


def spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most so many of the numbers, spread evenly over them."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def _used(part: ViewedDataset, index: int) -> DatasetSample:
    """A sample of the dataset, with its crops; one that cannot be read says why."""
    dataset, name = part.plain, sample_name(part.plain, index)
    try:
        record = dataset.record(index)
        image = (read_photo if record.upright else read_image)(record.image_path)
        crop = _crop(dataset[index])
        augmented = []
        for epoch in range(AUGMENTATIONS if part.augmented is not None else 0):
            part.augmented.set_epoch(epoch)
            augmented.append(_crop(part.augmented[index]))
    except DatasetError as error:
        size = BLANK.shape[1], BLANK.shape[0]
        return DatasetSample(name, BLANK, size, left_out=UNREADABLE, remarks=[("Error", str(error))])
    remarks = [("Focal length", f"{record.K[0, 0]:,.0f} px")]
    if record.photometric_weight is not None:
        remarks.append(("Weight in photometric losses", f"{record.photometric_weight:.2f}"))
    if record.mirrored:
        remarks.append(("Mirrored", "yes: the network sees right hands alone"))
    left, top, side = (0, 0, image.shape[1]) if record.crop is None else record.crop
    return DatasetSample(
        name,
        embed(image, IMAGE_PX),
        (image.shape[1], image.shape[0]),
        record.keypoints_2d,
        record.confidence,
        (left, top, left + side, top + side),
        "left" if record.mirrored else "right",
        crop=crop,
        augmented=augmented,
        remarks=remarks,
    )


def _left_out(dataset: FolderDataset, row: int, reason: str) -> DatasetSample:
    """A row of a folder's detections that the dataset leaves out."""
    found, remarks = dataset.detections, []
    try:
        image = read_photo(dataset.root / found.names[row])
        size = image.shape[1], image.shape[0]
    except DatasetError as error:
        image, size, remarks = BLANK, (BLANK.shape[1], BLANK.shape[0]), [("Error", str(error))]
    box = None if found.boxes is None or np.isnan(found.boxes[row]).any() else found.boxes[row]
    return DatasetSample(
        found.names[row],
        embed(image, IMAGE_PX),
        size,
        found.keypoints[row],
        found.confidence[row],
        None if box is None else (*box[:2], *(box[:2] + box[2:])),
        "right" if found.hands is None else found.hands[row],
        reason,
        remarks=remarks,
    )


def _crop(sample: Sample) -> Crop:
    """What the network sees of a hand, with its detections there."""
    image = sample["image"]
    return Crop(embed(image, CROP_PX), len(image), sample.get("keypoints_2d"), sample.get("confidence"))
