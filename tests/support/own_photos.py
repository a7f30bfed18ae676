"""Synthetic photos of left and right hands, as somebody's own folders."""

from __future__ import annotations

from pathlib import Path

from s2hand.config.data_sections import FolderSection
from s2hand.datasets import Detections, FolderDataset
from s2hand.synthetic import DetectorNoise, write_synthetic_dataset

SECTION_KEYS = {"margin": "folder_crop_margin", "labels_file": "folder_labels"} | {
    name: f"folder_{name}" for name in ("val_share", "min_joints", "min_confidence", "focal", "K")
}
"""Short names of the config's keys that :func:`folder_dataset` takes."""


def draw_photos(root: Path, train: int, evaluation: int) -> Path:
    """Draws ``training`` and ``evaluation`` folders of small photos in which every hand is detected.

    Returns:
        ``root``.
    """
    write_synthetic_dataset(
        root,
        layout="folder",
        train=train,
        evaluation=evaluation,
        image_size=160,
        noise=DetectorNoise(failure_rate=0),
        processes=1,
        progress=False,
    )
    return root


def folder_dataset(root: Path, split: str = "training", *, detections=None, **settings) -> FolderDataset:
    """The dataset of a folder; ``settings`` are its arguments or, by their short names, the config's keys.

    The config's limits are not checked, so that tests can take every hand (``min_joints`` of 0).
    """
    keys = {"folder_base_path": str(root)}
    if detections is not None and not isinstance(detections, Detections):
        keys["folder_detections"], detections = str(detections), None
    for name in SECTION_KEYS.keys() & settings.keys():
        keys[SECTION_KEYS[name]] = settings.pop(name)
    section = FolderSection().model_copy(update=keys)
    return FolderDataset(section, split, detections=detections, **settings)
