"""The datasets that a config names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from s2hand.config import Config
from s2hand.config.loss_table import LOSSES
from s2hand.datasets import (
    AugmentationConfig,
    CombinedDataset,
    FolderDataset,
    FreiHandDataset,
    HandDataset,
    TolerantDataset,
)
from s2hand.datasets.shards.dataset import LAYOUT as SHARDS_LAYOUT
from s2hand.datasets.shards.dataset import ShardDataset
from s2hand.datasets.shards.index import shard_folders
from s2hand.files import require_folder
from s2hand.images.intrinsics import StatedCamera

LABEL_OF_FIELD = {
    "gt_joints": "joints",
    "gt_keypoints_2d": "joints",
    "gt_vertices": "vertices",
    "gt_scale": "scale",
    "mask": "mask",
}
"""Fields of HandBatch that are labels, and what a dataset must read for them."""


def training_dataset(config: Config) -> HandDataset | CombinedDataset | TolerantDataset:
    """Every dataset of ``train_datasets``, augmented; labels only where a loss of the config reads them."""
    labels = training_labels(config)
    jitter = config.color_jitter
    augment = AugmentationConfig(config.rotation_deg, jitter, jitter, jitter)
    parts = [
        _dataset(config, name, training=True, labels=labels, augment=augment)
        for name in config.train_datasets
    ]
    dataset = parts[0] if len(parts) == 1 else CombinedDataset(parts)
    if config.max_unreadable_share:
        return TolerantDataset(dataset, config.max_unreadable_share)
    return dataset


def training_labels(config: Config) -> set[str]:
    """The labels that the config's losses read."""
    fields = {field for name in config.losses for field in LOSSES[name].fields}
    return {LABEL_OF_FIELD[field] for field in fields if field in LABEL_OF_FIELD}


def unaugmented_dataset(
    config: Config, name: str, *, training: bool, labels: Iterable[str] | None
) -> HandDataset:
    """One dataset's split as it lies on disk; ``labels`` None reads joints and vertices if there."""
    labels = None if labels is None else set(labels)
    return _dataset(config, name, training=training, labels=labels, augment=None)


def evaluation_datasets(config: Config) -> dict[str, HandDataset]:
    """Name -> dataset for every one of ``val_datasets``, unaugmented, with the labels that are on disk."""
    return {
        name: _dataset(config, name, training=False, labels=None, augment=None)
        for name in config.val_datasets
    }


def dataset_summaries(dataset: HandDataset | CombinedDataset | TolerantDataset) -> list[str]:
    """What the user should know of a dataset: a line for each folder of own pictures in it."""
    if isinstance(dataset, TolerantDataset):
        return dataset_summaries(dataset.dataset)
    if isinstance(dataset, CombinedDataset):
        return [line for part in dataset.datasets for line in dataset_summaries(part)]
    return [dataset.summary()] if isinstance(dataset, FolderDataset) else []


def _dataset(
    config: Config,
    name: str,
    *,
    training: bool,
    labels: set[str] | None,
    augment: AugmentationConfig | None,
) -> HandDataset:
    """One dataset's training or evaluation split; ``labels`` None reads joints and vertices if there."""
    builders = {
        "FreiHand": _freihand,
        "Synthetic": _synthetic,
        "HO3D": _ho3d,
        "Shards": _shards,
        "Folder": _folder,
    }
    return builders[name](config, training, labels, augment)


def _freihand(config: Config, training: bool, labels: set[str] | None, augment) -> HandDataset:
    root, key, boundary = config.freihand_base_path, "freihand_base_path", config.freihand_train_rows
    if boundary is None:
        given = config.freihand_detections if training else config.freihand_eval_detections
        return _freihand_layout(config, root, training, labels, augment, given or "auto", key)
    return FreiHandDataset(
        root,
        "training",
        detections=config.freihand_detections or "auto",
        image_size=config.image_size,
        augment=augment,
        labels=_labels_on_disk(root, "training") if labels is None else labels,
        versions=None if training else [0],
        rows=slice(boundary) if training else slice(boundary, None),
        controlled_size=_limit(config, training),
        seed=config.seed,
        key=key,
    )


