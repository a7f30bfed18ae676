"""The page of a config's datasets: what training sees of them, and what it leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2hand.config import Config, check_paths, config_from_dict
from s2hand.datasets import CombinedDataset, FolderDataset, HandDataset
from s2hand.datasets.folder import DETECTIONS_FILE
from s2hand.datasets.shards.index import INDEX, SETS
from s2hand.errors import DatasetError, S2HandError
from s2hand.experiment.datasets import augmentation, build_dataset, sample_name
from s2hand.experiment.sharding import config_of_source
from s2hand.images.images import read_image
from s2hand.images.photos import read_photo
from s2hand.pages import DatasetPage, DatasetSample, embed, write_dataset_page
from s2hand.pages.dataset_samples import CROP_PX, IMAGE_PX

AUGMENTATIONS = 3
"""Augmented crops of each hand: those of the first epochs."""

LEFT_OUT_SHOWN = 4
"""At most one in so many of the hands shown is one that is left out, as long as others are there."""

UNREADABLE = "cannot be read"
BLANK = np.full((96, 96, 3), 128, np.uint8)
"""Stands for an image that cannot be read."""

SETTINGS = ("rotation_deg", "color_jitter", "image_size", "controlled_exp", "controlled_size")
FOLDER_SETTINGS = (
    *("folder_detections", "folder_crop_margin", "folder_min_confidence"),
    *("folder_min_joints", "folder_val_share"),
)
"""Keys that decide what is left out and how images are prepared."""


@dataclass(frozen=True)
class ViewedDataset:
    """A dataset without augmentation and with it.

    Attributes:
        plain: as evaluation reads it.
        augmented: as training reads it, or None where nothing is trained.
    """

    plain: HandDataset
    augmented: HandDataset | None


def config_to_view(source: str | Path, overrides: dict | None = None) -> Config:
    """The config that names the datasets to show.

    Args:
        source: an experiment's JSON; or a folder of photos with detections.json, of shards, or in the layout
            of FreiHAND or HO-3D.
        overrides: key -> value, in place of the file's.

    Raises:
        S2HandError: the file is no experiment's, or the folder has none of these layouts.
    """
    path = Path(source).expanduser()
    if (path / DETECTIONS_FILE).is_file():
        dataset, key = "Folder", "folder_base_path"
    elif any((path / "training" / name).is_file() for name in (INDEX, SETS)):
        dataset, key = "Shards", "shards_path"
    else:
        return config_of_source(source, overrides)
    values = {"train_datasets": [dataset], key: str(path), "losses": ["open_2dj"], "base_out_path": "runs"}
    return config_from_dict(values | (overrides or {}), str(source))


def view_datasets(config: Config, out: str | Path, samples: int = 100, command: str = "") -> Path:
    """Writes a page about the datasets that a config trains on; or evaluates on, if it does not train.

    Args:
        config: names the datasets.
        out: the HTML file.
        samples: how many hands to show, in equal shares of the datasets.
        command: that writes the page, to be shown there.

    Returns:
        The path written.

    Raises:
        S2HandError: a dataset is missing or damaged.
    """
    if samples < 1:
        raise S2HandError(f"samples must be 1 or more, got {samples}")
    check_paths(config)
    trains = config.stage == "train"
    names = config.train_datasets if trains else config.val_datasets
    viewed = [part for name in names for part in _parts(config, name, trains)]
    shown, left_out = [], Counter()
    for part in viewed:
        reasons = _reasons(part.plain)
        left_out.update(filter(None, reasons.values()))
        for sample in _samples(part, reasons, max(samples // len(viewed), 1)):
            shown.append(sample)
            left_out[UNREADABLE] += sample.left_out == UNREADABLE
    keys = (*SETTINGS, *(FOLDER_SETTINGS if "Folder" in names else ()))
    found = [getattr(part.plain, "detections", None) for part in viewed]
    confidence = (
        None if any(each is None for each in found) else np.concatenate([e.confidence for e in found])
    )
    page = DatasetPage(
        title=", ".join(names),
        samples=shown,
        count=sum(_size(part.plain) for part in viewed),
        image_count=sum(_image_count(part.plain) for part in viewed),
        left_out=+left_out,
        mean_confidence=None if confidence is None else confidence.mean(1),
        joint_confidence=None if confidence is None else confidence.mean(0),
        lead="; ".join(filter(None, (part.plain.summary() for part in viewed))),
        command=command,
        settings={key: getattr(config, key) for key in keys},
    )
    return write_dataset_page(out, page)


def _parts(config: Config, name: str, trains: bool) -> list[ViewedDataset]:
    """The datasets behind a name: one, or one for each folder of shards."""
    split = "training" if trains else "evaluation"
    plain = build_dataset(config, name, split, ())
    augmented = build_dataset(config, name, split, (), augmentation(config)) if trains else None
    if not isinstance(plain, CombinedDataset):
        return [ViewedDataset(plain, augmented)]
    changed = augmented.datasets if augmented is not None else [None] * len(plain.datasets)
    return [ViewedDataset(*pair) for pair in zip(plain.datasets, changed, strict=True)]


def _size(dataset: HandDataset) -> int:
    return len(dataset.detections) if isinstance(dataset, FolderDataset) else len(dataset)


def _image_count(dataset: HandDataset) -> int:
    return len(set(dataset.detections.names)) if isinstance(dataset, FolderDataset) else len(dataset)


def _reasons(dataset: HandDataset) -> dict[int, str]:
    """Row of the detections -> why it is not used, empty if it is; only folders leave hands out."""
    if not isinstance(dataset, FolderDataset):
        return {}
    section, used = dataset.section, set(dataset.rows.tolist())
    joints = (dataset.detections.confidence > section.folder_min_confidence).sum(1)
    few = f"fewer than {section.folder_min_joints} joints found"
    apart = f"not used for {dataset.split}"
    return {
        row: "" if row in used else few if count < section.folder_min_joints else apart
        for row, count in enumerate(joints)
    }


def _samples(part: ViewedDataset, reasons: dict[int, str], count: int) -> Iterator[DatasetSample]:
    """Hands spread evenly over the dataset, and then some of those that are left out."""
    dropped = [row for row, reason in reasons.items() if reason]
    few = min(len(dropped), max(count // LEFT_OUT_SHOWN, count - len(part.plain)))
    for index in _spread(range(len(part.plain)), count - few):
        yield _used(part, index)
    for row in _spread(dropped, few):
        yield _left_out(part.plain, row, reasons[row])


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most so many of the numbers, spread evenly over them."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def _used(part: ViewedDataset, index: int) -> DatasetSample:
    """A sample of the dataset, with its crops; one that cannot be read says why."""
    dataset, name = part.plain, sample_name(part.plain, index)
    try:
        record = dataset.record(index)
        image = (read_photo if record.upright else read_image)(record.image_path)
        crop = dataset[index]["image"]
        augmented = []
        for epoch in range(AUGMENTATIONS if part.augmented is not None else 0):
            part.augmented.set_epoch(epoch)
            augmented.append(embed(part.augmented[index]["image"], CROP_PX))
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
        crop=embed(crop, CROP_PX),
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
