"""A trained network from its file alone, ready to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.weights import PUBLISHED_IMAGE_SIZE, StoredWeights, read_stored
from s2hand.config.data_sections import FolderSection
from s2hand.config.sections import LIFT
from s2hand.hand import HandModel, load_hand_model
from s2hand.hand.assets import HandModelNotFoundError
from s2hand.hand_names import GENERIC, GENERIC_HANDS
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule
from s2hand.models import HandNet
from s2hand.runtime.devices import resolve_device

CPU = torch.device("cpu")

PUBLISHED_FOCAL = 480 / PUBLISHED_IMAGE_SIZE
"""Focal length of FreiHAND's cameras, about 480 px, over the side of its images."""

MANO_REMEDY = "its predictions are right with that hand only; name the file of MANO_RIGHT as hand_model"


@dataclass(frozen=True)
class StoredNetwork:
    """A network with its weights.

    Attributes:
        model: in evaluation mode, on its device, without gradients.
        hand_model: arrays of its hand.
        image_size: S, side of its images in pixels.
        path: the checkpoint's file.
        focal_range: smallest and largest focal length over image side that it was trained on; None if the
            file does not tell.
        squares: where it looks for hands that were detected, as in training on folders.
        upright: whether its images are turned so that the detected hand's fingers point up.
        lifts: whether it was trained on landmarks alone, without images: its hand head is to be given
            those of a detector.
        notes: lines worth showing to the user.
        device: where it computes.
    """

    model: HandNet
    hand_model: HandModel
    image_size: int
    path: Path
    focal_range: tuple[float, float] | None = None
    squares: SquareRule = DEFAULT_SQUARES
    upright: bool = False
    lifts: bool = False
    notes: tuple[str, ...] = ()
    device: torch.device = CPU


def open_network(
    path: str | Path, hand_model: str | Path | None = None, device: str = "auto"
) -> StoredNetwork:
    """Rebuilds a network as it was trained and fills in its weights.

    Args:
        path: a checkpoint of this project (.pt) or a run folder, whose newest sound one is taken; or a
            published checkpoint (.t7), or one converted to .safetensors with its .json.
        hand_model: "generic" or the path of a MANO file; None: the hand that the network was trained with, or
            the generic one if there is no file of it any more, as ``notes`` then tell.
        device: see :func:`s2hand.runtime.devices.resolve_device`.

    Raises:
        S2HandError: a file is missing, damaged or does not fit; the network predicts no hand.
    """
    place = resolve_device(device)
    stored = read_stored(path)
    network = stored.network
    if "hand" not in stored.parts:
        held = "the 2D branch alone" if "heatmaps" in stored.parts else "no hand network"
        raise CheckpointError(
            f"{stored.path}: holds {held} and so predicts no hand; name a checkpoint of another stage"
        )
    arrays, notes = _hand(stored, network.hand_model, hand_model)
    model = stored.build(stored.parts, arrays)
    model.requires_grad_(False).eval().to(place)
    focal_range = (PUBLISHED_FOCAL, PUBLISHED_FOCAL) if stored.published else stored.focal_range
    squares = DEFAULT_SQUARES if stored.published else _squares(stored)
    return StoredNetwork(
        model,
        arrays,
        network.image_size,
        stored.path,
        focal_range,
        squares,
        upright=stored.settings.get("crop_upright") is True,
        lifts=stored.settings.get("task") == LIFT,
        notes=notes,
        device=place,
    )


def _hand(
    stored: StoredWeights, trained_with: str, asked: str | Path | None
) -> tuple[HandModel, tuple[str, ...]]:
    """The hand's arrays, and what the user should know if they are not those of the training."""
    if stored.published:
        is_other = asked is None or str(asked) in GENERIC_HANDS
        notes = (f"{stored.path} was trained with MANO: {MANO_REMEDY}",) if is_other else ()
        return load_hand_model(asked or GENERIC), notes
    other = f"{stored.path} was trained with the hand model {trained_with}"
    if asked == GENERIC and trained_with in GENERIC_HANDS:
        asked = trained_with
    if asked is not None:
        is_other = trained_with not in (*GENERIC_HANDS, str(asked))
        return load_hand_model(asked), (f"{other}: {MANO_REMEDY}",) if is_other else ()
    try:
        return load_hand_model(trained_with), ()
    except HandModelNotFoundError:
        return load_hand_model(GENERIC), (f"{other}, which is not there, so takes generic: {MANO_REMEDY}",)


def _squares(stored: StoredWeights) -> SquareRule:
    """The squares about detected hands that the network was trained on."""
    keys = ("folder_crop_margin", "folder_min_confidence")
    folder = FolderSection.model_validate(
        {key: stored.settings[key] for key in keys if key in stored.settings}
    )
    return SquareRule(folder.folder_crop_margin, folder.folder_min_confidence)
