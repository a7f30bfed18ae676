"""Hands fitted to the detections of training images: 3D to learn from that no label gave.

A fit knows what hands can do: joint limits, likely poses and shapes, and how large a detector's errors are.
So it finds each hand better than losses in the image do, and what fits get wrong averages out over many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from s2hand.config import Config
from s2hand.config.loss_table import LOSSES
from s2hand.datasets import CombinedDataset
from s2hand.errors import DatasetError
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.run_cache import read_cache, write_cache
from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import FEWEST_PLACED, HandLandmarks
from s2hand.models.landmark_lift import RANDOM_HANDS_WEIGHTS, LandmarkLifter
from s2hand.progress_bar import ProgressBar
from s2hand.skeleton import NUM_JOINTS

CACHE_FILE = "fitted_hands.safetensors"
"""In the run's folder; fitting again would give the same, but takes 10 ms a hand."""

FITTED_AT_ONCE = 100

VERSION = 1
"""Raise it when the same detections lead to other hands."""


def reads_fits(experiment: Experiment) -> bool:
    """Whether a loss of the experiment compares with fitted hands."""
    return any("fitted_joints" in LOSSES[name].fields for name in experiment.config.losses)


def give_fits(experiment: Experiment, dataset: CombinedDataset) -> None:
    """Fits a hand to each sample's detections, and gives the fits to the datasets.

    Fits that the run or the stage before it kept are used again, if the detections are the same.

    Raises:
        DatasetError: a dataset has no detections, more samples than allowed cannot be looked up, or no hand
            could be fitted.
    """
    found = dataset.records()
    records = [record for record in found if record is not None]
    for record in records:
        if record.keypoints_2d is None:
            raise DatasetError(
                f"{record.image_path} has no detections, to which loss fitted_joints fits hands: "
                "run s2hand detect, or leave the loss out"
            )
    columns = {
        "keypoints_2d": np.stack([record.keypoints_2d for record in records]),
        "confidence": np.stack([record.confidence for record in records]),
        "K": np.stack([record.K for record in records]),
        "left": np.array([record.mirrored for record in records]),
    }
    columns = {
        name: values.astype(bool if name == "left" else np.float32) for name, values in columns.items()
    }
    path, meant = experiment.config.run_dir / CACHE_FILE, _meant(experiment, columns)
    cache = read_cache(path, meant)
    if cache is None:
        before = _of_stage_before(experiment.config)
        cache = None if before is None else read_cache(before, meant)
        cache = cache or {"joints": torch.from_numpy(_fitted(experiment, columns))}
        write_cache(path, cache, meant)
    known = np.isfinite(cache["joints"].numpy()).all((1, 2))
    if not known.any():
        raise DatasetError(
            f"{experiment.config.source}: the loss fitted_joints fits hands to {FEWEST_PLACED} detected "
            "joints or more, and no training image has as many; detect again, or leave the loss out"
        )
    others = "" if known.all() else f"; the others have fewer than {FEWEST_PLACED} joints"
    experiment.say(f"hands fitted to {known.sum():,} of {len(known):,} detections{others}")
    fits = np.full((len(found), NUM_JOINTS, 3), np.nan, np.float32)
    fits[[record is not None for record in found]] = cache["joints"].numpy()
    dataset.take_fits(fits)


def _of_stage_before(config: Config) -> Path | None:
    """The file of the run that the network starts from, which may have learned from the same images."""
    if config.pretrain_model is None:
        return None
    start = Path(config.pretrain_model)
    return (start if start.is_dir() else start.parent) / CACHE_FILE


@torch.no_grad()
def _fitted(experiment: Experiment, columns: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 21, 3) metres, NaN for hands with too few joints; equal detections are fitted once."""
    rows = np.concatenate([values.reshape(len(values), -1) for values in columns.values()], 1)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    device = experiment.device
    joint_chain = JointChain(experiment.hand_model, experiment.network.fingertips).to(device)
    lifter = LandmarkLifter.bundled(experiment.hand_model, RANDOM_HANDS_WEIGHTS).to(device)
    refiner = LandmarkRefiner(experiment.model.landmark_chain or joint_chain).to(device)
    joints = np.full((len(first), NUM_JOINTS, 3), np.nan, np.float32)
    for chosen in _enough(columns["confidence"][first]):
        batch = {name: torch.from_numpy(values[first[chosen]]).to(device) for name, values in columns.items()}
        left = batch.pop("left")
        landmarks = HandLandmarks.from_pixels(**batch).mirrored(left)
        hand = refiner(landmarks, lifter(landmarks)).hand
        found = joint_chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
        found[left, :, 0] *= -1
        joints[chosen] = found.cpu().numpy()
    return joints[which.reshape(-1)]


def _enough(confidence: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of the hands with enough joints, a batch at a time."""
    usable = np.flatnonzero((confidence > 0).sum(1) >= FEWEST_PLACED)
    batches = range(0, len(usable), FITTED_AT_ONCE)
    for start in ProgressBar(batches, "fitting hands to detections", unit="batch"):
        yield usable[start : start + FITTED_AT_ONCE]


def _meant(experiment: Experiment, columns: dict[str, np.ndarray]) -> str:
    """What the fits depend on."""
    config = experiment.config
    digest = hashlib.sha256()
    for name in sorted(columns):
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    for array in (experiment.hand_model.v_template, experiment.hand_model.shapedirs):
        digest.update(np.ascontiguousarray(array).tobytes())
    return json.dumps([VERSION, config.detected_points, config.fingertips, digest.hexdigest()])
