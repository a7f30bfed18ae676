"""The readers under test: a small sound file of each kind, how to damage it, and how to read it."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from fuzzing.mutate import (
    ODD_VALUES,
    Mutator,
    damage_bytes,
    damage_json,
    damage_pickle,
    inside_zip,
    pack_otherwise,
    plant_structure,
)
from PIL import ExifTags, Image

from s2hand.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from s2hand.checkpoints.converted import convert_published, read_published
from s2hand.checkpoints.weights import read_stored
from s2hand.config import load_config
from s2hand.config.sections import NetworkSection
from s2hand.datasets import (
    Detections,
    DetectorInfo,
    HandDataset,
    SampleRecord,
    ShardDataset,
    read_detections,
    write_detections,
    write_shards,
    write_versioned_detections,
)
from s2hand.datasets.folder_labels import read_folder_labels
from s2hand.datasets.ho3d_meta import read_meta
from s2hand.evaluation.scoring import load_labels
from s2hand.evaluation.submission import read_submission, write_submission
from s2hand.hand import HandModelError, load_hand_model
from s2hand.images.images import read_image
from s2hand.images.photos import read_photo, read_photo_header
from s2hand.models import HandHead, HandNet, build_hand_net
from s2hand.runtime.distributed import ALONE
from s2hand.training.ema import WeightAverage
from s2hand.training.progress import Progress
from s2hand.training.state import TrainingState


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        file: its name.
        write: makes a sound one, and what must lie beside it, in a folder.
        read: reads it; must return or raise an S2HandError of one line.
        mutators: ways to damage it.
    """

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    mutators: tuple[Mutator, ...]


def _write_config(path: Path) -> None:
    values = {"base_out_path": "runs/x", "freihand_base_path": "/d", "losses": ["mscale", "mshape"]}
    values |= {"train_requires": ["joints"], "lr_steps": [3, 6], "total_epochs": 9, "init_lr": 0.01}
    path.write_text(json.dumps(values))


def _write_detections(path: Path) -> None:
    random = np.random.default_rng(0)
    found = Detections(
        random.uniform(0, 224, (2, 21, 2)).astype(np.float32),
        random.uniform(0, 1, (2, 21)).astype(np.float32),
        ("a.jpg", "b.jpg"),
    )
    write_detections(path, found)


