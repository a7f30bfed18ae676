"""Figures of several runs over their epochs, as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from s2hand.files import written_whole
from s2hand.visualize.text import INK

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which remain apart for every kind of colour vision; without yellow, too pale."""

DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Runs differ in colour, marker and, beyond the seventh, dash."""

COLUMNS = 3
CHART_WIDTH_IN, CHART_HEIGHT_IN = 4.2, 2.6
LEGEND_ROW_IN = 0.23
LOG_RATIO = 30.0
"""Positive values that span more than this are drawn on a logarithmic axis."""

DPI = 110

Line = Sequence[tuple[float, float]]


def draw_runs(charts: Mapping[str, Mapping[str, Line]], path: Path) -> None:
    """Draws a chart a figure, with a line a run, and one legend for all.

    Args:
        charts: title -> run's name -> points (epoch, value); a run without points is left out of a chart.
        path: the picture to write; its folder is made if missing.
    """
    runs = list(dict.fromkeys(name for lines in charts.values() for name in lines))
    columns = min(COLUMNS, len(charts))
    rows = math.ceil(len(charts) / columns)
    legend_columns = max(1, min(len(runs), int(columns * CHART_WIDTH_IN / _legend_width_in(runs))))
    legend_in = LEGEND_ROW_IN * math.ceil(len(runs) / legend_columns) + 0.1
    size = (columns * CHART_WIDTH_IN, rows * CHART_HEIGHT_IN + legend_in)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - legend_in / size[1]))
    grid = figure.subplots(rows, columns, squeeze=False)
    handles = {}
    for axes, (title, lines) in zip(grid.flat, charts.items(), strict=False):
        _draw_chart(axes, title, lines, runs, handles)
    for axes in grid.flat[len(charts) :]:
        axes.remove()
    shown = [name for name in runs if name in handles]
    figure.legend(
        *([handles[name] for name in shown], shown),
        loc="upper left",
        ncols=legend_columns,
        frameon=False,
        fontsize=9,
    )
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=DPI, format="png")


def _legend_width_in(runs: Sequence[str]) -> float:
    """Width of a legend's entry: line, gaps, and about 0.08 inch a letter."""
    return 0.7 + 0.08 * max(len(name) for name in runs)


def _draw_chart(axes, title: str, lines: Mapping[str, Line], runs: Sequence[str], handles: dict) -> None:
    values = []
    for number, name in enumerate(runs):
        points = lines.get(name, ())
        if not points:
            continue
        epochs, heights = zip(*points, strict=True)
        values += heights
        (handles[name],) = axes.plot(
            *(epochs, heights),
            color=COLORS[number % len(COLORS)],
            linestyle=DASHES[number // len(COLORS) % len(DASHES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4 if len(points) <= 30 else 0,
            linewidth=1.6,
        )
    if min(values) > 0 and max(values) > LOG_RATIO * min(values):
        axes.set_yscale("log")
    axes.set_title(title, fontsize=10, color=[level / 255 for level in INK], loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
