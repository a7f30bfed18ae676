"""Line charts, drawn by Matplotlib: as image files, and inline in an HTML page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from s2hand.files import written_whole
from s2hand.visualize.text import INK

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which remain distinct for any colour vision; yellow is too pale."""

DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Runs differ in colour, marker and, beyond the seventh, dash."""

COLUMNS = 3
CHART_WIDTH_IN, CHART_HEIGHT_IN = 4.2, 2.6
LEGEND_ROW_IN = 0.23
DPI = 110
MOST_MARKED_POINTS = 30

LOG_RATIO = 30.0
"""Positive values that span more than this ratio are drawn on a logarithmic axis."""

PAGE_SERIES = 4
"""The page's style defines the colours --series-0 to --series-3."""

PAGE_COLORS = {"quiet": "#010101", "rule": "#010102"} | {
    f"series-{number}": f"#01020{number}" for number in range(PAGE_SERIES)
}
"""Colours that stand for CSS variables of the page until its SVG is written."""

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A chart of one quantity.

    Attributes:
        title: what is shown, with its unit.
        series: name of each line to its points (x, y); points that are not finite are left out.
        x_label: name of the horizontal axis.
        reference: name to value of dashed horizontal lines, such as a baseline.
    """

    title: str
    series: Mapping[str, Line]
    x_label: str = "epoch"
    reference: Mapping[str, float] = field(default_factory=dict)


def draw_runs(charts: Mapping[str, Mapping[str, Line]], path: Path) -> None:
    """Draws one chart for each metric, with one line for each run, and one legend for all.

    Args:
        charts: title -> name of the run -> points (epoch, value); a chart leaves out runs without points.
        path: the PNG to write; its folder is made if missing.
    """
    runs = list(dict.fromkeys(name for lines in charts.values() for name in lines))
    columns = min(COLUMNS, len(charts))
    rows = math.ceil(len(charts) / columns)
    entry_in = 0.7 + 0.08 * max(map(len, runs))  # line and gaps, and about 0.08 inch a letter
    legend_columns = max(1, min(len(runs), int(columns * CHART_WIDTH_IN / entry_in)))
    legend_in = LEGEND_ROW_IN * math.ceil(len(runs) / legend_columns) + 0.1
    size = (columns * CHART_WIDTH_IN, rows * CHART_HEIGHT_IN + legend_in)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - legend_in / size[1]))
    grid = figure.subplots(rows, columns, squeeze=False).flat
    handles = {}
    for axes, (title, lines) in zip(grid, charts.items(), strict=False):
        handles |= _draw_runs_of_chart(axes, title, {name: lines.get(name, ()) for name in runs})
    for axes in figure.axes[len(charts) :]:
        axes.remove()
    shown = [name for name in runs if name in handles]
    lines = [handles[name] for name in shown]
    figure.legend(lines, shown, loc="upper left", ncols=legend_columns, frameon=False, fontsize=9)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=DPI, format="png")


def _draw_runs_of_chart(axes, title: str, lines: Mapping[str, Line]) -> dict:
    """Draws one chart, and returns the name and the handle of each line in it."""
    handles = {}
    for number, (name, points) in enumerate(lines.items()):
        if points:
            (handles[name],) = axes.plot(
                *zip(*points, strict=True),
                color=COLORS[number % len(COLORS)],
                linestyle=DASHES[number // len(COLORS) % len(DASHES)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=4 if len(points) <= MOST_MARKED_POINTS else 0,
                linewidth=1.6,
            )
    values = [value for points in lines.values() for _, value in points]
    if min(values) > 0 and max(values) > LOG_RATIO * min(values):
        axes.set_yscale("log")
    axes.set_title(title, fontsize=10, color=[level / 255 for level in INK], loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    return handles


def draw_pck(curves: Mapping[str, tuple[Line, float]], path: Path) -> None:
    """Draws PCK curves: the share of points within an error threshold.

    Args:
        curves: name -> points (threshold in mm up to 50, share in [0, 1]), and the area under them.
        path: the PNG to write; its folder is made if missing.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, (points, area) in curves.items():
        axes.plot(*zip(*points, strict=True), label=f"{name} (AUC {area:.3f})")
    axes.set(xlabel="error threshold (mm)", ylabel="share of points", xlim=(0, 50), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=150, format="png")


def svg_chart(curve: Curve) -> str:
    """Draws a chart for an HTML page, whose colours follow the page's light or dark scheme.

    Returns:
        An ``<svg>`` element that scales to its container's width, or a note if there is nothing to draw.
    """
    lines = {
        name: [point for point in points if all(map(math.isfinite, point))]
        for name, points in curve.series.items()
    }
    if not any(lines.values()):
        return '<p class="quiet">nothing was recorded</p>'
    figure = Figure(figsize=(CHART_WIDTH_IN, CHART_HEIGHT_IN), layout="constrained")
    axes = figure.subplots()
    for number, (name, points) in enumerate(lines.items()):
        if points:
            color = PAGE_COLORS[f"series-{number % PAGE_SERIES}"]
            axes.plot(*zip(*points, strict=True), color=color, label=name, gid="series")
            axes.plot(*points[-1], ".", color=color, markersize=8)
    for name, value in curve.reference.items():
        label = f"{name} {value:.4g}"
        axes.axhline(value, color=PAGE_COLORS["quiet"], linestyle="--", label=label, gid="reference")
    axes.set_xlabel(curve.x_label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(color=PAGE_COLORS["rule"])
    axes.spines[:].set_visible(False)
    axes.grid(color=PAGE_COLORS["rule"])
    if len(lines) + len(curve.reference) > 1:
        figure.legend(loc="outside lower left", ncols=2, frameon=False, labelcolor=PAGE_COLORS["quiet"])
    for text in (axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_color(PAGE_COLORS["quiet"])
    return _inline_svg(figure, f"{curve.title}: {', '.join(lines)}")


def _inline_svg(figure: Figure, label: str) -> str:
    """A figure as an element of a page: text in the page's font, no identifiers that other charts repeat."""
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "s2hand"}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=no_metadata)
    text = re.sub(r'<g id="([a-z]+)[^"]*">', r'<g class="\1">', written.getvalue().partition("<svg")[2])
    text = re.sub(r"font-family: [^;]*; ", "", text)
    for name, color in PAGE_COLORS.items():
        text = text.replace(color, f"var(--{name})")
    opening = f'<svg role="img" aria-label="{escape(label, quote=True)}"'
    return opening + re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
