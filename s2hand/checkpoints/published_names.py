"""How published checkpoints name their weights, and what those weights are called here.

A published file holds one state dict per network. :func:`translate_weights` gives every weight the name that
it has in a :class:`~s2hand.models.HandNet`; that name follows from the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from math import ceil

from torch import Tensor

EFFICIENTNET_B0_REPEATS = (1, 2, 2, 3, 3, 4, 1)
EFFICIENTNET_DEPTHS = (1.0, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1)
"""Blocks of each stage of EfficientNet-B0, and the factors of B0 to B7 (Tan and Le, ICML 2019)."""

EFFICIENTNET_HEADS = (1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560)
"""Channels of the last convolution of EfficientNet-B0 to B7."""

UNUSED_NETWORKS = ("renderer", "renderer_NR")
"""Networks of a file that hold settings of the published renderer, and nothing learned."""

CLASSIFIER = "_fc."
"""ImageNet's classifier, which the published encoder keeps and never uses."""

Rename = Callable[[str], "str | None"]


def _encoder_names(keys: Collection[str]) -> Rename:
    """From EfficientNet-PyTorch's names to timm's.

    The former counts blocks through, the latter within a stage. The first stage's blocks have no expansion
    and start with the depthwise convolution, so their batch norms count from there.
    """
    numbers = [int(match[1]) for key in keys if (match := re.match(r"encoder\._blocks\.(\d{1,3})\.", key))]
    places = _stage_of_block(1 + max(numbers, default=-1))

    def rename(key: str) -> str | None:
        name = key.removeprefix("encoder.")
        if not name.startswith("_blocks."):
            outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
            return _renamed(name, outer, "network.")
        _, number, inner = (*name.split(".", 2), "", "")[:3]
        if not number.isdecimal() or int(number) >= len(places):
            return None
        stage, index = places[int(number)]
        return _renamed(
            inner, _EXPANDING_BLOCK if stage else _PLAIN_BLOCK, f"network.blocks.{stage}.{index}."
        )

    return rename


def backbone_name(backbone: Mapping[str, Tensor]) -> str | None:
    """timm's name of the EfficientNet that translated weights belong to, None if they are no such
    network's."""
    blocks = {match[0] for name in backbone if (match := re.match(r"network\.blocks\.\d+\.\d+\.", name))}
    head = backbone.get("network.conv_head.weight")
    for number, (depth, channels) in enumerate(zip(EFFICIENTNET_DEPTHS, EFFICIENTNET_HEADS, strict=True)):
        count = sum(ceil(depth * repeats) for repeats in EFFICIENTNET_B0_REPEATS)
        if head is not None and (len(blocks), len(head)) == (count, channels):
            return f"tf_efficientnet_b{number}"
    return None


def _stage_of_block(count: int) -> list[tuple[int, int]]:
    """The stage, and the place within it, of every block of the EfficientNet that has so many."""
    for depth in EFFICIENTNET_DEPTHS:
        repeats = [ceil(depth * number) for number in EFFICIENTNET_B0_REPEATS]
        if sum(repeats) == count:
            return [(stage, index) for stage, number in enumerate(repeats) for index in range(number)]
    return []


def _hand_head_names(keys: Collection[str]) -> Rename:
    """The five regressors and their trunk; layer numbers agree."""
    regressors = {"pose_reg": "pose", "shape_reg": "shape", "trans_reg": "translation"}
    regressors |= {"base_layers": "trunk", "rot_reg": "rotation", "scale_reg": "scale"}
    return lambda key: _renamed(key.removeprefix("hand_decode."), regressors)


