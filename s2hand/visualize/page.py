"""The demo's page: one HTML file that holds its pictures, style and 3D viewer, and loads nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from s2hand.visualize.charts import Curve, svg_chart, svg_legend
from s2hand.visualize.pictures import to_array

WEBP_QUALITY = 88

MICRONS_PER_STEP = 100
"""The viewer's vertices are whole tenths of a millimetre, finer than a screen shows."""


@dataclass(frozen=True)
class Table:
    """A table of results.

    Attributes:
        columns: headers; the first one is of the rows' names.
        rows: cells, numbers or text; None is shown as a dash. Numbers get two decimals.
        highlight: number of the row to set in bold, or None.
        note: a line below.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]
    highlight: int | None = 0
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture with its caption.

    Attributes:
        picture: (H, W, 3) uint8, or the bytes of a GIF.
        caption: text below.
        title: heading above, may be empty.
    """

    picture: np.ndarray | bytes
    caption: str = ""
    title: str = ""


@dataclass(frozen=True)
class ViewerMesh:
    """A mesh to turn by hand.

    Attributes:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        face_colors: (F, 3) RGB in [0, 1], or None for clay only.
        still: picture shown where WebGL or scripts are missing.
        caption: text below.
    """

    vertices: ArrayLike | Tensor
    faces: ArrayLike | Tensor
    face_colors: ArrayLike | Tensor | None
    still: np.ndarray
    caption: str = ""


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
    footer: str = "",
) -> Path:
    """Writes the page; parts that are not given are left out.

    Args:
        path: HTML file to write; its folder is made.
        title: headline.
        lead: a sentence or two below it.
        table: the figures.
        hero: the wide picture at the top.
        mesh: a predicted hand for the 3D viewer.
        sheets: further pictures, each with a title and a caption.
        curves: training curves.
        settings: names and values of the run's settings.
        footer: small print.

    Returns:
        The path written.
    """
    sections = [_header(title, lead)]
    if hero:
        sections.append(f'<section class="hero">{_figure(hero, eager=True)}</section>')
    if table or mesh:
        parts = (_table(table) if table else "") + (_viewer(mesh) if mesh else "")
        sections.append(f'<section class="{"pair" if table and mesh else "single"}">{parts}</section>')
    sections += [f'<section class="sheet">{_figure(sheet)}</section>' for sheet in sheets]
    if curves:
        sections.append(_curves(curves))
    if settings:
        sections.append(_settings(settings))
    if footer:
        sections.append(f"<footer><p>{escape(footer)}</p></footer>")
    script = f"<script>{_asset('viewer.js')}</script>" if mesh else ""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{_asset('page.css')}</style>"
    )
    body = "\n".join(sections)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n{script}</body>\n</html>\n"
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def data_uri(picture: np.ndarray | bytes) -> str:
    """A picture as a data URI: WebP for an array, a GIF's bytes as they are."""
    if isinstance(picture, bytes):
        kind, content = "gif", picture
    else:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "WEBP", quality=WEBP_QUALITY, method=4)
        kind, content = "webp", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _asset(name: str) -> str:
    """Text of a file that lies beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _header(title: str, lead: str) -> str:
    lead = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f"<header><h1>{escape(title)}</h1>{lead}</header>"


def _image(picture: np.ndarray | bytes, alt: str, eager: bool = False) -> str:
    """An ``<img>`` with its size, so that the page does not jump while it loads."""
    size = (
        f' width="{picture.shape[1]}" height="{picture.shape[0]}"' if isinstance(picture, np.ndarray) else ""
    )
    loading = "" if eager else ' loading="lazy"'
    return f'<img src="{data_uri(picture)}" alt="{escape(alt, quote=True)}"{size}{loading}>'


def _figure(figure: Figure, eager: bool = False) -> str:
    """Heading, picture (scrolling sideways on a narrow screen) and caption."""
    title = f"<h2>{escape(figure.title)}</h2>" if figure.title else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    image = _image(figure.picture, figure.title or figure.caption, eager)
    return f'{title}<figure><div class="scroll" tabindex="0">{image}</div>{caption}</figure>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = ""
    for number, (name, *cells) in enumerate(table.rows):
        mark = ' class="highlight"' if number == table.highlight else ""
        values = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
        body += f'<tr{mark}><th scope="row">{escape(str(name))}</th>{values}</tr>'
    note = f'<p class="quiet">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="results"><h2>Results</h2><div class="scroll" tabindex="0"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>{note}</div>"
    )


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    return escape(value) if isinstance(value, str) else f"{value:.2f}"


def _viewer(mesh: ViewerMesh) -> str:
    """A canvas over a still picture, and the mesh as JSON for viewer.js."""
    steps = np.rint(to_array(mesh.vertices) * 1e6 / MICRONS_PER_STEP).astype(int)
    content = {"vertices": steps.ravel().tolist(), "faces": to_array(mesh.faces).astype(int).ravel().tolist()}
    if mesh.face_colors is not None:
        colors = np.rint(np.clip(to_array(mesh.face_colors), 0, 1) * 255).astype(int)
        content["colors"] = colors.ravel().tolist()
    caption = f"<figcaption>{escape(mesh.caption)}</figcaption>" if mesh.caption else ""
    data = json.dumps(content, separators=(",", ":"))
    return (
        '<div class="viewer"><h2>In three dimensions</h2><figure><div class="stage" id="stage">'
        f"{_image(mesh.still, mesh.caption or 'predicted hand')}</div>{caption}</figure>"
        f'<script type="application/json" id="mesh">{data}</script></div>'
    )


def _curves(curves: Sequence[Curve]) -> str:
    charts = "".join(
        f"<figure><h3>{escape(curve.title)}</h3>{svg_chart(curve)}{svg_legend(curve)}</figure>"
        for curve in curves
    )
    return f'<section><h2>Training</h2><div class="charts">{charts}</div></section>'


def _settings(settings: Mapping[str, object]) -> str:
    entries = "".join(
        f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in settings.items()
    )
    return f'<section><h2>Settings</h2><dl class="settings">{entries}</dl></section>'
