"""Reads a :class:`Config` from a JSON file and overrides; every error is one line that names file and key."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from pydantic import ValidationError

from s2hand.config.checks import check_consistency
from s2hand.config.messages import ConfigError, describe_error, printable
from s2hand.config.model import Config
from s2hand.config.published import translate

PATH_KEYS = (
    *("freihand_base_path", "freihand_detections", "freihand_eval_detections"),
    *("ho3d_base_path", "ho3d_detections", "synthetic_base_path", "shards_path", "base_out_path"),
    *("folder_base_path", "folder_detections", "folder_labels"),
    *("hand_model", "pretrain_model", "pretrain_rgb2hm", "pretrain_texture_model"),
)
"""The keys in which ``${VARIABLE}`` and a leading ``~`` are expanded."""

PATH_HINTS = {
    "hand_model": "the path of MANO_RIGHT.pkl (https://mano.is.tue.mpg.de)>, or set hand_model=generic for "
    "the hand that comes with this project",
    "freihand_base_path": "the folder of FreiHAND v2>, or set freihand_base_path",
    "ho3d_base_path": "the folder of HO-3D>, or set ho3d_base_path",
    "folder_base_path": "a folder of photos of hands>, or set folder_base_path",
}
"""What the variable in a shipped config stands for."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def load_config(path: str | os.PathLike, overrides: dict | None = None) -> Config:
    """Reads and checks an experiment's JSON.

    Args:
        path: the JSON file.
        overrides: key -> value, in place of the file's; :func:`parse_override` reads the command line's.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or of the wrong type, a path's variable is not
            set, or keys contradict each other.
    """
    values = read_json_object(path)
    source = str(path)
    if overrides:
        values = {**values, **overrides}
        source += " with overrides"
    return config_from_dict(values, source)


def config_from_dict(values: dict, source: str = "config") -> Config:
    """Checks a flat mapping of keys to values.

    Args:
        values: as in the JSON; ``None`` stands for the default.
        source: named in error messages.

    Raises:
        ConfigError: as in :func:`load_config`.
    """
    values = {key: value for key, value in values.items() if value is not None}
    try:
        translated, notes = translate(values)
        for key in PATH_KEYS:
            if isinstance(translated.get(key), str):
                translated[key] = expand_path(key, translated[key])
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None
    try:
        config = Config.model_validate(translated)
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe_error(error)}") from None
    try:
        notes = check_consistency(config, translated.keys()) + notes  # what matters more comes first
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None
    config._notes, config._source = tuple(notes), source
    return config


def read_json_object(path: str | os.PathLike) -> dict:
    """Reads a JSON object, refusing duplicate keys, NaN and infinities.

    Raises:
        ConfigError: the file is missing, unreadable, not JSON, or not an object.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        values = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        json.dumps(values, ensure_ascii=False).encode()  # an escape may stand for half a character
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of an experiment's JSON") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid JSON for a config: nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON: {str(error).partition('; use sys.')[0]}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a JSON object {{key: value, ...}}, got {type(values).__name__}")
    return values


def parse_override(text: str) -> tuple[str, object]:
    """Parses the command line's ``key=value``; a value that is not JSON is a string.

    Raises:
        ConfigError: there is no ``=``, or the value is not valid UTF-8.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected key=value, as in --set train_batch=16")
    if not is_text(value):
        raise ConfigError(f"--set {printable(key)}: {value!a} is not valid UTF-8; rename the file or folder")
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return key, value
    is_folder = key in PATH_KEYS and not (parsed is None or isinstance(parsed, str))
    return key, value if is_folder else parsed  # a folder may be named 2024


def expand_path(key: str, text: str) -> str:
    """Replaces ``${VARIABLE}`` by the environment's value and a leading ``~`` by the home folder.

    Raises:
        ValueError: the variable is unset or empty, or the path contains NUL or is not valid UTF-8.
    """
    if "\0" in text:
        raise ValueError(f"{key}: a path cannot hold the character NUL")

    def value_of(match: re.Match) -> str:
        value = os.environ.get(match[1], "")
        if not value:
            name = printable(match[1])
            hint = PATH_HINTS.get(key, f"path>, or set {key} itself")
            raise ValueError(f"{key}: the environment variable {name} is not set; export {name}=<{hint}")
        return value

    expanded = os.path.expanduser(_VARIABLE.sub(value_of, text))
    if not is_text(expanded):
        raise ValueError(f"{key}: {expanded!a} is not valid UTF-8; rename the file or folder")
    return expanded


def is_text(value: str) -> bool:
    """Whether UTF-8 can encode a string. Python represents other names of files by half surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [name for name, _ in pairs]
        repeated = next(name for name in keys if keys.count(name) > 1)
        raise ValueError(f"the key {repeated!r} occurs twice")
    return values


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a JSON number")
