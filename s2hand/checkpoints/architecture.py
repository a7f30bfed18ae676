"""The sizes of a network, read off the shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor


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
