"""Charts as inline SVG in the page's colours: histograms, PCK curves, values on a drawn hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator

from s2hand.pages.joints import joint_names
from s2hand.skeleton import BONES, FINGERS, WRIST
from s2hand.visualize.charts import Curve, svg_chart

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 22, 40
BINS = 24
TICKS, WHOLE_TICKS = MaxNLocator(5), MaxNLocator(4, integer=True)

PCK_THRESHOLDS_MM = np.linspace(0, 50, 51)
"""FreiHAND's and HO-3D's range."""

HAND_WIDTH, HAND_HEIGHT = 300, 348
HAND_PLACES = (
    *((150, 318), (96, 272), (58, 228), (36, 190), (20, 152)),
    *((114, 186), (104, 128), (99, 86), (95, 50)),
    *((150, 178), (150, 116), (150, 71), (150, 32)),
    *((184, 188), (191, 132), (196, 92), (200, 57)),
    *((215, 208), (230, 166), (239, 134), (247, 102)),
)
"""Where the joints of the drawn hand are: a right hand, palm down, in FreiHAND order."""

DISC_RADIUS, FLESH_WIDTH = 13.5, 38
ERROR_SCALE = "YlOrRd"
"""The viewer's colours of errors."""


def chart(curve: Curve) -> str:
    """A line chart with its title."""
    # Matplotlib's own style sheet would reach every other drawing of the page.
    return _panel(curve.title, re.sub(r"<style.*?</style>", "", svg_chart(curve), flags=re.DOTALL))


def pck_chart(errors_mm: Mapping[str, np.ndarray]) -> str:
    """How many joints lie within a distance of the ground truth.

    Args:
        errors_mm: name of a line -> errors of joints, any shape.
    """
    series = {}
    for name, errors in errors_mm.items():
        ranked = np.sort(np.asarray(errors, dtype=float).ravel())
        share = 100 * np.searchsorted(ranked, PCK_THRESHOLDS_MM, side="right") / max(len(ranked), 1)
        series[name] = list(zip(PCK_THRESHOLDS_MM.tolist(), share.tolist(), strict=True))
    return chart(Curve("Joints within a distance of the ground truth (%)", series, "distance (mm)"))


def histogram(title: str, values: np.ndarray, label: str, note: str = "") -> str:
    """How often values occur, with the median marked.

    Args:
        title: what is counted.
        values: any shape; those that are not finite are left out.
        label: what the horizontal axis shows, with its unit.
        note: a line below.
    """
    values = np.asarray(values, dtype=float).ravel()
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    ticks = TICKS.tick_values(min(0.0, values.min()), values.max())
    counts, edges = np.histogram(values, BINS, (ticks[0], ticks[-1]))
    y_ticks = WHOLE_TICKS.tick_values(0, counts.max())
    top = y_ticks[-1]

    def x_of(value: float) -> float:
        return LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)

    def y_of(count: float) -> float:
        return HEIGHT - BOTTOM - count / top * (HEIGHT - TOP - BOTTOM)

    marks = []
    for tick in y_ticks:
        y = y_of(tick)
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks:
        marks.append(f'<text x="{x_of(tick):.1f}" y="{HEIGHT - 23}" text-anchor="middle">{tick:g}</text>')
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            x, y = x_of(left) + 0.75, y_of(count)
            width, height = x_of(right) - x_of(left) - 1.5, HEIGHT - BOTTOM - y
            marks.append(
                f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2">'
                f"<title>{left:.3g} to {right:.3g}: {count}</title></rect>"
            )
    median = float(np.median(values))
    x = x_of(median)
    anchor = "start" if x < WIDTH / 2 else "end"
    marks.append(f'<line class="reference" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}"/>')
    marks.append(
        f'<text class="strong" x="{x + (6 if anchor == "start" else -6):.1f}" y="{TOP - 4}" '
        f'text-anchor="{anchor}">median {median:.3g}</text>'
    )
    marks.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 5}" text-anchor="middle">{escape(label)}</text>')
    name = escape(f"{title}: {len(values)} values, median {median:.3g}", quote=True)
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(marks)}</svg>'
    return _panel(title, drawing, note)


def hand_map(
    title: str, values: Sequence[float], highest: float | None = None, scale: str = ERROR_SCALE
) -> str:
    """A number for each joint on a drawn hand.

    Args:
        title: what the numbers are, with their unit.
        values: 21 numbers in FreiHAND order; those that are not finite are drawn as a dash.
        highest: where the colours end, by default at the largest value.
        scale: Matplotlib's name of the colours.
    """
    values = np.asarray(values, dtype=float)
    largest = highest or max(float(np.nanmax(values, initial=0.0)), 1e-9)
    colors = matplotlib.colormaps[scale]
    marks = [_flesh()]
    marks += [
        '<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>'.format(*HAND_PLACES[a], *HAND_PLACES[b])
        for a, b in BONES
    ]
    for (x, y), value, name in zip(HAND_PLACES, values, joint_names(), strict=True):
        known = np.isfinite(value)
        red, green, blue, _ = colors(np.clip(value / largest, 0, 1) if known else 0.0, bytes=True)
        ink = "#101216" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#ffffff"
        text = (f"{value:.2f}" if highest == 1 else f"{value:.1f}") if known else "–"
        marks.append(
            f'<g><title>{name}: {text}</title><circle class="hand-joint" cx="{x}" cy="{y}" r="{DISC_RADIUS}" '
            f'fill="rgb({red},{green},{blue})"/><text x="{x}" y="{y + 3.6}" text-anchor="middle" '
            f'style="font-size:10px;font-weight:600;fill:{ink}">{text}</text></g>'
        )
    spoken = ", ".join(f"{name} {value:.3g}" for name, value in zip(joint_names(), values, strict=True))
    drawing = (
        f'<svg class="hand-map" viewBox="0 0 {HAND_WIDTH} {HAND_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}: {spoken}", quote=True)}">{"".join(marks)}</svg>'
    )
    return _panel(title, drawing)


def finger_bars(title: str, values: Sequence[float]) -> str:
    """The mean of the joints' values for each finger.

    Args:
        title: what they are, with their unit.
        values: 21 numbers in FreiHAND order.
    """
    values = np.asarray(values, dtype=float)
    means = {"wrist": values[WRIST]} | {name: values[list(chain)].mean() for name, chain in FINGERS.items()}
    longest = max(max(means.values()), 1e-9)
    rows = "".join(
        f'<li class="bar-row"><span>{name.capitalize()}</span>'
        f'<i style="width:{100 * value / longest:.1f}%"></i><b>{value:.1f}</b></li>'
        for name, value in means.items()
    )
    return _panel(title, f'<ul class="bars">{rows}</ul>')


def _flesh() -> str:
    """The hand's outline: thick fingers and a palm."""
    palm = [HAND_PLACES[joint] for joint in (WRIST, 1, 2, 5, 9, 13, 17)]
    outline = " ".join(f"{x},{y}" for x, y in palm)
    parts = [f'<polygon points="{outline}"/>']
    for chain in FINGERS.values():
        line = " ".join("{},{}".format(*HAND_PLACES[joint]) for joint in chain)
        parts.append(f'<polyline points="{line}" style="fill:none"/>')
    return (
        f'<g class="skin" stroke-width="{FLESH_WIDTH}" stroke-linecap="round" stroke-linejoin="round">'
        f"{''.join(parts)}</g>"
    )


def _panel(title: str, drawing: str, note: str = "") -> str:
    note = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f'<figure class="panel"><h3>{escape(title)}</h3>{drawing}{note}</figure>'
