"""What weights are: taken apart by networks, their sizes, whether they fit, and what is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.published import printable

COUNTER = "num_batches_tracked"
"""Batch norm's step counter: files of old torch versions lack it, and evaluation never reads it."""

DAMAGED = "its training went astray or the file is damaged, so name an earlier checkpoint"


def sizes_of_weights(modules: Mapping[str, Mapping[str, Tensor]]) -> dict[str, int]:
    """The sizes that weights tell.

    Args:
        modules: child of :class:`~s2hand.models.HandNet` -> name within it -> weight.

    Returns:
        Values of the config's keys of the same names: ``num_pca`` if there is a hand head, ``hourglass_*`` if
        there is a 2D branch.
    """
    sizes = {}
    for pose in _matching(modules.get("hand_head", {}), r"pose\.2\.bias"):
        sizes["num_pca"] = len(pose)
    hourglass = modules.get("keypoint_net", {})
    if heads := _matching(hourglass, r"hourglass\.stacks\.\d+\.heatmap\.weight"):
        sizes["hourglass_stacks"], sizes["hourglass_features"] = len(heads), heads[0].shape[1]
        residuals = _matching(hourglass, r"hourglass\.stacks\.0\.residuals\.\d+\.conv1\.weight")
        sizes["hourglass_modules"] = len(residuals)
        sizes["hourglass_depth"] = max(key.count("inner.") for key in hourglass)
    return sizes


def _matching(weights: Mapping[str, Tensor], pattern: str) -> list[Tensor]:
    return [weight for key, weight in weights.items() if re.fullmatch(pattern, key)]


def checked_modules(weights: Mapping[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """A network's state dict, taken apart by the network's children, if it holds what networks have.

    Raises:
        CheckpointError: names or weights are of another kind, or weights are not finite.
    """
    if strange := [type(key).__name__ for key in weights if not isinstance(key, str)]:
        raise CheckpointError(f"{path}: a weight has a name of type {strange[0]}; {DAMAGED}")
    modules = modules_of(weights)
    check_weights(path, modules)
    return modules


def modules_of(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A network's state dict, taken apart by the network's children."""
    modules: dict[str, dict[str, Tensor]] = {}
    for key, value in weights.items():
        module, _, name = str(key).partition(".")
        modules.setdefault(module, {})[name] = value
    return modules


def check_weights(path: Path, modules: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Refuses what no network has as weights: other things than floating-point numbers, NaN.

    Torch would copy whole numbers, truth values and complex numbers into real weights without a word.
    """
    for module, weights in modules.items():
        for key, weight in weights.items():
            name = printable(f"{module}.{key}")
            if not (isinstance(weight, Tensor) and (weight.is_floating_point() or _counts(key, weight))):
                kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
                raise CheckpointError(
                    f"{path}: {name} is of type {kind}, expected floating-point numbers; {DAMAGED}"
                )
            # Networks hold single precision, in which a double may turn out infinite.
            if weight.is_floating_point() and not bool(weight.float().isfinite().all()):
                raise CheckpointError(f"{path}: {name} holds NaN or infinite weights; {DAMAGED}")


def _counts(key: str, weight: Tensor) -> bool:
    """Whether a weight is a counter of whole numbers."""
    return key.endswith(COUNTER) and not weight.is_complex() and weight.dtype != torch.bool


def misfit_of(module: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """The first way in which weights do not fit a module; "" if they do."""
    expected = module.state_dict()
    lacking = [name for name in expected if name not in weights and not name.endswith(COUNTER)]
    if lacking:
        return f"it lacks {len(lacking)} weights, first {lacking[0]}"
    if unknown := [name for name in weights if name not in expected]:
        return f"it has {len(unknown)} weights more, first {printable(unknown[0])}"
    for name, weight in weights.items():
        if weight.shape != expected[name].shape:
            return f"{name} is {tuple(weight.shape)}, expected {tuple(expected[name].shape)}"
    return ""
