"""Line charts as inline SVG; their colours are CSS variables, so they follow the page's scheme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 14, 40
"""Size of a chart and its margins in SVG units, about pixels."""

TICKS = 4
STEPS = (1, 2, 2.5, 5, 10)
"""A tick distance is one of these times a power of ten."""

SERIES_COLORS = 4
"""The page's style defines --series-0 to --series-3."""


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
    series: Mapping[str, Sequence[tuple[float, float]]]
    x_label: str = "epoch"
    reference: Mapping[str, float] = field(default_factory=dict)


def svg_chart(curve: Curve) -> str:
    """Draws a chart.

    Returns:
        An ``<svg>`` element that scales to its container's width, or a note if there is nothing to draw.
    """
    lines = {
        name: [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in curve.series.items()
    }
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points] + list(curve.reference.values())
    if not xs:
        return '<p class="quiet">nothing was recorded</p>'
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs)), nice_ticks(min(ys), max(ys))
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    marks = _axes(curve, [x for x in x_ticks if x_low <= x <= x_high], y_ticks, place)
    for value in curve.reference.values():
        y = place(x_low, value)[1]
        marks.append(f'<line class="reference" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for number, points in enumerate(lines.values()):
        marks += _line([place(x, y) for x, y in points], number % SERIES_COLORS)
    label = escape(f"{curve.title}: {', '.join(lines)}", quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(marks)}</svg>'


def svg_legend(curve: Curve) -> str:
    """Names of a chart's lines and values of its references, as HTML; empty for a line on its own."""
    if len(curve.series) + len(curve.reference) < 2:
        return ""
    entries = [
        f'<span><i style="border-color:var(--series-{number % SERIES_COLORS})"></i>{escape(name)}</span>'
        for number, name in enumerate(curve.series)
    ]
    entries += [
        f'<span><i class="dashed"></i>{escape(name)} {value:.4g}</span>'
        for name, value in curve.reference.items()
    ]
    return f'<div class="legend">{"".join(entries)}</div>'


def nice_ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Round numbers that enclose a range, about ``count`` steps apart; at least two."""
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-12):
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _axes(curve: Curve, x_ticks, y_ticks, place) -> list[str]:
    """Grid lines and tick labels."""
    marks = []
    base = HEIGHT - BOTTOM
    for tick in y_ticks:
        y = place(0, tick)[1]
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        x = place(tick, y_ticks[0])[0]
        marks.append(f'<text x="{x:.1f}" y="{base + 17}" text-anchor="middle">{tick:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(curve.x_label)}</text>')
    return marks


def _line(points: list[tuple[float, float]], number: int) -> list[str]:
    """A polyline with a dot at its end."""
    if not points:
        return []
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    color = f"var(--series-{number})"
    x, y = points[-1]
    return [
        f'<polyline class="line" points="{path}" style="stroke:{color}"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" style="fill:{color}"/>',
    ]
