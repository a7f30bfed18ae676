"""How the published checkpoints name their weights, and what those weights are called here.

A published file holds one state dict per network. Each has a function from its keys to the names inside our
module, or None where the module has no such weight (the ImageNet classifier of the encoder).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class PublishedPart:
    """One network of a published checkpoint.

    Attributes:
        attribute: the :class:`~s2hand.models.hand_net.HandNet` attribute that it fills.
        rename: (published key, our module) -> our name or None.
        required: whether a missing weight is an error rather than an entry in the report.
    """

    attribute: str
    rename: Callable[[str, nn.Module], str | None]
    required: bool


def encoder_name(key: str, backbone: nn.Module) -> str | None:
    """From EfficientNet-PyTorch's names to timm's.

    The former counts blocks through, the latter per stage. Blocks without an expansion start with the
    depthwise convolution, so their batch norms count from there.
    """
    name = key.removeprefix("encoder.")
    blocks = getattr(backbone.network, "blocks", None)
    if blocks is None or name.startswith("_fc."):
        return None
    if not name.startswith("_blocks."):
        outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
        return _renamed(name, outer, "network.")
    _, number, inner = name.split(".", 2)
    places = [(stage, index) for stage, members in enumerate(blocks) for index in range(len(members))]
    if not number.isdigit() or int(number) >= len(places):
        return None
    stage, index = places[int(number)]
    expands = hasattr(blocks[stage][index], "conv_pwl")
    return _renamed(inner, _EXPANDING_BLOCK if expands else _PLAIN_BLOCK, f"network.blocks.{stage}.{index}.")


def hand_head_name(key: str, head: nn.Module) -> str | None:
    """The five regressors and their trunk; layer numbers agree."""
    regressors = {"pose_reg": "pose", "shape_reg": "shape", "trans_reg": "translation"}
    regressors |= {"base_layers": "trunk", "rot_reg": "rotation", "scale_reg": "scale"}
    return _renamed(key.removeprefix("hand_decode."), regressors)


def hourglass_name(key: str, keypoint_net: nn.Module) -> str | None:
    """From one flat list per kind of layer to stem and stacks."""
    name = key.removeprefix("net_hm.")
    num_modules = len(keypoint_net.hourglass.stacks[0].residuals)
    for pattern, place in _HOURGLASS_PLACES:
        if match := re.match(pattern, name):
            start, rest = place(match, num_modules), name[match.end() :]
            rest = re.sub(r"\blow2_?\.", "inner.", rest)
            for old, new in (("up1_.", "skip."), ("low1_.", "down."), ("low3_.", "up.")):
                rest = rest.replace(old, new)
            return "hourglass." + start + re.sub(r"\b(bn\d?|conv4)\.", _residual_layer, rest)
    return None


def texture_light_name(key: str, head: nn.Module) -> str | None:
    """Trunk and two regressors; layer numbers agree."""
    return _renamed(key, {"base_layers": "trunk", "texture_reg": "texture", "light_reg": "light"})


def attention_name(key: str, attention: nn.Module) -> str | None:
    """Trunk and one linear layer."""
    return _renamed(key.replace("reg.0.", "reg."), {"base_layers": "trunk", "reg": "weights"})


PUBLISHED_PARTS = {
    "encoder": PublishedPart("backbone", encoder_name, required=True),
    "decoder": PublishedPart("hand_head", hand_head_name, required=True),
    "rgb2hm": PublishedPart("keypoint_net", hourglass_name, required=True),
    "texture_light_from_low": PublishedPart("texture_light_head", texture_light_name, required=False),
    "heatmap_attention": PublishedPart("attention", attention_name, required=False),
}
"""The networks of a published checkpoint by their names in the file."""

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
        r"Residual\.(\d+)\.",
        lambda match, modules: f"stacks.{int(match[1]) // modules}.residuals.{int(match[1]) % modules}.",
    ),
    (r"lin_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.linear."),
    (r"tmpOut\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.heatmap."),
    (r"ll_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.merge_features."),
    (r"tmpOut_\.(\d+)\.", lambda match, modules: f"stacks.{match[1]}.merge_heatmaps."),
)


def _residual_layer(match: re.Match) -> str:
    """A residual's layers: three norms counted from 'bn', and the skip called conv4."""
    return {"bn": "norm1.", "bn1": "norm2.", "bn2": "norm3.", "conv4": "skip."}[match[1]]


def _renamed(name: str, table: dict[str, str], prefix: str = "") -> str | None:
    """Replaces the first component of a dotted name by the table."""
    first, _, rest = name.partition(".")
    return f"{prefix}{table[first]}.{rest}" if first in table else None
