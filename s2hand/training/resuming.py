"""Resuming a run with other config keys than it had: what differs, and what that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from s2hand.config.stored import stored_config

NO_INFLUENCE = frozenset(
    {
        *("base_out_path", "resume", "mode", "device", "num_workers", "channels_last", "compile"),
        *("save_interval", "keep_checkpoints", "is_write_tb", "write_report", "eval_interval"),
        *("val_batch", "refine_steps"),
    }
)
"""Keys that change no result, except for rounding."""

READ_AT_START = frozenset(
    {
        *("pretrain_model", "pretrain_rgb2hm", "pretrain_texture_model"),
        *("backbone_pretrained", "hand_head_pretrained"),
    }
)
"""Keys of the weights that a run starts from; they have no effect on a run that has begun."""

MAX_SHOWN = 40
"""Number of characters that a message shows of a value."""


def stored_keys(config: str | None) -> dict[str, Any]:
    """The keys in a checkpoint, under their present names; none where the checkpoint has no config."""
    try:
        return stored_config(config or "{}")
    except (TypeError, ValueError):
        return {}


def differing_keys(stored: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Key -> (stored, current) value, for the keys that both have with different values."""
    return {
        key: (stored[key], current[key])
        for key in current
        if key in stored and _plain(stored[key]) != _plain(current[key])
    }


def describe_differences(differences: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Lines for the user, in which the keys that change the results come last."""
    effects = {
        "with no effect on a run that has begun": READ_AT_START,
        "with the same results": NO_INFLUENCE,
        "which change the results from here on": differences.keys() - READ_AT_START - NO_INFLUENCE,
    }
    lines = []
    for effect, keys in effects.items():
        if some := {key: values for key, values in differences.items() if key in keys}:
            lines.append(f"resuming with other keys, {effect}: {named(some)}")
    return lines


def named(differences: Mapping[str, tuple[Any, Any]]) -> str:
    """ "seed 0 -> 1, weight_decay 0.0 -> 0.1"."""
    return ", ".join(f"{key} {_short(old)} -> {_short(new)}" for key, (old, new) in differences.items())


def _plain(value: Any) -> str:
    """A value as text in which tuples equal lists, and 1 equals 1.0."""
    fits = isinstance(value, int) and abs(value) < 1 << 1000  # a damaged file may hold any number
    return json.dumps(float(value) if fits else value, sort_keys=True)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
