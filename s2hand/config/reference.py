"""The documentation of the keys, made from their definitions: a JSON schema and a page."""

from __future__ import annotations

import json
import textwrap

from s2hand.config.loss_table import DEFAULT_WEIGHTS
from s2hand.config.model import Config
from s2hand.config.published import KEY_ALIASES, LAMBDA_ALIASES, RETIRED_KEYS
from s2hand.config.sections import SECTIONS

LINE = 115
"""Width of a paragraph."""

_PREAMBLE = """\
# Config

<!-- Made by `s2hand config --markdown` from the descriptions in s2hand/config. -->

An experiment is one flat JSON object. Only `base_out_path` is required; `null` stands for a key's default.
Unknown keys, wrong types and contradictions are errors that name the remedy. `s2hand config FILE` checks a
file and prints every key; `--set key=value` replaces a value (JSON, otherwise text).

Paths may contain `${VARIABLE}` and start with `~`; relative ones start from the working directory.
With `"$schema": "../schema.json"` editors complete and explain the keys. Keys of the 2021 code work or
[have a counterpart](parity.md#published-keys).

Brackets hold the default, and the other values if only some are allowed.
"""

_WEIGHTS = """
Losses by default weight, which `lambda_<loss>` replaces (0 is an error):

"""


def json_schema() -> str:
    """The JSON schema of a config file, with the published names."""
    schema = Config.model_json_schema()
    properties = schema["properties"]
    for entry in properties.values():
        entry.pop("title", None)
    properties["$schema"] = {"type": "string", "description": "Path of this schema."}
    for alias, meanings in _alias_meanings().items():
        like = properties[meanings[0]]
        described = {"description": f"Published name of {' and '.join(meanings)}."}
        properties[alias] = {**like, **described}
    for name, instead in RETIRED_KEYS.items():
        properties.setdefault(name, {"description": f"Ignored: {instead}.", "deprecated": True})
    schema["title"] = "s2hand experiment"
    schema["description"] = "One experiment of s2hand; see docs/config.md."
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def markdown() -> str:
    """The page docs/config.md."""
    parts = [_PREAMBLE]
    schemas = Config.model_json_schema()["properties"]
    for section in SECTIONS:
        names = [name for name in section.model_fields if not name.startswith("lambda_")]
        items = [_item(name, schemas[name]) for name in names]
        parts.append("\n".join([f"## {section.__doc__.rstrip('.')}\n", *items]))
        if "losses" in names:
            parts.append(_WEIGHTS + textwrap.fill(_weights(), LINE, break_on_hyphens=False))
        parts.append("")
    return "\n".join(parts)


def _weights() -> str:
    """The losses by their default weights."""
    groups: dict[float, list[str]] = {}
    for name, weight in DEFAULT_WEIGHTS.items():
        groups.setdefault(weight, []).append(name)
    return "; ".join(f"{weight:g}: {', '.join(names)}" for weight, names in groups.items()) + "."


def _alias_meanings() -> dict[str, list[str]]:
    lambdas = {alias: [f"lambda_{name}" for name in names] for alias, names in LAMBDA_ALIASES.items()}
    return {**{alias: [name] for alias, name in KEY_ALIASES.items()}, **lambdas}


def _item(name: str, schema: dict) -> str:
    """One key as an item of a list, with its default and other choices in brackets."""
    field = Config.model_fields[name]
    values = []
    if field.is_required():
        values.append("required")
    elif field.default_factory is None and field.default is not None:
        values.append(_shown(field.default))
    values += [choice for choice in _takes(schema) if choice not in values]
    brackets = f" ({', '.join(values)})" if values else ""
    return f"- `{name}`{brackets}: {field.description.replace('<', '&lt;')}"


def _takes(schema: dict) -> list[str]:
    """The choices that a JSON schema allows; nothing where there are none."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return [f"`{choice}`" for choice in options[0].get("enum", ())]


def _shown(value) -> str:
    """A default as in JSON, but strings without quotes, as on the command line."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
