"""The frame of every page: one HTML file with its style and scripts, which loads nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from s2hand.files import write_text_whole

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""Content security policy: a browser refuses whatever the page would load from elsewhere."""

SCHEME_SCRIPT = (
    "try{document.documentElement.dataset.scheme=localStorage.getItem('s2hand-scheme')||''}catch{}"
    "document.documentElement.classList.add('js')"
)
"""Runs before anything is painted, so that a page does not flash in the other scheme."""


def write_document(
    path: str | Path,
    *,
    title: str,
    kind: str,
    lead: str,
    sections: Sequence[str],
    scripts: Sequence[str] = (),
    footer: str = "",
) -> Path:
    """Writes a page.

    Args:
        path: HTML file; its folder is made.
        title: headline.
        kind: a word or two above it, such as "Evaluation".
        lead: a sentence below it.
        sections: HTML; empty ones are left out.
        scripts: HTML of data scripts, before the code.
        footer: small print.

    Returns:
        The path written.
    """
    path = Path(path)
    with_viewer = any("data-scene=" in script for script in scripts)
    code = [asset_text("page.js"), *([asset_text("viewer.min.js")] if with_viewer else [])]
    parts = [
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)} · s2hand</title><style>{asset_text('pages.css')}</style>",
        f'<link rel="icon" href="data:,"><script>{SCHEME_SCRIPT}</script></head>\n<body>',
        '<a class="skip" href="#main">Skip to content</a>',
        _header(title, kind, lead),
        '<main id="main">',
        *[section for section in sections if section],
        "</main>",
        f"<footer><p>{escape(footer)}</p></footer>" if footer else "",
        *scripts,
        *[f"<script>{text}</script>" for text in code],
        "</body>\n</html>\n",
    ]
    write_text_whole(path, "\n".join(part for part in parts if part))
    return path


def json_script(attribute: str, content: str, value: str = "") -> str:
    """A script element that holds JSON, marked with a data attribute.

    Args:
        attribute: such as "data-scene".
        content: JSON text.
        value: the attribute's value.
    """
    text = content.replace("<", "\\u003c")  # nothing in it may end the element
    return f'<script type="application/json" {attribute}="{escape(value, quote=True)}">{text}</script>'


def section(title: str, content: str, *, note: str = "", name: str = "") -> str:
    """A section with a heading; empty if there is no content.

    Args:
        title: heading.
        content: HTML.
        note: a quiet sentence below the heading.
        name: further class.
    """
    if not content:
        return ""
    note = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section class="block {name}"><h2>{escape(title)}</h2>{note}{content}</section>'


def unreadable_section(entries: Sequence[tuple[str, str]]) -> str:
    """A section with files that could not be read; empty if there are none.

    Args:
        entries: (name, reason).
    """
    rows = "".join(f"<li><b>{escape(name)}</b> {escape(reason)}</li>" for name, reason in entries)
    return section("Could not be read", f'<ul class="plain">{rows}</ul>' if rows else "")


def facts(entries: Sequence[tuple[str, str, str]]) -> str:
    """A row of large figures.

    Args:
        entries: (figure, what it is, a quiet remark, which may be empty).
    """
    items = "".join(
        f"<li><b>{escape(figure)}</b><span>{escape(label)}</span>"
        + (f"<small>{escape(remark)}</small>" if remark else "")
        + "</li>"
        for figure, label, remark in entries
    )
    return f'<ul class="facts">{items}</ul>' if items else ""


def definitions(values: Mapping[str, object], name: str = "settings") -> str:
    """Names and values as a list; nested values are shown as JSON."""
    rows = "".join(
        f"<div><dt>{escape(str(key))}</dt><dd>{escape(_shown(value))}</dd></div>"
        for key, value in values.items()
    )
    return f'<dl class="{name}">{rows}</dl>' if rows else ""


def provenance(
    command: str = "",
    versions: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
) -> str:
    """How something was made: the command to repeat it, versions, and settings, folded up."""
    parts = []
    if command:
        parts.append(
            f'<div class="command"><code id="command">{escape(command)}</code>'
            '<button type="button" data-copy="command">Copy</button></div>'
        )
    for title, values in (("Versions", versions), ("Settings", settings)):
        if values:
            parts.append(f"<details><summary>{title}</summary>{definitions(values)}</details>")
    return section("How this was made", "".join(parts), name="provenance")


def asset_text(name: str) -> str:
    """Text of a file among the package's assets."""
    return files("s2hand.pages").joinpath("assets", name).read_text(encoding="utf-8")


def _header(title: str, kind: str, lead: str) -> str:
    lead = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return (
        f'<header><div><p class="kind">{escape(kind)}</p><h1>{escape(title)}</h1>{lead}</div>'
        '<button type="button" class="scheme" data-scheme-switch aria-label="Switch between light and dark">'
        '<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><circle cx="10" cy="10" r="7" '
        'fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M10 3a7 7 0 0 1 0 14z" '
        'fill="currentColor"/></svg></button></header>'
    )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, default=str, ensure_ascii=False)
