"""Published S2HAND checkpoints (.t7): loaded into our networks, described, converted."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from s2hand.checkpoints.published_convert import SUFFIX, read_converted, write_converted
from s2hand.checkpoints.published_names import PUBLISHED_PARTS
from s2hand.checkpoints.published_reader import (
    PublishedCheckpoint,
    PublishedCheckpointError,
    printable,
    read_t7,
)

__all__ = [
    "LoadReport",
    "PublishedCheckpoint",
    "PublishedCheckpointError",
    "convert_published",
    "load_published_checkpoint",
    "published_architecture",
    "read_published",
]

COUNTER = "num_batches_tracked"
"""Batch norm's step counter: files of old torch versions lack it, and evaluation never reads it."""

NAMES_SHOWN = 2
"""Weights that a printed report names of each network; the report itself lists all."""

_SWITCHES = {
    "encoder": "hand",
    "rgb2hm": "heatmaps",
    "texture_light_from_low": "texture",
    "heatmap_attention": "attention",
}


@dataclass(frozen=True)
class LoadReport:
    """What became of every weight; all names are ``network.key`` as published, missing ones are the model's.

    Attributes:
        path: the file.
        loaded: copied into the model.
        not_in_model: in the file; the model has no such weight or no such network.
        missing: in the model; the file has no such weight.
        not_asked: in the file, of networks the caller left out.
    """

    path: Path
    loaded: tuple[str, ...]
    not_in_model: tuple[str, ...]
    missing: tuple[str, ...]
    not_asked: tuple[str, ...] = ()

    @property
    def modules(self) -> frozenset[str]:
        """The model's children that were filled."""
        return frozenset(PUBLISHED_PARTS[name.partition(".")[0]].attribute for name in self.loaded)

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.loaded)} weights loaded"]
        for title in ("loaded", "not_in_model", "missing", "not_asked"):
            by_network = {}
            for name in getattr(self, title):
                network, _, key = name.partition(".")
                by_network.setdefault(network, []).append(key)
            for network, keys in by_network.items():
                more = ", ..." if len(keys) > NAMES_SHOWN else ""
                shown = printable(", ".join(keys[:NAMES_SHOWN])) + more
                lines.append(f"  {title.replace('_', ' ')}: {network}, {len(keys)} weights ({shown})")
        return "\n".join(lines)


