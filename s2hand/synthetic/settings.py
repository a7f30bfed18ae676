"""The settings of a synthetic dataset, how its folder records them, and whether it exists already."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from s2hand.config.data_sections import SYNTHETIC_EVAL_SIZE, SYNTHETIC_TRAIN_SIZE
from s2hand.datasets.json_files import read_json
from s2hand.errors import DatasetError, shown
from s2hand.hand import HandModel, load_hand_model
from s2hand.synthetic.backgrounds import find_backgrounds
from s2hand.synthetic.simulated_detector import DetectorNoise

GENERATOR_VERSION = 1
"""Raised whenever the same settings give other images."""

SUMMARY_FILE = "synthetic.json"

BOUNDS = {"train": (1, 10**8), "evaluation": (1, 10**8), "image_size": (16, 8192)}
"""Names of images have eight digits, a smaller image shows no hand, and a larger one takes gigabytes."""

LARGEST_SEED = 2**63 - 1
"""The summary's numbers are read as 64 bits."""

LATER_SETTINGS = {"wide_poses": False, "object_share": 0.0}
LATER_NOISE_SETTINGS = {"shared_by_finger": 0.0, "definition": "joints"}
"""Settings that summaries name only where they differ from the default that had been the only way."""

IMAGE_SIZES = {"freihand": 224, "ho3d_v2": 640, "ho3d_v3": 640, "folder": 480}
"""The layouts, and the width of their (widest) images in pixels unless another is asked for."""


@dataclass(frozen=True)
class SyntheticSettings:
    """Everything on which a synthetic dataset depends.

    Attributes:
        train: number of training images.
        evaluation: number of evaluation images; they share no random number with training.
        image_size: width of the (widest) images in pixels; None for the layout's own, 224, 640 or 480.
        seed: seed of everything random.
        hand_model: ``generic`` or a MANO file.
        backgrounds: folder of photos to put behind the hands; None draws backgrounds.
        noise: errors of the simulated detector.
        layout: ``freihand``, ``ho3d_v2``, ``ho3d_v3`` or ``folder``.
        view_variety: in [0, 1]: 1 shows hands as variously turned as FreiHAND does, 0 always upright with
            palm or back to the camera.
        wide_poses: draw poses as wide as photos show them, see :mod:`s2hand.hand.wide_poses`.
        object_share: share of the images in which the hand holds something, and of those in which something
            lies before it.

    Raises:
        DatasetError: a setting is impossible.
    """

    train: int = SYNTHETIC_TRAIN_SIZE
    evaluation: int = SYNTHETIC_EVAL_SIZE
    image_size: int | None = None
    seed: int = 0
    hand_model: str | Path = "generic"
    backgrounds: str | Path | None = None
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    layout: str = "freihand"
    view_variety: float = 1.0
    wide_poses: bool = False
    object_share: float = 0.0

    def __post_init__(self):
        if self.layout not in IMAGE_SIZES:
            layouts = ", ".join(IMAGE_SIZES)
            raise DatasetError(f"synthetic data: layout must be one of {layouts}, got {self.layout!r}")
        plain = {"hand_model": str(self.hand_model), "view_variety": float(self.view_variety)}
        if self.image_size is None:
            plain["image_size"] = IMAGE_SIZES[self.layout]
        if self.backgrounds is not None:
            plain["backgrounds"] = str(Path(self.backgrounds).expanduser().resolve())
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        for name, (low, high) in BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise DatasetError(
                    f"synthetic data: {name} must be {low} or more, and at most {high:,}, got "
                    f"{shown(getattr(self, name))}"
                )
        for name in ("view_variety", "object_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise DatasetError(f"synthetic data: {name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise DatasetError(f"synthetic data: seed must be in [0, {LARGEST_SEED}], got {self.seed}")

    def count(self, split: str) -> int:
        return self.train if split == "training" else self.evaluation


@dataclass(frozen=True)
class SyntheticSummary:
    """The dataset that :func:`~s2hand.synthetic.write_synthetic_dataset` made or found.

    Attributes:
        root: the dataset's folder.
        statistics: for each split ``samples``, ``detector_error_px`` and ``detector_median_error_px`` (of
            the joints found, against the truth), ``missed_share``, ``hidden_share``.
        reused: the folder held this very dataset already.
    """

    root: Path
    statistics: dict[str, dict[str, float]]
    reused: bool


def describe(settings: SyntheticSettings) -> dict:
    """The settings as JSON, with fingerprints of the hand and the photos in place of their paths."""
    digest = hashlib.sha256()
    model = load_hand_model(settings.hand_model)
    for entry in fields(HandModel):
        if isinstance(array := getattr(model, entry.name), np.ndarray):
            digest.update(np.ascontiguousarray(array).tobytes())
    photos = None
    if settings.backgrounds is not None:
        listing = [f"{photo.name} {photo.stat().st_size}" for photo in find_backgrounds(settings.backgrounds)]
        photos = hashlib.sha256("\n".join(listing).encode()).hexdigest()
    description = asdict(settings)
    # A dataset written before a setting existed has the setting's default.
    for part, later in ((description, LATER_SETTINGS), (description["noise"], LATER_NOISE_SETTINGS)):
        for name, default in later.items():
            if part[name] == default:
                del part[name]
    description |= {"hand_model": digest.hexdigest(), "backgrounds": photos, "generator": GENERATOR_VERSION}
    return description


def find_dataset(root: Path, description: dict, overwrite: bool) -> SyntheticSummary | None:
    """The dataset in ``root`` if it is the one described; None if there is room for it.

    Raises:
        DatasetError: something else lies there.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    if not (root / SUMMARY_FILE).is_file():
        raise DatasetError(f"{root} exists and is not a synthetic dataset: choose another folder")
    summary = read_json(root / SUMMARY_FILE, remedy="delete the folder or choose another one")
    if not isinstance(summary, dict) or not isinstance(summary.get("settings"), dict):
        raise DatasetError(f"{root / SUMMARY_FILE} is not a synthetic dataset's: choose another folder")
    if summary["settings"] == description:
        return SyntheticSummary(root, summary["statistics"], reused=True)
    if overwrite:
        return None
    differing = sorted(name for name in description if summary["settings"].get(name) != description[name])
    raise DatasetError(
        f"{root} holds a synthetic dataset with other settings ({', '.join(differing)}): "
        "delete it, choose another folder, or ask to overwrite it"
    )
