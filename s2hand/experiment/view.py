"""The page of a config's datasets: what training sees of them, and what it leaves out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from s2hand.config import Config, check_paths, config_from_dict
from s2hand.datasets import CombinedDataset, FolderDataset, HandDataset
from s2hand.datasets.detection_files import is_preview
from s2hand.datasets.folder import DETECTIONS_FILE
from s2hand.datasets.shards.index import INDEX, SETS
from s2hand.errors import DatasetError, S2HandError
from s2hand.experiment.datasets import augmentation, build_dataset
from s2hand.experiment.sharding import config_of_source
from s2hand.experiment.viewed_samples import BLANK, UNREADABLE, ViewedDataset, spread, viewed_samples
from s2hand.images.listing import list_photos, photo_names
from s2hand.images.photos import read_photo
from s2hand.pages import DatasetPage, EmbeddedImage, embed, write_dataset_page
from s2hand.pages.media import THUMBNAIL_PX

HANDLESS_SHOWN = 24
"""Photos without hands, at most so many, spread evenly over all."""

SETTINGS = ("rotation_deg", "color_jitter", "image_size", "controlled_exp", "controlled_size")
FOLDER_SETTINGS = (
    *("folder_detections", "folder_crop_margin", "folder_min_confidence"),
    *("folder_min_joints", "folder_val_share"),
)
"""Keys that decide what is left out and how images are prepared."""


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
        for sample in viewed_samples(part, reasons, max(samples // len(viewed), 1)):
            shown.append(sample)
            left_out[UNREADABLE] += sample.left_out == UNREADABLE
    keys = (*SETTINGS, *(FOLDER_SETTINGS if "Folder" in names else ()))
    found = [getattr(part.plain, "detections", None) for part in viewed]
    confidence = (
        None if any(each is None for each in found) else np.concatenate([e.confidence for e in found])
    )
    handless = [photo for part in viewed for photo in _handless(part.plain)]
    page = DatasetPage(
        title=", ".join(names),
        samples=shown,
        count=sum(_size(part.plain) for part in viewed),
        image_count=sum(_image_count(part.plain) for part in viewed),
        left_out=+left_out,
        handless=[(name, _thumbnail(path)) for name, path in spread(handless, HANDLESS_SHOWN)],
        handless_count=len(handless),
        unreadable=[line for part in viewed for line in _unreadable(part.plain)],
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


def _handless(dataset: HandDataset) -> list[tuple[str, Path]]:
    """(name, path) of the photos of a folder that the detections do not mention."""
    if not isinstance(dataset, FolderDataset):
        return []
    detections = Path(dataset.section.folder_detections or dataset.root / DETECTIONS_FILE).expanduser()
    paths = [path for path in list_photos(dataset.root) if not is_preview(path, detections)]
    known = {*dataset.detections.names, *(name for name, _ in _unreadable(dataset))}
    return [
        (name, path)
        for name, path in zip(photo_names(dataset.root, paths), paths, strict=True)
        if name not in known
    ]


def _unreadable(dataset: HandDataset) -> list[tuple[str, str]]:
    """(name, reason) of the photos of a folder that the detector could not read."""
    lines = dataset.detections.unreadable if isinstance(dataset, FolderDataset) else ()
    return [(name, reason) for name, _, reason in (line.partition(": ") for line in lines)]


def _thumbnail(path: Path) -> EmbeddedImage:
    """A photo for the page; grey if it cannot be read, which its name stands beside."""
    try:
        return embed(read_photo(path), THUMBNAIL_PX)
    except DatasetError:
        return embed(BLANK)
