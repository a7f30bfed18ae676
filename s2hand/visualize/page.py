"""The demo's page: one HTML file that contains its images, style and 3D viewer, and loads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from s2hand.files import write_text_whole
from s2hand.visualize.charts import Curve, svg_chart
from s2hand.visualize.embed import asset_text, image_html
from s2hand.visualize.viewer import ViewerMesh, viewer_html

WIDE_PX = 900
"""Images wider than this keep a readable size on a phone and scroll sideways."""


@dataclass(frozen=True)
class Table:
    """A table of results.

    Attributes:
        columns: headers; the first one heads the names of the rows.
        rows: cells, numbers or text; None is shown as a dash. Numbers get two decimals.
        highlight: number of the row to set in bold, or None.
        note: a line below the table.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]
    highlight: int | None = 0
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """An image with its caption.

    Attributes:
        image: (H, W, 3) uint8, or the bytes of a GIF.
        caption: text below.
        title: heading above, may be empty.
    """

    image: np.ndarray | bytes
    caption: str = ""
    title: str = ""


def write_page(
    path: str | Path,
    *,
    title: str,
    lead: str = "",
    table: Table | None = None,
    hero: Figure | None = None,
    mesh: ViewerMesh | None = None,
    sheets: Sequence[Figure] = (),
    curves: Sequence[Curve] = (),
    settings: Mapping[str, object] | None = None,
) -> Path:
    """Writes the page without the parts that are not given.

    Args:
        path: HTML file to write; its folder is made.
        title: headline.
        lead: a sentence or two below it.
        table: the metrics.
        hero: the wide figure at the top.
        mesh: a predicted hand for the 3D viewer.
        sheets: further figures, each with a title and a caption.
        curves: training curves.
        settings: names and values of the run's settings.

    Returns:
        The path written.
    """
    sections = [_header(title, lead)]
    if hero:
        sections.append(f'<section class="hero">{_figure(hero)}</section>')
    sections.append(_results(table, mesh))
    sections += [f'<section class="sheet">{_figure(sheet)}</section>' for sheet in sheets]
    if curves:
        sections.append(_curves(curves))
    if settings:
        sections.append(_settings(settings))
    path = Path(path)
    write_text_whole(path, _document(title, sections, with_viewer=mesh is not None))
    return path


def _document(title: str, sections: Sequence[str], with_viewer: bool) -> str:
    """The whole file; empty sections are left out."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{asset_text('page.css')}</style>"
    )
    body = "\n".join(section for section in sections if section)
    script = f"<script>{asset_text('viewer.js')}</script>" if with_viewer else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n{script}</body>\n</html>\n"
    )


def _header(title: str, lead: str) -> str:
    lead = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f"<header><h1>{escape(title)}</h1>{lead}</header>"


def _figure(figure: Figure) -> str:
    """Heading, image (scrolling sideways on a narrow screen) and caption."""
    title = f"<h2>{escape(figure.title)}</h2>" if figure.title else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    image = image_html(figure.image, figure.title or figure.caption)
    wide = isinstance(figure.image, np.ndarray) and figure.image.shape[1] > WIDE_PX
    kind = "scroll wide" if wide else "scroll"
    return f'{title}<figure><div class="{kind}" tabindex="0">{image}</div>{caption}</figure>'


def _results(table: Table | None, mesh: ViewerMesh | None) -> str:
    """The table, and beside it the viewer; empty if there is neither."""
    if not (table or mesh):
        return ""
    kind = "pair" if table and mesh else "single"
    results = f'<div class="results"><h2>Results</h2>{_table(table)}</div>' if table else ""
    return f'<section class="{kind}">{results}{viewer_html(mesh) if mesh else ""}</section>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = ""
    for number, (name, *cells) in enumerate(table.rows):
        mark = ' class="highlight"' if number == table.highlight else ""
        values = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
        body += f'<tr{mark}><th scope="row">{escape(str(name))}</th>{values}</tr>'
    note = f'<p class="quiet">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    return escape(value) if isinstance(value, str) else f"{value:.2f}"


def _curves(curves: Sequence[Curve]) -> str:
    charts = "".join(f"<figure><h3>{escape(curve.title)}</h3>{svg_chart(curve)}</figure>" for curve in curves)
    return f'<section><h2>Training</h2><div class="charts">{charts}</div></section>'


def _settings(settings: Mapping[str, object]) -> str:
    entries = "".join(
        f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in settings.items()
    )
    return f'<section><h2>Settings</h2><dl class="settings">{entries}</dl></section>'