def read_published(path: str | Path) -> PublishedCheckpoint:
    """Reads a published .t7, or one converted to .safetensors with its .json.

    Args:
        path: the file.

    Returns:
        its contents, on the CPU.

    Raises:
        PublishedCheckpointError: if the file is missing, damaged, of another kind, or would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise PublishedCheckpointError(f"{path}: no such file")
    return read_converted(path) if path.suffix == SUFFIX else read_t7(path)


def convert_published(source: str | Path, destination: str | Path) -> tuple[Path, Path]:
    """Writes a published checkpoint as safetensors and JSON, which hold no code. Optimizer state is dropped.

    Args:
        source: the .t7.
        destination: path of the .safetensors; the .json comes to lie beside it.

    Returns:
        both paths. :func:`read_published` of the first gives back the same weights, epoch and args.

    Raises:
        PublishedCheckpointError: if the source cannot be read or the destination is not a .safetensors.
    """
    return write_converted(read_published(source), Path(destination))


def load_published_checkpoint(
    source: str | Path | PublishedCheckpoint, model: nn.Module, parts: Collection[str] | None = None
) -> LoadReport:
    """Copies a published checkpoint's weights into a model, all or none.

    Args:
        source: a .t7 or a converted .safetensors, or what :func:`read_published` read of it.
        model: a :class:`~s2hand.models.hand_net.HandNet`.
        parts: published names of the networks to load (keys of ``PUBLISHED_PARTS``), each of which the file
            and the model must have. None: those that both have; the others are listed in the report.

    Returns:
        the report, printable.

    Raises:
        PublishedCheckpointError: if the file cannot be read, a shape differs, nothing fits, or an encoder,
            decoder or hourglass that the file holds lacks a weight of the model's.
    """
    checkpoint = source if isinstance(source, PublishedCheckpoint) else read_published(source)
    _check_parts(checkpoint, model, parts)
    loaded, not_in_model, missing, not_asked, ready = [], [], [], [], []
    for name, weights in checkpoint.state_dicts.items():
        part = PUBLISHED_PARTS.get(name)
        module = getattr(model, part.attribute, None) if part else None
        if parts is not None and name not in parts:
            not_asked += [f"{name}.{key}" for key in weights]
        elif module is None:
            not_in_model += [f"{name}.{key}" for key in weights]
        else:
            renamed, unknown = _rename(checkpoint, name, module)
            lacking = [key for key in module.state_dict() if key not in renamed]
            _check_complete(checkpoint, name, lacking)
            ready.append((module, renamed))
            loaded += [f"{name}.{key}" for key in weights if key not in unknown]
            not_in_model += [f"{name}.{key}" for key in unknown]
            missing += [f"{part.attribute}.{key}" for key in lacking]
    for name, part in PUBLISHED_PARTS.items():
        module = getattr(model, part.attribute, None)
        if module is not None and name not in checkpoint.state_dicts and (parts is None or name in parts):
            missing += [f"{part.attribute}.{key}" for key in module.state_dict()]
    if not loaded:
        raise PublishedCheckpointError(
            f"{checkpoint.path}: nothing in it fits the model; it holds"
            f" {printable(', '.join(checkpoint.state_dicts))}"
        )
    for module, renamed in ready:
        module.load_state_dict(renamed, strict=False)
    return LoadReport(checkpoint.path, *map(tuple, (loaded, not_in_model, missing, not_asked)))


def published_architecture(checkpoint: PublishedCheckpoint) -> dict:
    """The sizes and switches a model needs to hold a checkpoint, from its stored settings and shapes.

    Args:
        checkpoint: as read.

    Returns:
        keyword arguments for :func:`~s2hand.models.build.build_hand_net`. The published default of
        ``use_mean_shape`` is True.
    """
    weights = checkpoint.state_dicts
    found = {name: part in weights for part, name in _SWITCHES.items()}
    found["use_mean_shape"] = bool(checkpoint.args.get("use_mean_shape", True))
    found["fingertips"] = "s2hand"
    if pose := _find(weights.get("decoder", {}), r"pose_reg\.2\.bias"):
        found["num_pca"] = len(pose[0])
    hourglass = weights.get("rgb2hm", {})
    if heads := _find(hourglass, r"tmpOut\.\d+\.weight"):
        found["hourglass_stacks"], found["hourglass_features"] = len(heads), heads[0].shape[1]
        found["hourglass_modules"] = len(_find(hourglass, r"Residual\.\d+\.conv1\.weight")) // len(heads)
        found["hourglass_depth"] = 1 + max(key.count("low2.") for key in hourglass)
    return found


def _check_parts(checkpoint: PublishedCheckpoint, model: nn.Module, parts: Collection[str] | None) -> None:
    for name in parts or ():
        if name not in PUBLISHED_PARTS:
            known = ", ".join(PUBLISHED_PARTS)
            raise PublishedCheckpointError(f"no published network is called '{name}': choose from {known}")
        if name not in checkpoint.state_dicts:
            held = printable(", ".join(checkpoint.state_dicts))
            raise PublishedCheckpointError(f"{checkpoint.path}: holds no '{name}', only {held}")
        if getattr(model, PUBLISHED_PARTS[name].attribute, None) is None:
            raise PublishedCheckpointError(
                f"{checkpoint.path}: '{name}' was asked for, but the model was built without its"
                f" {PUBLISHED_PARTS[name].attribute}"
            )


def _rename(
    checkpoint: PublishedCheckpoint, part: str, module: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """One network's weights under our names, and the published keys that the module has no weight for."""
    ours = module.state_dict()
    renamed, unknown = {}, []
    for key, weight in checkpoint.state_dicts[part].items():
        name = PUBLISHED_PARTS[part].rename(key, module)
        if name not in ours:
            unknown.append(key)
            continue
        if weight.shape != ours[name].shape:
            raise PublishedCheckpointError(
                f"{checkpoint.path}: {part}.{key} is {tuple(weight.shape)}, the model's"
                f" {PUBLISHED_PARTS[part].attribute}.{name} is {tuple(ours[name].shape)}: build the model"
                " with the checkpoint's sizes"
            )
        renamed[name] = weight
    return renamed, unknown


def _check_complete(checkpoint: PublishedCheckpoint, part: str, lacking: list[str]) -> None:
    lacking = [name for name in lacking if not name.endswith(COUNTER)]
    if lacking and PUBLISHED_PARTS[part].required:
        raise PublishedCheckpointError(
            f"{checkpoint.path}: '{part}' lacks {len(lacking)} weights of the model, first"
            f" {PUBLISHED_PARTS[part].attribute}.{lacking[0]}: build the model with the checkpoint's backbone"
            " and sizes"
        )


def _find(weights: dict[str, Tensor], pattern: str) -> list[Tensor]:
    return [weight for key, weight in weights.items() if re.search(pattern + "$", key)]
