"""The network that a config describes, its starting weights, and which of its parts learn."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from s2hand.checkpoints.checkpoint import CheckpointError, read_checkpoint
from s2hand.checkpoints.published import load_published_checkpoint, published_architecture, read_published
from s2hand.config import Config
from s2hand.hand import HandModel
from s2hand.models import HandNet, build_hand_net
from s2hand.rendering import MeshRenderer

MODULES_OF_PART = {
    "encoder+hand": ("backbone", "hand_head", "attention"),
    "heatmaps": ("keypoint_net",),
    "texture": ("texture_light_head",),
}
"""Children of :class:`HandNet` by the parts a config speaks of."""

ARCHITECTURE_KEYS = (
    *("backbone", "num_pca", "use_mean_shape", "fingertips", "attention"),
    *("hourglass_stacks", "hourglass_depth", "hourglass_modules", "hourglass_features"),
)
"""Config keys that are the network's sizes and switches, under the same names."""

SWITCHES = ("use_mean_shape", "fingertips")
"""Those of them that change what the weights answer, and not their shapes."""

ESSENTIAL_MODULES = ("backbone", "hand_head", "attention", "keypoint_net")
"""Children of :class:`HandNet` without whose weights an evaluation's figures would mean nothing."""

PUBLISHED_ENDINGS = (".t7", ".safetensors")

PUBLISHED_IMAGE_SIZE = 224
"""Side of the pictures that every published checkpoint was trained on."""


def build_network(config: Config, hand_model: HandModel, say=print) -> HandNet:
    """Builds the parts that the config's stage needs, and no others.

    A published checkpoint in ``pretrain_model`` brings its own sizes and switches, one of this project's the
    switches; keys that the config sets itself win over them, with a line that says so.

    Args:
        config: the experiment.
        hand_model: arrays of the hand.
        say: takes each line meant for the user.
    """
    parts, sizes = config.network_parts, network_sizes(config, say)
    hand = "encoder+hand" in parts
    if not hand:  # a stage of the 2D branch alone may share its config with those that have a hand
        sizes["attention"] = False
    return build_hand_net(
        hand_model,
        build_renderer(config, hand_model) if hand else None,
        image_size=config.image_size,
        hand=hand,
        texture="texture" in parts,
        heatmaps="heatmaps" in parts,
        backbone_pretrained=config.backbone_pretrained,
        hourglass_input_size=config.hourglass_input_size,
        image_input=not hand or "image" in config.hand_input,
        keypoint_input=hand and "keypoints" in config.hand_input,
        **sizes,
    )


def network_sizes(config: Config, say=print) -> dict:
    """The values of ``ARCHITECTURE_KEYS`` that a config's network is built with.

    Args:
        config: the experiment; the checkpoint in its ``pretrain_model`` has a say, see
            :func:`build_network`.
        say: takes each line meant for the user.
    """
    sizes = {name: getattr(config, name) for name in ARCHITECTURE_KEYS}
    if not config.pretrain_model:
        return sizes
    for name, value in _stored_sizes(config.pretrain_model).items():
        if name not in sizes or sizes[name] == value:
            continue
        if name in config.model_fields_set:
            say(f"{name} is {value!r} in {config.pretrain_model}, but the config says {sizes[name]!r}")
        else:
            say(f"{name} is {value!r}, as stored in {config.pretrain_model}")
            sizes[name] = value
    return sizes


def _stored_sizes(path: str | Path) -> dict:
    """Sizes and switches that a checkpoint's network was trained with.

    Of this project's own only the switches: other sizes are noticed when the weights are loaded.
    """
    if Path(path).suffix in PUBLISHED_ENDINGS:
        return published_architecture(read_published(path))
    state = read_checkpoint(path)
    if not any(name.startswith("hand_head.") for name in state.get("model", ())):
        return {}
    stored = json.loads(state.get("config", "{}"))
    return {name: stored[name] for name in SWITCHES if name in stored}


def build_renderer(config: Config, hand_model: HandModel) -> MeshRenderer:
    """The paper's renderer: white background, anti-aliased, at the config's image size."""
    return MeshRenderer.for_s2hand(
        torch.from_numpy(hand_model.faces), config.image_size, gradient=config.renderer
    )


