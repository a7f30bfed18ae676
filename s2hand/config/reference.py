"""The documentation of the keys, made from their definitions: a JSON schema and a page."""

from __future__ import annotations

import json
import textwrap

from s2hand.config.model import Config
from s2hand.config.published import KEY_ALIASES, LAMBDA_ALIASES, RETIRED_KEYS
from s2hand.config.sections import SECTIONS

_PREAMBLE = """\
# The experiment's keys

<!-- Made by `s2hand config --markdown`; edit the descriptions in s2hand/config instead. -->

An experiment is one flat JSON object. Only `base_out_path` is required; every other key has a default, which
`null` stands for, too. Unknown keys, wrong types and contradictions are errors. `s2hand config FILE` checks a
file and prints every key with its resolved value; `--set key=value` replaces a value (JSON, otherwise text).

Paths may contain `${VARIABLE}` and start with `~`; relative paths start from the current working directory.
With `"$schema": "../schema.json"` editors complete and explain the keys.
"""

_TABLE_HEAD = ("| key | type (default) | meaning |", "|---|---|---|")

_LAMBDAS = """\
`lambda_<loss>` is the weight of a loss, by default the published one. A weight of 0 for a loss in `losses` is
an error.
"""

_PUBLISHED = """\
## Published names

Configs of the published code load unchanged. Some keys have another name here:

{aliases}

These have no effect; a note says what replaces each one that a file contains:

{retired}
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
        fields = section.model_fields
        weights = [name for name in fields if name.startswith("lambda_")]
        rows = [_row(name, schemas[name]) for name in fields if name not in weights]
        parts.append("\n".join([f"## {section.__doc__.rstrip('.')}\n", *_TABLE_HEAD, *rows, ""]))
        if weights:
            parts.append(_LAMBDAS)
    aliases = [f"`{alias}`: `{'`, `'.join(own)}`" for alias, own in _alias_meanings().items()]
    retired = [f"`{name}`" for name in RETIRED_KEYS]
    parts.append(_PUBLISHED.format(aliases=_paragraph(aliases, "; "), retired=_paragraph(retired, ", ")))
    return "\n".join(parts)


def _paragraph(items: list[str], separator: str) -> str:
    return textwrap.fill(separator.join(items) + ".", 115, break_on_hyphens=False)


def _alias_meanings() -> dict[str, list[str]]:
    lambdas = {alias: [f"lambda_{name}" for name in names] for alias, names in LAMBDA_ALIASES.items()}
    return {**{alias: [name] for alias, name in KEY_ALIASES.items()}, **lambdas}


def _row(name: str, schema: dict) -> str:
    field = Config.model_fields[name]
    default = ""
    if field.is_required():
        default = " (required)"
    elif field.default_factory is None and field.default is not None:
        default = f" (`{json.dumps(field.default)}`)"
    return f"| `{name}` | {_takes(schema)}{default} | {field.description} |"


def _takes(schema: dict) -> str:
    """The values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_takes(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_takes(schema['items'])}"
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {schema[name]}" for name, sign in words.items() if name in schema)
    return f"{schema['type']} {limits}".strip()
