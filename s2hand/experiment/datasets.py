"""The datasets that a config names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from s2hand.config import Config
from s2hand.config.loss_table import LOSSES
from s2hand.datasets import (
    AugmentationConfig,
    CombinedDataset,
    FolderDataset,
    FreiHandDataset,
    HandDataset,
    ShardDataset,
)
from s2hand.datasets.ho3d import Ho3dDataset
from s2hand.datasets.shards.dataset import LAYOUT as SHARDS_LAYOUT
from s2hand.datasets.shards.index import read_index, shard_folders
from s2hand.files import require_folder
from s2hand.hand_names import GENERIC_HANDS

LABEL_OF_FIELD = {
    "gt_joints": "joints",
    "gt_keypoints_2d": "joints",
    "gt_vertices": "vertices",
    "gt_scale": "scale",
    "mask": "mask",
    "world_joints": "world",
}
"""Fields of HandBatch that a dataset fills on request alone, mostly labels, and what to ask it for."""


LABELLED_WITH_MANO = ("FreiHand", "HO3D")
"""Datasets with vertices of MANO, which the generic hand's vertices do not correspond to."""


def training_dataset(config: Config) -> CombinedDataset:
    """Every dataset of ``train_datasets``, augmented; labels only where a loss of the config reads them."""
    augment, labels = augmentation(config), training_labels(config)
    parts = [build_dataset(config, name, "training", labels, augment) for name in config.train_datasets]
    dataset = CombinedDataset(parts, config.max_unreadable_share)
    if any("found_mask" in LOSSES[name].fields for name in config.losses):
        dataset.find_silhouettes()
    return dataset


def augmentation(config: Config) -> AugmentationConfig:
    """The random changes of training images."""
    jitter = config.color_jitter
    return AugmentationConfig(config.rotation_deg, jitter, jitter, jitter)


def training_labels(config: Config) -> set[str]:
    """The labels that the config's losses read."""
    fields = {field for name in config.losses for field in LOSSES[name].fields}
    return {LABEL_OF_FIELD[field] for field in fields if field in LABEL_OF_FIELD}


def evaluation_datasets(config: Config) -> dict[str, HandDataset]:
    """Name -> dataset for every one of ``val_datasets``, unaugmented, with the labels that are on disk."""
    return {name: build_dataset(config, name, "evaluation", None) for name in config.val_datasets}


def foreign_datasets(config: Config) -> list[str]:
    """The datasets whose labels are of MANO while the config's hand is not."""
    if config.hand_model not in GENERIC_HANDS or "hand" not in config.network_parts:
        return []
    used = [("evaluation", name) for name in config.val_datasets]
    if config.stage == "train":
        used = [("training", name) for name in config.train_datasets] + used
    return list(dict.fromkeys(name for split, name in used if _is_of_mano(config, name, split)))


def _is_of_mano(config: Config, name: str, split: str) -> bool:
    """Whether a dataset is labelled with MANO, or shards were written from one that is."""
    if name != "Shards":
        return name in LABELLED_WITH_MANO
    folders = shard_folders(_shards_root(config) / split)
    return any(read_index(folder).source in LABELLED_WITH_MANO for folder in folders)


def build_dataset(
    config: Config,
    name: str,
    split: str,
    labels: Iterable[str] | None,
    augment: AugmentationConfig | None = None,
) -> HandDataset | CombinedDataset:
    """One dataset's split.

    Args:
        config: says where the dataset lies and how it is read.
        name: as in ``train_datasets``.
        split: ``training`` or ``evaluation``.
        labels: what to read; None for the joints and vertices that are there.
        augment: random changes; None for none.
    """
    common = {
        "image_size": config.image_size,
        "augment": augment,
        "labels": labels,
        "controlled_size": _limit(config, split),
        "seed": config.seed,
        "crop_upright": config.crop_upright,
    }
    if name == "Folder":
        return FolderDataset(config, split, **common)
    builders = {"FreiHand": _freihand, "Synthetic": _synthetic, "HO3D": _ho3d, "Shards": _shards}
    return builders[name](config, split, common)


def sample_name(dataset: HandDataset | CombinedDataset, index: int) -> str:
    """What a sample is called on pages: its image, relative to the dataset's folder where there is one."""
    path = Path(dataset.image_path(index))
    root = getattr(dataset, "root", None)
    return (path.relative_to(root) if root is not None and path.is_relative_to(root) else path).as_posix()


def _freihand(config: Config, split: str, common: dict[str, Any]) -> FreiHandDataset:
    training, boundary = split == "training", config.freihand_train_rows
    if boundary is None:
        given = config.freihand_detections if training else config.freihand_eval_detections
        return FreiHandDataset(config.freihand_base_path, split, detections=given or "auto", **common)
    return FreiHandDataset(
        config.freihand_base_path,
        "training",
        detections=config.freihand_detections or "auto",
        versions=None if training else [0],
        rows=slice(boundary) if training else slice(boundary, None),
        **common,
    )


def synthetic_settings(config: Config) -> dict[str, Any]:
    """What the config's synthetic dataset looks like: :class:`~s2hand.synthetic.SyntheticSettings`."""
    from s2hand.synthetic import NOISES

    return {
        "train": config.synthetic_train_size,
        "evaluation": config.synthetic_eval_size,
        "image_size": config.image_size,
        "seed": config.synthetic_seed,
        "view_variety": config.synthetic_view_variety,
        "wide_poses": config.synthetic_wide_poses,
        "object_share": config.synthetic_object_share,
        "noise": NOISES[config.synthetic_noise],
        "hand_model": config.hand_model,
    }


def _synthetic(config: Config, split: str, common: dict[str, Any]) -> FreiHandDataset:
    from s2hand.synthetic import write_synthetic_dataset

    write_synthetic_dataset(config.synthetic_base_path, **synthetic_settings(config))
    return FreiHandDataset(config.synthetic_base_path, split, key="synthetic_base_path", **common)


def _ho3d(config: Config, split: str, common: dict[str, Any]) -> Ho3dDataset:
    return Ho3dDataset(
        config.ho3d_base_path,
        "train" if split == "training" else split,
        version=config.ho3d_version,
        detections=config.ho3d_detections or "auto",
        **common,
    )


def _shards(config: Config, split: str, common: dict[str, Any]) -> ShardDataset | CombinedDataset:
    folders = shard_folders(_shards_root(config) / split)
    if common["labels"] is not None:  # shards hold 3D landmarks with the other detections, if at all
        common = common | {"labels": set(common["labels"]) - {"world"}}
    if (limit := common["controlled_size"]) is not None:
        common = common | {"controlled_size": max(limit // len(folders), 1)}
    parts = [ShardDataset(folder, window=config.shards_window, **common) for folder in folders]
    return parts[0] if len(parts) == 1 else CombinedDataset(parts)


def _shards_root(config: Config) -> Path:
    return require_folder(config.shards_path, key="shards_path", expected=SHARDS_LAYOUT)


def _limit(config: Config, split: str) -> int | None:
    """How many samples of a dataset to use, None for all."""
    if split == "evaluation":
        return config.eval_limit
    if not config.controlled_exp:
        return None
    # As published, every dataset gives an equal share.
    return max(config.controlled_size // len(config.train_datasets), 1)
