"""Controls of a list or table that page.js searches, sorts and filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape


def list_controls(
    identifier: str,
    count: int,
    placeholder: str,
    order: Sequence[tuple[str, str]] = (),
    filters: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    least: tuple[str, str] | None = None,
) -> str:
    """A search field, a choice of order, filters and a count.

    Entries of the list carry what these ask for as data attributes: ``data-search`` holds text in lower
    case, others numbers or words.

    Args:
        identifier: the id of the list's element.
        count: entries in it.
        placeholder: the search field's text, which is also its name for screen readers.
        order: (attribute, label); a hyphen at the end of an attribute means downwards.
        filters: attribute -> (value, label) of its choices, the first one with an empty value.
        least: (attribute, label) of a slider for the smallest value in [0, 1] shown.
    """
    parts = [
        f'<input type="search" placeholder="{escape(placeholder)}" aria-label="{escape(placeholder)}" '
        'autocomplete="off" spellcheck="false" data-find>'
    ]
    parts += [
        _select(f'data-filter="{attribute}"', f"Filter: {choices[0][1]}", choices)
        for attribute, choices in (filters or {}).items()
    ]
    if order:
        parts.append(_select("data-order", "Order", order))
    if least:
        attribute, label = least
        parts.append(
            f'<label class="least"><span>{escape(label)}</span><input type="range" min="0" max="1" '
            f'step="0.05" value="0" data-least="{attribute}"><output>0.00</output></label>'
        )
    parts.append(f'<output class="quiet" data-count aria-live="polite">all {count:,}</output>')
    return f'<div class="controls" role="search" data-controls="{identifier}">{"".join(parts)}</div>'


def _select(attribute: str, label: str, choices: Sequence[tuple[str, str]]) -> str:
    options = "".join(
        f'<option value="{escape(value, quote=True)}">{escape(text)}</option>' for value, text in choices
    )
    return f'<select {attribute} aria-label="{escape(label, quote=True)}">{options}</select>'
