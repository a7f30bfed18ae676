"""Charts of a page: every point in its place, every colour from the page."""

import re
from xml.etree import ElementTree

import numpy as np

from s2hand.visualize import Curve
from s2hand.visualize.charts import svg_chart


def points_of(root, name: str) -> np.ndarray:
    """The corners (N, 2) of a chart's lines of one kind, in SVG units."""
    space = "{http://www.w3.org/2000/svg}"
    paths = [
        group.find(f"{space}path").get("d") for group in root.iter(f"{space}g") if group.get("class") == name
    ]
    return np.array(
        [[float(value) for value in point] for point in re.findall(r"[ML] (\S+) (\S+)", "".join(paths))]
    )


def test_a_chart_places_its_points_and_skips_what_is_not_finite():
    curve = Curve(
        "error & more", {"a": [(0, 0.0), (5, 5.0), (10, 10.0), (11, float("inf"))]}, reference={"b": 5}
    )
    text = svg_chart(curve)
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == "error & more: a"
    points, dashed = points_of(root, "series"), points_of(root, "reference")
    assert len(points) == 3
    np.testing.assert_allclose(points[1], (points[0] + points[2]) / 2, atol=0.01)
    assert points[2, 1] < points[0, 1]
    np.testing.assert_allclose(dashed[:, 1], points[1, 1], atol=0.01)
    assert "b 5" in text
    assert "legend" not in svg_chart(Curve("alone", {"a": [(0, 1)]}))


def test_a_chart_takes_every_colour_from_the_page():
    text = svg_chart(
        Curve("a", {name: [(0, 1), (1, 2)] for name in "abcd"} | {"none": []}, reference={"b": 5})
    )
    colors = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", text))
    assert colors == {
        "none",
        "var(--quiet)",
        "var(--rule)",
        *(f"var(--series-{number})" for number in range(4)),
    }
    assert not re.search(r' (?:width|height)="', text.partition(">")[0])
    assert "font-family" not in text


def test_an_empty_chart_says_so():
    assert "nothing was recorded" in svg_chart(Curve("loss", {"a": [(1, float("nan"))]}))
