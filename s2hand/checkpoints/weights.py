"""The weights that a file holds, under one set of names whatever its format; each file is read once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from s2hand.checkpoints.architecture import check_weights, checked_modules, misfit_of, sizes_of_weights
from s2hand.checkpoints.checkpoint import CheckpointError, newest_sound, read_checkpoint
from s2hand.checkpoints.converted import SUFFIX, read_published
from s2hand.checkpoints.published import PublishedCheckpoint, printable
from s2hand.checkpoints.published_names import backbone_name, translate_weights
from s2hand.config.sections import KNOWN_KEYS, SECTIONS, NetworkSection
from s2hand.config.stored import stored_config
from s2hand.errors import NetworkError, shown
from s2hand.hand import HandModel
from s2hand.models import MODULES_OF_PART, HandNet, build_encoder, build_hand_net

PUBLISHED_ENDINGS = (".t7", SUFFIX)

PUBLISHED_IMAGE_SIZE = 224
"""Side in pixels of the images that every published checkpoint was trained on."""

OTHER_VERSION = "it comes from another version of s2hand; train again, or evaluate it with that version"

NEEDED_MODULES = {"hand": ("backbone", "hand_head"), "heatmaps": ("keypoint_net",)}
"""Children of :class:`HandNet` without whose weights a part's answer means nothing."""


