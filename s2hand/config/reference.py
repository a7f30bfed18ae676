"""The documentation of the keys, made from their definitions: a JSON schema and a page."""

from __future__ import annotations

import json

from s2hand.config.model import Config
from s2hand.config.published import KEY_ALIASES, LAMBDA_ALIASES, RETIRED_KEYS
from s2hand.config.sections import SECTIONS

_PREAMBLE = """\
# The experiment's keys

<!-- Made by `s2hand config --markdown`; edit the descriptions in s2hand/config instead. -->

An experiment is one flat JSON object. Every key but `base_out_path` has a default, which `null` also means.
Unknown keys, wrong types and contradictions are errors. `s2hand config FILE` checks a file and prints every
key with its resolved value; `--set key=value` replaces a value (JSON, or else a string).

Paths may contain `${VARIABLE}` from the environment and start with `~`; relative paths start from the current
working directory. With `"$schema": "../schema.json"` editors complete and explain the keys
(`s2hand config --schema` prints that file).
"""

_TABLE_HEAD = ("| key | takes | default | meaning |", "|---|---|---|---|")

_LAMBDAS = """\
`lambda_<loss>` is the weight of a loss; the default is the published weight. A weight of 0 for a loss in
`losses` is an error.
"""

_PUBLISHED = """\
## Published names

Configs of the published code load unchanged. These keys are other names for keys above:

| published key | here |
|---|---|
{aliases}

These keys have no effect here; a line reports each one that a file contains:

| published key | instead |
|---|---|
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
    aliases = [f"| `{alias}` | `{'`, `'.join(own)}` |" for alias, own in _alias_meanings().items()]
    retired = [
        f"| {', '.join(f'`{name}`' for name in RETIRED_KEYS if RETIRED_KEYS[name] == instead)} | {instead} |"
        for instead in dict.fromkeys(RETIRED_KEYS.values())
    ]
    parts.append(_PUBLISHED.format(aliases="\n".join(aliases), retired="\n".join(retired)))
    return "\n".join(parts)


def _alias_meanings() -> dict[str, list[str]]:
    lambdas = {alias: [f"lambda_{name}" for name in names] for alias, names in LAMBDA_ALIASES.items()}
    return {**{alias: [name] for alias, name in KEY_ALIASES.items()}, **lambdas}


def _row(name: str, schema: dict) -> str:
    field = Config.model_fields[name]
    if field.is_required():
        default = "(required)"
    elif field.default_factory is not None:
        default = "(follows)"
    else:
        default = f"`{json.dumps(field.default)}`"
    return f"| `{name}` | {_takes(schema)} | {default} | {field.description} |"


def _takes(schema: dict) -> str:
    """The values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_takes(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_takes(schema['items'])}"
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {schema[name]}" for name, sign in words.items() if name in schema)
    return f"{schema['type']} {limits}".strip()