def trained_modules(config: Config, model: HandNet) -> frozenset[str]:
    """Names of the network's children that the config trains; freezes the parameters of the others."""
    names = {name for part in config.trained_parts for name in MODULES_OF_PART[part]}
    if "texture" in config.trained_parts:
        names.add("backbone")  # the heads read its low-level map
    for name, child in model.named_children():
        child.requires_grad_(name in names)
    return frozenset(name for name in names if getattr(model, name) is not None)


def load_pretrained(config: Config, model: HandNet) -> list[str]:
    """Loads what ``pretrain_model``, ``pretrain_rgb2hm`` and ``pretrain_texture_model`` name, in that order.

    Returns:
        One line or more on each file: what was loaded, and what was not.

    Raises:
        CheckpointError: a file is unreadable or does not fit, or the files together lack a network that is
            to be evaluated.
        PublishedCheckpointError: the same of a published file.
    """
    reports, loaded = [], set()
    wanted = {
        "pretrain_model": None,
        "pretrain_rgb2hm": ("keypoint_net",),
        "pretrain_texture_model": ("texture_light_head",),
    }
    for key, modules in wanted.items():
        path = getattr(config, key)
        if path is None or (modules and all(getattr(model, name) is None for name in modules)):
            continue
        if Path(path).suffix in PUBLISHED_ENDINGS:
            published = {"keypoint_net": "rgb2hm", "texture_light_head": "texture_light_from_low"}
            parts = [published[name] for name in modules] if modules else None
            report = load_published_checkpoint(path, model, parts)
            loaded.update(report.modules)
        else:
            report, found = load_own_weights(path, model, modules)
            loaded.update(found)
        reports.append(f"{key}: {report}")
    if config.stage == "evaluate" and reports:
        _check_complete(config, model, loaded)
    return reports


def _check_complete(config: Config, model: HandNet, loaded: set[str]) -> None:
    """Training may start a network anew; its evaluation may not."""
    absent = [name for name in ESSENTIAL_MODULES if getattr(model, name) is not None and name not in loaded]
    if absent:
        raise CheckpointError(
            f"{config.pretrain_model}: lacks {', '.join(absent)}, which test_requires asks for: name a "
            "checkpoint that holds their weights (the 2D branch's alone as pretrain_rgb2hm), or shorten "
            "test_requires"
        )


def load_own_weights(
    path: str | Path, model: HandNet, modules: tuple[str, ...] | None = None
) -> tuple[str, list[str]]:
    """Copies weights from one of this project's checkpoints, whole modules only.

    Args:
        path: the file, or a run's folder.
        model: the network to fill.
        modules: children to fill, each of which the file must hold; None: those that both have.

    Returns:
        A line that says which modules were loaded and which of the model's the file lacks; and the former.

    Raises:
        CheckpointError: nothing fits, a module is missing, or sizes differ.
    """
    state = read_checkpoint(path)
    weights = state.get("average") or state["model"]
    held: dict[str, dict] = {}
    for key, value in weights.items():
        module, _, name = key.partition(".")
        held.setdefault(module, {})[name] = value
    own = {name: child for name, child in model.named_children() if child.state_dict()}
    chosen = [name for name in modules or own if name in held]
    absent = sorted(set(modules or own) - set(chosen))
    if not chosen or (modules and absent):
        raise CheckpointError(
            f"{path}: holds {', '.join(sorted(held))}, but {', '.join(absent)} is wanted; name a checkpoint "
            "of a stage that trains it"
        )
    for name in chosen:
        _load_module(path, name, own[name], held[name])
    lacking = f"; not in it, so left as initialised: {', '.join(absent)}" if absent else ""
    return f"{path}: loaded {', '.join(chosen)}{lacking}", chosen


def _load_module(path: str | Path, name: str, module: nn.Module, weights: dict) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"{path}: its {name} has other sizes than the config's ({detail}); use the backbone, hourglass_* "
            "and num_pca that it was trained with"
        ) from None