def _synthetic(config: Config, training: bool, labels: set[str] | None, augment) -> HandDataset:
    from s2hand.synthetic import write_synthetic_dataset

    write_synthetic_dataset(
        config.synthetic_base_path,
        train=config.synthetic_train_size,
        evaluation=config.synthetic_eval_size,
        image_size=config.image_size,
        seed=config.synthetic_seed,
        view_variety=config.synthetic_view_variety,
        hand_model=config.hand_model,
    )
    return _freihand_layout(
        config, config.synthetic_base_path, training, labels, augment, "auto", "synthetic_base_path"
    )


def _freihand_layout(
    config: Config, root: str, training: bool, labels: set[str] | None, augment, detections: str, key: str
) -> HandDataset:
    split = "training" if training else "evaluation"
    return FreiHandDataset(
        root,
        split,
        detections=detections,
        image_size=config.image_size,
        augment=augment,
        labels=_labels_on_disk(root, split) if labels is None else labels,
        controlled_size=_limit(config, training),
        seed=config.seed,
        key=key,
    )


def _labels_on_disk(root: str, split: str) -> set[str]:
    """Which of joints and vertices a split of FreiHAND's layout comes with."""
    files = {"joints": "xyz", "vertices": "verts"}
    return {label for label, name in files.items() if (Path(root) / f"{split}_{name}.json").is_file()}


def _ho3d(config: Config, training: bool, labels: set[str] | None, augment) -> HandDataset:
    from s2hand.datasets.ho3d import Ho3dDataset

    return Ho3dDataset(
        config.ho3d_base_path,
        "train" if training else "evaluation",
        version=config.ho3d_version,
        detections=config.ho3d_detections or "auto",
        image_size=config.image_size,
        augment=augment,
        labels={"joints", "vertices"} if labels is None else labels,
        controlled_size=_limit(config, training),
        seed=config.seed,
    )


def _shards(
    config: Config, training: bool, labels: set[str] | None, augment
) -> ShardDataset | CombinedDataset:
    root = require_folder(config.shards_path, key="shards_path", expected=SHARDS_LAYOUT)
    folders = shard_folders(root / ("training" if training else "evaluation"))
    limit = _limit(config, training)
    parts = [
        ShardDataset(
            folder,
            image_size=config.image_size,
            augment=augment,
            labels=labels,
            controlled_size=None if limit is None else max(limit // len(folders), 1),
            window=config.shards_window,
            seed=config.seed,
        )
        for folder in folders
    ]
    return parts[0] if len(parts) == 1 else CombinedDataset(parts)


def _folder(config: Config, training: bool, labels: set[str] | None, augment) -> FolderDataset:
    stated = StatedCamera(config.folder_focal, None if config.folder_K is None else np.array(config.folder_K))
    if labels is None:
        labels = set() if config.folder_labels is None else {"joints", "vertices"}
    return FolderDataset(
        config.folder_base_path,
        "training" if training else "evaluation",
        detections=config.folder_detections or "auto",
        image_size=config.image_size,
        augment=augment,
        labels=labels,
        labels_file=config.folder_labels,
        stated=stated,
        margin=config.folder_crop_margin,
        min_confidence=config.folder_min_confidence,
        min_joints=config.folder_min_joints,
        val_share=config.folder_val_share,
        controlled_size=_limit(config, training),
        seed=config.seed,
    )


def _limit(config: Config, training: bool) -> int | None:
    """How many samples of a dataset to use, None for all."""
    if not training:
        return config.eval_limit
    if not config.controlled_exp:
        return None
    # As published, every dataset gives an equal share.
    return max(config.controlled_size // len(config.train_datasets), 1)
