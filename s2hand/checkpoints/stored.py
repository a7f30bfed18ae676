"""A trained network from its checkpoint alone, ready to predict."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import ValidationError

from s2hand.checkpoints.checkpoint import CheckpointError, newest_sound, read_checkpoint
from s2hand.checkpoints.network import PUBLISHED_ENDINGS, PUBLISHED_IMAGE_SIZE, build_network
from s2hand.checkpoints.published import (
    COUNTER,
    load_published_checkpoint,
    published_architecture,
    read_published,
)
from s2hand.config import Config
from s2hand.config.published import translate
from s2hand.hand import HandModel, load_hand_model
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule
from s2hand.models import HandNet, build_hand_net
from s2hand.runtime.devices import resolve_device

CPU = torch.device("cpu")

MANO_REMEDY = "its predictions are right with that hand only; name the file of MANO_RIGHT as hand_model"


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights.

    Attributes:
        model: in evaluation mode, on its device, without gradients.
        hand_model: arrays of its hand.
        image_size: S, side of its pictures in pixels.
        path: the checkpoint's file.
        squares: where it looks for hands that were detected, as in training on folders.
        notes: lines worth showing to the user.
        device: where it computes.
    """

    model: HandNet
    hand_model: HandModel
    image_size: int
    path: Path
    squares: SquareRule = DEFAULT_SQUARES
    notes: tuple[str, ...] = ()
    device: torch.device = CPU


def load_trained(
    path: str | Path, hand_model: str | Path | None = "generic", device: str = "auto"
) -> TrainedNetwork:
    """Rebuilds a network as it was trained and fills in its weights.

    Args:
        path: a checkpoint of this project (.pt) or a run's folder, whose newest sound one is taken; or a
            published checkpoint (.t7), or one converted to .safetensors with its .json.
        hand_model: "generic" or the path of a MANO file; None: the one that the network was trained with.
        device: see :func:`s2hand.runtime.devices.resolve_device`.

    Raises:
        S2HandError: a file is missing, damaged or does not fit; the network predicts no hand.
    """
    path = Path(path)
    place = resolve_device(device)
    load = _load_published if path.suffix in PUBLISHED_ENDINGS else _load_own
    network = load(path, hand_model)
    network.model.requires_grad_(False).eval().to(place)
    return replace(network, device=place)


def _load_own(path: Path, hand_model: str | Path | None) -> TrainedNetwork:
    """A checkpoint of this project; its config describes the network."""
    file = newest_sound(path) if path.is_dir() else path
    state = read_checkpoint(file)
    config = _stored_config(state, file)
    if "encoder+hand" not in config.network_parts:
        raise CheckpointError(
            f"{file}: holds the 2D branch alone, which predicts no hand; name a checkpoint of a later stage"
        )
    notes = []
    if hand_model is not None and config.hand_model not in ("generic", str(hand_model)):
        notes.append(f"{file} was trained with the hand model {config.hand_model}: {MANO_REMEDY}")
    arrays = load_hand_model(config.hand_model if hand_model is None else hand_model)
    model = build_network(config, arrays)
    weights = state.get("average") or state["model"]
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{file}: its weights do not fit the network that its own config describes ({detail}); "
            "it comes from another version of s2hand"
        ) from None
    squares = SquareRule(config.folder_crop_margin, config.folder_min_confidence)
    return TrainedNetwork(model, arrays, config.image_size, file, squares, notes=tuple(notes))


def _stored_config(state: dict, file: Path) -> Config:
    """The config a checkpoint was trained with, without what only the start of training read."""
    remedy = "it comes from another version of s2hand; train again, or evaluate it with that version"
    try:
        values, _ = translate(json.loads(state["config"]))  # without keys retired since
        values |= {"backbone_pretrained": False, "pretrain_model": None}
        return Config.model_validate(values)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ValidationError):
            where = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
            message = f"{file}: its config has unknown or unfit keys ({where}); {remedy}"
            raise CheckpointError(message) from None
        raise CheckpointError(f"{file}: holds no config to rebuild its network from; {remedy}") from None


def _load_published(path: Path, hand_model: str | Path | None) -> TrainedNetwork:
    """A published checkpoint; its weights' shapes and stored settings describe the network."""
    checkpoint = read_published(path)
    sizes = published_architecture(checkpoint)
    if not sizes["hand"]:
        raise CheckpointError(f"{path}: holds no encoder and so predicts no hand; name another checkpoint")
    arrays = load_hand_model("generic" if hand_model is None else hand_model)
    model = build_hand_net(arrays, image_size=PUBLISHED_IMAGE_SIZE, **sizes)
    report = load_published_checkpoint(checkpoint, model)
    notes = []
    if hand_model in (None, "generic"):
        notes.append(f"{path} was trained with MANO: {MANO_REMEDY}")
    if missing := [name for name in report.missing if not name.endswith(COUNTER)]:
        notes.append(f"{path} lacks {len(missing)} weights, left as initialised (first {missing[0]})")
    return TrainedNetwork(model, arrays, PUBLISHED_IMAGE_SIZE, path, notes=tuple(notes))