def _write_photo(path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    picture = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    Image.fromarray(picture).save(path, exif=exif.tobytes())


def _write_folder_labels(path: Path) -> None:
    hand = {"name": "a.jpg", "joints": [[0, 0, 1]] * 21, "vertices": [[0, 0, 1]] * 778}
    path.write_text(json.dumps([hand, hand]))


def _write_versioned_detections(path: Path) -> None:
    random = np.random.default_rng(0)
    found = Detections(
        random.uniform(0, 224, (2, 21, 2)).astype(np.float32),
        random.uniform(0, 1, (2, 21)).astype(np.float32),
        ("a.jpg", "b.jpg"),
        sizes=np.array([[224, 224], [640, 480]]),
        boxes=np.float32([[1, 2, 3, 4], [np.nan] * 4]),
        hands=("left", "right"),
        cameras=np.float32([[[200, 0, 112], [0, 200, 112], [0, 0, 1]]] * 2),
        detector=DetectorInfo("openpose", "0", {"scales": [1.0]}),
        unreadable=("c.jpg: empty",),
    )
    write_versioned_detections(path, found)


def _write_prediction(path: Path) -> None:
    random = np.random.default_rng(0)
    write_submission(path, random.normal(size=(2, 21, 3)), random.normal(size=(2, 9, 3)))


def _write_meta(path: Path) -> None:
    meta = {"camMat": np.eye(3), "handJoints3D": np.zeros((21, 3)), "objName": "mug", "objLabel": np.int64(3)}
    path.write_bytes(pickle.dumps(meta, 2))


def _write_mano(path: Path) -> None:
    """Every kind of entry that MANO's file has, in far smaller arrays."""
    import scipy.sparse

    from s2hand.hand.assets import EXPECTED_SHAPES, NAMES_IN_MANO_FILES

    content = {NAMES_IN_MANO_FILES.get(key, key): np.zeros((3, 2)) for key in EXPECTED_SHAPES}
    array, select = Ch(), Select()
    array.__dict__.update(x=np.arange(12.0), _dirty_vars={"x"}, _itr=None)
    select.__dict__.update(a=array, idxs=np.arange(6), preferred_shape=(3, 2), _dirty_vars=set())
    content |= {"J_regressor": scipy.sparse.csc_matrix(np.eye(4)), "shapedirs": select}
    pickled = pickle.dumps(content, 2)
    for name, module in (("Ch", b"chumpy.ch"), ("Select", b"chumpy.reordering")):
        pickled = pickled.replace(f"c{__name__}\n{name}\n".encode(), b"c%s\n%s\n" % (module, name.encode()))
    path.write_bytes(pickled)


class Ch:
    """Pickled under the name of chumpy's array."""


class Select:
    """Pickled under the name of chumpy's selection."""


def _read_mano(path: Path) -> None:
    """Loads the entries as :func:`load_hand_model` does; that the arrays are too small is no fault here."""
    try:
        load_hand_model(path)
    except HandModelError as error:
        if "v_template has shape (3, 2)" not in str(error):
            raise


def _head() -> dict[str, torch.Tensor]:
    state = HandHead(4).state_dict()
    return {
        f"hand_decode.{_PUBLISHED[key.split('.')[0]]}.{key.partition('.')[2]}": v for key, v in state.items()
    }


_PUBLISHED = {
    **{"trunk": "base_layers", "pose": "pose_reg", "shape": "shape_reg", "translation": "trans_reg"},
    **{"rotation": "rot_reg", "scale": "scale_reg"},
}


def _published(**options) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        args = argparse.Namespace(use_mean_shape=True, lr_steps=[30, 60], task="train")
        content = {
            "epoch": 3,
            "args": args,
            "encoder": {"a": torch.ones(3)},
            "decoder": {"b": torch.ones(2, 2)},
        }
        torch.save(content, path, **options)

    return write


def _write_whole_head(path: Path) -> None:
    args = argparse.Namespace(use_mean_shape=False)
    torch.save({"epoch": 3, "args": args, "decoder": _head()}, path)


def _write_converted(path: Path) -> None:
    source = path.with_suffix(".t7")
    _published()(source)
    convert_published(source, path)


def _write_own(path: Path) -> None:
    write_checkpoint(path, {"model": {"a": torch.ones(3)}, "progress": {"epoch": 1}, "config": "{}"})


def _write_npz(path: Path) -> None:
    from s2hand.hand.assets import EXPECTED_SHAPES

    np.savez_compressed(path, **{key: np.zeros((3, 2)) for key in EXPECTED_SHAPES})


_BRANCH = {
    **{"image_size": 32, "hourglass_stacks": 1, "hourglass_depth": 1},
    **{"hourglass_modules": 1, "hourglass_features": 8},
}


def _training_state() -> TrainingState:
    """What a training of one layer changes."""
    model = torch.nn.Module()
    model.hand_head = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model.hand_head(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scaler, average = torch.amp.GradScaler("cpu", enabled=False), WeightAverage(model, 0.9)
    progress = Progress(1, 2, 3, best=0.5, best_metric="pa_mpjpe", best_epoch=1, focal_range=(2.0, 2.2))
    return TrainingState(model, optimizer, scaler, average, progress, _BRANCH, torch.device("cpu"), ALONE)


def _resume(path: Path) -> None:
    """Goes on with a training, in a state of its own."""
    random_state = torch.get_rng_state()
    try:
        _training_state().load(read_checkpoint(path), batch_images=4)
    finally:
        torch.set_rng_state(random_state)


def _write_branch(path: Path) -> None:
    """A checkpoint of the smallest 2D branch."""
    model = build_hand_net(NetworkSection(**_BRANCH), {"heatmaps"})
    write_checkpoint(path, {"model": model.state_dict(), "config": json.dumps(_BRANCH)})


def damage_checkpoint(content: bytes, random: np.random.Generator) -> bytes:
    """An entry, a weight or a key of the config replaced, in a file that is sound otherwise."""
    state = torch.load(io.BytesIO(content), weights_only=True)
    odd = ODD_VALUES[random.integers(len(ODD_VALUES))]
    weights = state["model"]
    name = list(weights)[random.integers(len(weights))]
    match random.integers(7):
        case 0:
            state[list(state)[random.integers(len(state))]] = odd
        case 1:
            weights[name] = odd
        case 2:
            kinds = (torch.complex64, torch.bool, torch.int64)
            weights[name] = weights[name].to(kinds[random.integers(len(kinds))])
        case 5:
            weights[int(random.integers(9))] = weights.pop(name)
        case 6:
            _replace_within(state, odd, random)
        case 3:
            weights[name] = torch.full((2,), float("nan"))
        case _:
            key = list(_BRANCH)[random.integers(len(_BRANCH))]
            value = (odd, 200_000, 60, 1 << 40)[random.integers(4)]
            state["config"] = json.dumps(_BRANCH | {key: value}, default=str)
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _replace_within(state: dict, odd: object, random: np.random.Generator) -> None:
    """Replaces, removes or adds a value anywhere within the entries."""
    parent, key = state, list(state)[random.integers(len(state))]
    while isinstance(parent[key], dict | list) and parent[key] and random.random() < 0.8:
        parent = parent[key]
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = keys[random.integers(len(keys))]
    match random.integers(3):
        case 0 if isinstance(parent, dict):
            parent["added"] = odd
        case 1:
            del parent[key]
        case _:
            parent[key] = odd


class _TwoHands(HandDataset):
    """The same made-up hand twice."""

    def __init__(self, picture: Path):
        super().__init__(image_size=8, augment=None, seed=0)
        self.picture = picture

    def __len__(self) -> int:
        return 2

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        points = np.ones((21, 3), np.float32)
        found = {"keypoints_2d": points[:, :2], "confidence": points[:, 0], "photometric_weight": 1.0}
        return SampleRecord(self.picture, np.eye(3), **found, joints=points, scale=1.0)


def _write_shards(path: Path) -> None:
    picture = path.with_name("picture.png")
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    write_shards(_TwoHands(picture), path.parent, progress=False)


def _read_shards(path: Path) -> None:
    """Every sample; which of them a damage hits does not matter."""
    dataset = ShardDataset(path.parent, image_size=8)
    for index in range(len(dataset)):
        dataset[index]


def _write_sample(path: Path) -> None:
    """A sample's JSON as it stands in a tar, with the shards from which it comes."""
    _write_shards(path.with_name("index.json"))
    member = ShardDataset(path.parent).member(_role(path), 1)
    path.write_bytes(member.read_bytes())


def _read_sample(path: Path) -> None:
    """Reads a sample behind a checksum that fits: its JSON takes the place of the one in the tar."""
    index, content = json.loads((path.parent / "index.json").read_text()), path.read_bytes()
    shard = index["shards"][0]
    tar = path.parent / shard["file"]
    members = shard["members"][_role(path)]
    members["offset"][1], members["size"][1] = shard["bytes"], len(content)
    members["crc32"][1] = zlib.crc32(content)
    shard["bytes"] += len(content)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        (Path(folder) / tar.name).write_bytes(tar.read_bytes() + content)
        (Path(folder) / "index.json").write_text(json.dumps(index))
        dataset = ShardDataset(folder, image_size=8)
        for number in range(len(dataset)):
            dataset[number]


def _role(path: Path) -> str:
    return "labels" if path.name.endswith(".labels.json") else "annotations"


_ZIPPED_PICKLE = (
    *(damage_bytes, inside_zip(damage_pickle), inside_zip(damage_bytes)),
    *(inside_zip(plant_structure), pack_otherwise),
)
_PICKLE = (damage_pickle, damage_bytes, plant_structure)

TARGETS = {
    "config": Target("experiment.json", _write_config, load_config, (damage_json, damage_bytes)),
    "detections": Target("detect.json", _write_detections, read_detections, (damage_json, damage_bytes)),
    "detections, versioned": Target(
        "detect.json", _write_versioned_detections, read_detections, (damage_json, damage_bytes)
    ),
    "labels": Target(
        "evaluation_xyz.json",
        lambda path: path.write_text("[[[1,2,3],[4,5,6]]]"),
        load_labels,
        (damage_json,),
    ),
    "own photo, JPEG": Target("a.jpg", _write_photo, read_photo, (damage_bytes,)),
    "own photo, PNG": Target("a.png", _write_photo, read_photo, (damage_bytes,)),
    "dataset's image, JPEG": Target("a.jpg", _write_photo, read_image, (damage_bytes,)),
    "dataset's image, PNG": Target("a.png", _write_photo, read_image, (damage_bytes,)),
    "own photo's header": Target("a.tif", _write_photo, read_photo_header, (damage_bytes,)),
    "labels of own photos": Target(
        "labels.json",
        _write_folder_labels,
        lambda path: read_folder_labels(path, ["a.jpg", "a.jpg"]),
        (damage_json, damage_bytes),
    ),
    "prediction": Target("pred.json", _write_prediction, read_submission, (damage_json, damage_bytes)),
    "packed prediction": Target(
        "pred.zip",
        lambda path: _write_prediction(path.with_suffix(".json")),
        read_submission,
        (damage_bytes, inside_zip(damage_json), pack_otherwise),
    ),
    "HO-3D pickle": Target("0000.pkl", _write_meta, read_meta, _PICKLE),
    "MANO pickle": Target("MANO_RIGHT.pkl", _write_mano, _read_mano, _PICKLE),
    "checkpoint .t7": Target("texturehand_3.t7", _published(), read_published, _ZIPPED_PICKLE),
    "checkpoint .t7, legacy": Target(
        "handhm_3.t7",
        _published(_use_new_zipfile_serialization=False),
        read_published,
        _PICKLE,
    ),
    "checkpoint .t7 into a network": Target(
        "texturehand_4.t7",
        _write_whole_head,
        lambda path: read_stored(path).load_into(HandNet(hand_head=HandHead(4)), ["hand_head"], ""),
        _ZIPPED_PICKLE,
    ),
    "converted checkpoint": Target(
        "converted.safetensors", _write_converted, read_published, (damage_bytes,)
    ),
    "converted checkpoint's JSON": Target(
        "converted.json",
        lambda path: _write_converted(path.with_suffix(".safetensors")),
        lambda path: read_published(path.with_suffix(".safetensors")),
        (damage_json, damage_bytes),
    ),
    "shards' index": Target("index.json", _write_shards, _read_shards, (damage_json, damage_bytes)),
    "shard's sample": Target("00000001.json", _write_sample, _read_sample, (damage_json, damage_bytes)),
    "shard's labels": Target("00000001.labels.json", _write_sample, _read_sample, (damage_json,)),
    "shard": Target("shard-000000.tar", _write_shards, _read_shards, (damage_bytes,)),
    "hand model .npz": Target(
        "hand.npz", _write_npz, _read_mano, (damage_bytes, inside_zip(damage_bytes), pack_otherwise)
    ),
    "own checkpoint, its entries": Target(
        "checkpoint_0001.pt",
        _write_branch,
        lambda path: read_stored(path).build({"heatmaps"}),
        (damage_checkpoint,),
    ),
    "own checkpoint, resumed": Target(
        "checkpoint_0002.pt",
        lambda path: write_checkpoint(path, _training_state().as_dict()),
        _resume,
        (damage_checkpoint,),
    ),
    "own checkpoint": Target("checkpoint_last.pt", _write_own, read_checkpoint, _ZIPPED_PICKLE),
}
