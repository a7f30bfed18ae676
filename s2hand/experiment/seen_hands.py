"""The hands of images that a lift learns from, as the detector's network sees them; read once in a run.

Generated images come with the generator's truth. Keypoints and confidences of photos are those of the
detections; depths and world landmarks are what the network reads in the square about the hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from s2hand.cache import file_stamp
from s2hand.config import Config
from s2hand.datasets import CombinedDataset, HandDataset
from s2hand.datasets.json_files import as_array, read_json
from s2hand.datasets.loader import start_worker
from s2hand.experiment.datasets import build_dataset
from s2hand.experiment.experiment import Experiment
from s2hand.experiment.run_cache import checksum, read_cache, write_cache
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.mano import ROOT_AXIS_ANGLE
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.random_hands import RandomHands
from s2hand.progress_bar import ProgressBar
from s2hand.training.lift_batches import SeenHands

CACHE_FILE = "seen_hands.safetensors"
"""In the run's folder; reading the images again would give the same, but takes minutes."""

READ_AT_ONCE = 32

DATA_KEYS = ("synthetic_", "folder_", "controlled_")
"""Beginnings of the config keys that choose images."""

OTHER_KEYS = ("train_datasets", "image_size", "crop_upright", "hand_model", "fingertips")
"""Other config keys on which the hands that are read depend."""

ROOT, POSE, BETAS = slice(0, 3), slice(3, 48), slice(48, 58)
"""Columns of the generator's parameters."""


def seen_hands(experiment: Experiment) -> SeenHands:
    """The hands of the config's ``train_datasets``, Synthetic and Folder.

    Args:
        experiment: its network's backbone reads the landmarks.

    Raises:
        DatasetError: a dataset is missing or damaged, or more photos than allowed cannot be read.
    """
    config = experiment.config
    if not config.train_datasets:
        return SeenHands()
    datasets = {
        name: build_dataset(config, name, "training", ("joints",) if name == "Synthetic" else ())
        for name in config.train_datasets
    }
    for dataset in datasets.values():
        for line in dataset.summary().splitlines():
            experiment.say(line)
    encoder = experiment.model.backbone.eval()
    photos = None
    if "Folder" in datasets:
        photos = CombinedDataset([datasets["Folder"]], config.max_unreadable_share)
    path, meant = config.run_dir / CACHE_FILE, _meant(config, encoder, photos)
    if (cache := read_cache(path, meant)) is not None:
        return _unflattened(cache)
    found: dict[str, RandomHands | HandLandmarks] = {}
    if "Synthetic" in datasets:
        found["generated"] = _generated(encoder, datasets["Synthetic"], config, experiment.device)
    if photos is not None:
        found["photos"] = _read(encoder, photos, config, experiment.device, placed=True)[0]
    seen = SeenHands(**found)
    if photos is None or not photos.num_left_out:  # what cannot be read today may be read tomorrow
        write_cache(path, _flattened(seen), meant)
    return seen


def _generated(
    encoder: torch.nn.Module, dataset: HandDataset, config: Config, device: torch.device
) -> RandomHands:
    """The hands of generated images, with the generator's truth."""
    landmarks, columns = _read(encoder, dataset, config, device, placed=False)
    path = dataset.root / f"{dataset.split}_mano.json"
    stored = as_array(read_json(path, remedy="generate the dataset again"), (None, 1, 61), what=str(path))
    mano = torch.from_numpy(stored[: len(dataset), 0]).float()
    # The hand layer turns by this of its own accord; the files hold what MANO itself has to turn by.
    layers_turn = axis_angle_to_matrix(mano.new_tensor([ROOT_AXIS_ANGLE]))
    own = axis_angle_to_matrix(mano[:, ROOT]) @ layers_turn.transpose(1, 2)
    return RandomHands(
        landmarks=landmarks,
        angles=mano[:, POSE].unflatten(-1, (-1, 3)),
        betas=mano[:, BETAS],
        rotation=columns["to_photo"].transpose(1, 2) @ own,
        joints=columns["gt_joints"],
    )


@torch.no_grad()
def _read(
    encoder: torch.nn.Module, dataset: Dataset, config: Config, device: torch.device, *, placed: bool
) -> tuple[HandLandmarks, dict[str, Tensor]]:
    """What the encoder reads in a dataset's images, and the other columns of its samples.

    Args:
        encoder: reads landmarks.
        dataset: of upright crops.
        config: the number of processes, and the side of the images.
        device: where the encoder computes.
        placed: whether keypoints and confidences are those of the detections.
    """
    parts: list[HandLandmarks] = []
    columns: dict[str, list[Tensor]] = {}
    for samples in _batches(dataset, config.num_workers):
        image, K = samples.pop("image").to(device), samples["K"].to(device)
        feature = encoder(image.permute(0, 3, 1, 2).float() / 255)[1]
        landmarks = encoder.landmarks(feature, K, config.image_size)
        if placed:
            landmarks = landmarks.placed(
                samples["keypoints_2d"].to(device), samples["confidence"].to(device), K
            )
        parts.append(landmarks.to("cpu"))
        for name, values in samples.items():
            columns.setdefault(name, []).append(values)
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return HandLandmarks(**joined), {name: torch.cat(values) for name, values in columns.items()}


def _batches(dataset: Dataset, processes: int) -> Iterator[dict[str, Tensor]]:
    """All samples in their order."""
    loader = DataLoader(
        dataset,
        READ_AT_ONCE,
        num_workers=processes,
        worker_init_fn=start_worker,
        # The workers' own seeds, which nothing uses, leave torch's global random state alone.
        generator=torch.Generator(),
    )
    return iter(ProgressBar(loader, "reading landmarks", unit="batch"))


def _meant(config: Config, encoder: torch.nn.Module, photos: CombinedDataset | None) -> str:
    """What the hands depend on: keys of the config, the encoder, and the photos with their detections."""
    stored = json.loads(config.to_json())
    keys = {key: stored[key] for key in stored if key.startswith(DATA_KEYS) or key in OTHER_KEYS}
    digest = hashlib.sha256()
    for record in () if photos is None else photos.records():
        if record is None:
            digest.update(b"unreadable")
            continue
        stamp = file_stamp(record.image_path) if record.image_path.exists() else "missing"
        digest.update(f"{record.image_path} {stamp} {record.mirrored} {record.crop}".encode())
        for values in (record.K, record.keypoints_2d, record.confidence):
            digest.update(np.ascontiguousarray(values).tobytes())
    return json.dumps([keys, checksum(encoder.state_dict()), digest.hexdigest()], sort_keys=True)


def _flattened(seen: SeenHands) -> dict[str, Tensor]:
    """The tensors by name; those of landmarks begin with "photos." or "landmarks."."""
    tensors = {} if seen.photos is None else {f"photos.{name}": v for name, v in vars(seen.photos).items()}
    if seen.generated is not None:
        values = dict(vars(seen.generated))
        tensors |= {f"landmarks.{name}": value for name, value in vars(values.pop("landmarks")).items()}
        tensors |= values
    return {name: value.contiguous() for name, value in tensors.items()}


def _unflattened(tensors: dict[str, Tensor]) -> SeenHands:
    """The inverse of :func:`_flattened`."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}

    photos, landmarks = under("photos."), under("landmarks.")
    truth = {name: value for name, value in tensors.items() if "." not in name}
    return SeenHands(
        generated=RandomHands(landmarks=HandLandmarks(**landmarks), **truth) if landmarks else None,
        photos=HandLandmarks(**photos) if photos else None,
    )