@dataclass(frozen=True)
class StoredWeights:
    """What a file of weights holds.

    Attributes:
        path: the file; for a run folder, the checkpoint that was taken.
        modules: child of :class:`HandNet` -> name within it -> weight.
        settings: values of config keys that describe the network and its training.
        published: whether the file is one of the published code's.
        unknown: weights of a published file, by their names there, that have no place here.
        epoch: the number of epochs after which the file was written; None if it does not tell.
        focal_range: smallest and largest focal length over image side that was trained on; None if the file
            does not tell.
    """

    path: Path
    modules: Mapping[str, Mapping[str, Tensor]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False
    unknown: tuple[str, ...] = ()
    epoch: int | None = None
    focal_range: tuple[float, float] | None = None

    @property
    def parts(self) -> frozenset[str]:
        """The parts that the file holds: of hand, heatmaps, texture with render, and confidence."""
        parts = {part for part, modules in NEEDED_MODULES.items() if self.modules.keys() >= set(modules)}
        if "hand" in parts and "texture_light_head" in self.modules:
            parts |= {"texture", "render"}
        if "hand" in parts and "confidence_head" in self.modules:
            parts.add("confidence")
        return frozenset(parts)

    @property
    def network(self) -> NetworkSection:
        """The sizes and switches of the network that these weights are of.

        Raises:
            CheckpointError: the file does not tell them, or what it tells is impossible.
        """
        if "image_size" not in self.settings:
            raise CheckpointError(
                f"{self.path}: holds no config to rebuild its network from; {OTHER_VERSION}"
            )
        if unknown := sorted(self.settings.keys() - KNOWN_KEYS):
            raise CheckpointError(
                f"{self.path}: its config has unknown or unfit keys ({printable(', '.join(unknown))}); "
                f"{OTHER_VERSION}"
            )
        for key, value in sizes_of_weights(self.modules).items():
            if self.settings.get(key, value) != value:
                raise CheckpointError(
                    f"{self.path}: its config says {key} {shown(self.settings[key])}, but its weights have "
                    f"{value}; {OTHER_VERSION}"
                )
        # What only the start of its training read.
        values = {**self.settings, "backbone_pretrained": False, "hand_head_pretrained": False}
        values |= {"pretrain_model": None}
        checked = {}
        try:
            for section in SECTIONS[:-1]:  # a value that no training takes tells of damage, whatever its key
                given = {key: values[key] for key in section.model_fields if key in values}
                checked[section] = section.model_validate(given)
        except ValidationError as error:
            where = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
            raise CheckpointError(
                f"{self.path}: its config has unknown or unfit keys ({where}); {OTHER_VERSION}"
            ) from None
        return checked[NetworkSection]

    def build(self, parts: Collection[str], hand_model: HandModel | None = None) -> HandNet:
        """Builds the network that these weights are of, and fills them in.

        Args:
            parts: which parts of it; see :func:`s2hand.models.build_hand_net`.
            hand_model: arrays of its hand.

        Raises:
            CheckpointError: the weights do not fit the network that the file describes.
        """
        try:
            if "hand" in parts:
                self._check_backbone()
            model = build_hand_net(self.network, parts, hand_model)
        except NetworkError as error:
            raise CheckpointError(f"{self.path}: {error}") from None
        self.load_into(model, [name for name, _ in modules_with_weights(model)], OTHER_VERSION)
        return model

    def _check_backbone(self) -> None:
        """Compares the shapes of the encoder that the file names with its weights, before one is built."""
        with torch.device("meta"):
            encoder = build_encoder(self.network.backbone)
        if misfit := misfit_of(encoder, self.modules["backbone"]):
            raise CheckpointError(
                f"{self.path}: its weights are not those of its backbone {self.network.backbone} ({misfit}); "
                f"{OTHER_VERSION}"
            )

    def load_into(self, model: HandNet, modules: Iterable[str], remedy: str) -> None:
        """Copies whole modules' weights, of all modules named or of none.

        Args:
            model: the network to fill.
            modules: its children to fill.
            remedy: what to do if they do not fit; the end of the message.

        Raises:
            CheckpointError: a module is missing, or its weights have other names or shapes.
        """
        children = {name: getattr(model, name) for name in modules}
        if absent := [name for name in children if name not in self.modules]:
            raise CheckpointError(f"{self.path}: lacks {', '.join(absent)}; {remedy}")
        for name, child in children.items():
            if misfit := misfit_of(child, self.modules[name]):
                raise CheckpointError(
                    f"{self.path}: its {name} does not fit the network ({misfit}); {remedy}"
                )
        for name, child in children.items():
            child.load_state_dict(self.modules[name], strict=False)  # but for counters, which may be absent


def read_stored(path: str | Path) -> StoredWeights:
    """Reads a file of weights, once.

    Args:
        path: a checkpoint of this project (.pt) or a run folder, whose newest sound one is taken; or a
            published checkpoint (.t7), or one converted to .safetensors with its .json.

    Raises:
        CheckpointError: it is missing, damaged, or of another kind.
    """
    path = Path(path).expanduser()
    if path.suffix in PUBLISHED_ENDINGS and not path.is_dir():
        return _of_published(read_published(path))
    file, state = newest_sound(path) if path.is_dir() else (path, read_checkpoint(path))
    return stored_in(state, file)


def stored_in(state: Mapping[str, Any], path: Path) -> StoredWeights:
    """The weights of one of this project's checkpoints, averaged ones before others, and its config.

    Args:
        state: as :func:`~s2hand.checkpoints.checkpoint.read_checkpoint` gives it.
        path: its file.

    Raises:
        CheckpointError: it holds no weights.
    """
    weights = state.get("average") or state.get("model")
    if not weights:
        raise CheckpointError(f"{path}: holds no network; name a checkpoint that `s2hand train` wrote")
    try:
        settings = stored_config(state["config"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        settings = {}
    modules = checked_modules(weights, path)
    settings = {key: value for key, value in settings.items() if value is not None}
    progress = state.get("progress") or {}
    epoch = progress.get("epoch")
    return StoredWeights(
        path,
        modules,
        settings,
        epoch=epoch if isinstance(epoch, int) else None,
        focal_range=_focal_range(path, progress.get("focal_range")),
    )


def _focal_range(path: Path, stored: Any) -> tuple[float, float] | None:
    """The range of focal lengths as a checkpoint has it; older ones have none."""
    if stored is None:
        return None
    try:
        low, high = map(float, stored)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 < low <= high < math.inf:
        raise CheckpointError(f"{path}: its range of focal lengths is damaged; name another checkpoint")
    return low, high


def _of_published(checkpoint: PublishedCheckpoint) -> StoredWeights:
    modules, unknown = translate_weights(checkpoint.state_dicts)
    check_weights(checkpoint.path, modules)
    settings = {
        **sizes_of_weights(modules),
        "image_size": PUBLISHED_IMAGE_SIZE,
        "fingertips": "s2hand",
        "attention": "attention" in modules,
        # The published default.
        "use_mean_shape": bool(checkpoint.args.get("use_mean_shape", True)),
    }
    if name := backbone_name(modules.get("backbone", {})):
        settings["backbone"] = name
    return StoredWeights(checkpoint.path, modules, settings, True, tuple(unknown), checkpoint.epoch)


def modules_with_weights(model: HandNet) -> list[tuple[str, nn.Module]]:
    """The children of a network that a checkpoint has weights for, in the network's order."""
    names = {name for modules in MODULES_OF_PART.values() for name in modules}
    return [(name, child) for name, child in model.named_children() if name in names and child is not None]
