"""Describes each fault of a config in one line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from s2hand.config.model import Config
from s2hand.config.published import KEY_ALIASES, LAMBDA_ALIASES, RETIRED_KEYS
from s2hand.errors import S2HandError, shown

MAX_SHOWN = 60
"""Number of characters that a message shows of an invalid value."""


class ConfigError(S2HandError):
    """A config is invalid; the message names the file, the key and the remedy."""


def known_keys() -> list[str]:
    """Every key a config may hold, published names included."""
    return [*Config.model_fields, *KEY_ALIASES, *LAMBDA_ALIASES, *RETIRED_KEYS, "$schema"]


def describe_error(error: ValidationError) -> str:
    """The first fault in one line, and the number of others."""
    faults = [
        _describe(fault)
        for fault in error.errors(include_url=False)
        if fault["type"] != "default_factory_not_called"  # follows from another fault
    ]
    others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return faults[0] + others


def nearest(word: str, candidates) -> str | None:
    """The candidate most similar to a word, if there is a similar one."""
    matches = difflib.get_close_matches(word, list(candidates), n=1)
    return matches[0] if matches else None


def printable(name: str) -> str:
    """A name, quoted and escaped if it has characters other than letters, digits and underscores."""
    return name if name.isidentifier() else repr(name)


def _describe(fault: Mapping[str, Any]) -> str:
    name = _key_name(fault["loc"])
    if fault["type"] == "extra_forbidden":
        suggestion = nearest(name, known_keys())
        remedy = f"did you mean {suggestion}?" if suggestion else "s2hand config --schema lists every key"
        return f"unknown key {printable(name)}; {remedy}"
    if fault["type"] == "missing":
        return f"{name} is not set: {Config.model_fields[name].description}"
    return f"{name}: expected {_expected(fault)}, got {_show(fault['input'])}"


def _expected(fault: Mapping[str, Any]) -> str:
    """What a key takes, and which choice was probably meant."""
    if fault["type"] == "string_pattern_mismatch":
        return Config.model_fields[fault["loc"][0]].description.rstrip(".")
    expected = fault["msg"].removeprefix("Input should be ").replace("a valid tuple", "a list")
    if fault["type"] == "literal_error" and isinstance(fault["input"], str):
        choices = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        meant = nearest(fault["input"], choices)
        expected += f" (did you mean {meant}?)" if meant else ""
    return expected


def _key_name(location: tuple) -> str:
    """('losses', 3) -> losses[3]."""
    head, *rest = location
    return str(head) + "".join(f"[{part}]" for part in rest if isinstance(part, int))


def _show(value) -> str:
    """A value as JSON with its JSON type, shortened."""
    kind = {bool: "a boolean", int: "a number", float: "a number", str: "a string", dict: "an object"}
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, ValueError):  # deeper than Python's stack, or a number of thousands of digits
        text = shown(value)
    text = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
    return f"{text} ({kind.get(type(value), 'a list')})"