def _hourglass_names(keys: Collection[str]) -> Rename:
    """From one flat list for each kind of layer to stem and stacks."""
    stacks = sum(re.search(r"\btmpOut\.\d+\.weight$", key) is not None for key in keys)
    residuals = sum(re.search(r"\bResidual\.\d+\.conv1\.weight$", key) is not None for key in keys)
    per_stack = max(1, residuals // max(1, stacks))

    def rename(key: str) -> str | None:
        name = key.removeprefix("net_hm.")
        for pattern, place in _HOURGLASS_PLACES:
            if match := re.match(pattern, name):
                start, rest = place(match, per_stack), name[match.end() :]
                rest = re.sub(r"\blow2_?\.", "inner.", rest)
                for old, new in (("up1_.", "skip."), ("low1_.", "down."), ("low3_.", "up.")):
                    rest = rest.replace(old, new)
                return "hourglass." + start + re.sub(r"\b(bn\d?|conv4)\.", _residual_layer, rest)
        return None

    return rename


def _texture_light_names(keys: Collection[str]) -> Rename:
    """Trunk and two regressors; layer numbers agree."""
    return lambda key: _renamed(key, {"base_layers": "trunk", "texture_reg": "texture", "light_reg": "light"})


def _attention_names(keys: Collection[str]) -> Rename:
    """Trunk and one linear layer."""
    names = {"base_layers": "trunk", "reg": "weights"}
    return lambda key: _renamed(key.replace("reg.0.", "reg."), names)


PUBLISHED_NETWORKS: dict[str, tuple[str, Callable[[Collection[str]], Rename]]] = {
    "encoder": ("backbone", _encoder_names),
    "decoder": ("hand_head", _hand_head_names),
    "rgb2hm": ("keypoint_net", _hourglass_names),
    "texture_light_from_low": ("texture_light_head", _texture_light_names),
    "heatmap_attention": ("attention", _attention_names),
}
"""Network of the file -> the child of :class:`~s2hand.models.HandNet` that it fills, and the renaming."""


def translate_weights(
    state_dicts: Mapping[str, Mapping[str, Tensor]],
) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Gives published weights the names they have here.

    Args:
        state_dicts: published network -> published key -> weight.

    Returns:
        child of :class:`~s2hand.models.HandNet` -> name within it -> weight; and the weights, as
        ``network.key``, that have no name here. The encoder's unused classifier and the
        renderer are left out without a word.
    """
    modules, unknown = {}, []
    for network, weights in state_dicts.items():
        if network in UNUSED_NETWORKS:
            continue
        if network not in PUBLISHED_NETWORKS:
            unknown += [f"{network}.{key}" for key in weights]
            continue
        child, names = PUBLISHED_NETWORKS[network]
        rename = names(weights.keys())
        for key, weight in weights.items():
            if name := rename(key):
                modules.setdefault(child, {})[name] = weight
            elif CLASSIFIER not in key:
                unknown.append(f"{network}.{key}")
    return modules, unknown


_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_EXPANDING_BLOCK = _SQUEEZE | {
    **{"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"},
    **{"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"},
}
_PLAIN_BLOCK = _SQUEEZE | {
    **{"_depthwise_conv": "conv_dw", "_project_conv": "conv_pw"},
    **{"_bn1": "bn1", "_bn2": "bn2"},
}

_HOURGLASS_PLACES = (
    (r"conv1_\.", lambda match, modules: "stem.conv."),
    (r"bn1\.", lambda match, modules: "stem.norm."),
    (r"r1\.", lambda match, modules: "stem.residual1."),
    (r"r4\.", lambda match, modules: "stem.residual2."),
    (r"r5\.", lambda match, modules: "stem.residual3."),
    (r"hourglass\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.hourglass."),
    # One list of residuals for all stacks, `modules` of them each.
    (
        r"Residual\.(\d{1,6})\.",
        lambda match, modules: f"stacks.{int(match[1]) // modules}.residuals.{int(match[1]) % modules}.",
    ),
    (r"lin_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.linear."),
    (r"tmpOut\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.heatmap."),
    (r"ll_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.merge_features."),
    (r"tmpOut_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.merge_heatmaps."),
)


def _residual_layer(match: re.Match) -> str:
    """A residual's layers: three norms counted from 'bn', and the skip called conv4."""
    layers = {"bn": "norm1.", "bn1": "norm2.", "bn2": "norm3.", "conv4": "skip."}
    return layers.get(match[1], match[0])


def _renamed(name: str, table: Mapping[str, str], prefix: str = "") -> str | None:
    """Replaces the first component of a dotted name by the table."""
    first, _, rest = name.partition(".")
    return f"{prefix}{table[first]}.{rest}" if first in table else None
