import base64
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from s2hand.visualize import Curve, Figure, Table, turntable, viewer_mesh, write_gif, write_page
from s2hand.visualize.charts import svg_chart
from s2hand.visualize.embed import data_uri

VOID = {"meta", "img", "br", "link", "input"}


class Tags(HTMLParser):
    """Checks that tags are closed in order; keeps their attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(scene, tmp_path_factory):
    _, prediction, faces = scene
    picture = np.zeros((30, 1000, 3), np.uint8)
    path = write_page(
        tmp_path_factory.mktemp("page") / "deep" / "page.html",
        title="Hands <b>& more",
        lead="A lead.",
        table=Table(["", "PA-MPJPE mm"], [["trained", 9.2345], ["mean hand", None]], note="Lower is better."),
        hero=Figure(picture, "caption"),
        mesh=viewer_mesh(prediction, 1, faces, "Drag it."),
        sheets=[Figure(picture[:, :50], "small", "Random")],
        curves=[Curve("Loss", {"train": [(1, 2.0), (2, 1.0)], "validation": [(1, 3.0), (2, float("nan"))]})],
        settings={"epochs": 30, "<key>": "a & b"},
    )
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_loads_nothing(page):
    tags = Tags(page).found
    for tag, attributes in tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)|<link", page)
    assert "<b>& more" not in page
    assert "Hands &lt;b&gt;&amp; more" in page
    assert "&lt;key&gt;" in page


def test_the_page_shows_its_figures_and_pictures(page):
    assert "9.23" in page
    assert "–" in page
    images = [attributes for tag, attributes in Tags(page).found if tag == "img"]
    assert [image.get("width") for image in images] == ["1000", "640", "50"]
    assert all(image["alt"] for image in images)
    assert page.count('class="scroll wide"') == 1


def test_the_viewers_mesh_is_the_predicted_hand(scene, page):
    _, prediction, faces = scene
    content = json.loads(re.search(r'id="mesh">(.*?)</script>', page).group(1))
    vertices = np.array(content["vertices"]).reshape(-1, 3) / 1e4
    np.testing.assert_allclose(vertices, prediction.vertices[1].numpy(), atol=5.1e-5)
    np.testing.assert_array_equal(np.array(content["faces"]).reshape(-1, 3), faces.numpy())
    lit = prediction.face_textures[1].tanh() * (0.5 + 0.6 / 2)
    np.testing.assert_allclose(np.array(content["colors"]).reshape(-1, 3) / 255, lit.numpy(), atol=2.1e-3)


def test_a_bare_page_needs_only_a_title(tmp_path):
    text = write_page(tmp_path / "page.html", title="Only").read_text()
    Tags(text)
    assert "<script" not in text
    assert "<table" not in text


def test_pictures_survive_embedding():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    kind, content = data_uri(picture).split(",")
    assert kind == "data:image/webp;base64"
    restored = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))
    assert restored.shape == picture.shape
    assert np.abs(restored.astype(int) - picture).mean() < 12
    assert data_uri(np.zeros((4, 17000, 3), np.uint8)).startswith("data:image/png")


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


def test_turntable_frames_turn_whole_and_come_back_as_a_gif(scene, tmp_path):
    _, prediction, faces = scene
    frames = turntable(prediction.vertices[0], faces, frames=4, size=64)
    assert all((frame[[0, -1]] == 255).all() and (frame[:, [0, -1]] == 255).all() for frame in frames)
    widths = [np.ptp(np.nonzero((frame < 250).any(-1).any(0))[0]) for frame in frames]
    assert widths[0] > 1.5 * widths[1]
    assert abs(widths[0] - widths[2]) <= 1
    write_gif(tmp_path / "turn.gif", frames, fps=10)
    with Image.open(tmp_path / "turn.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (4, (64, 64), 100, 0)
        gif.seek(1)
        shown = np.asarray(gif.convert("RGB")).astype(int)
    assert np.abs(shown - frames[1]).mean() < 4
    with pytest.raises(ValueError, match="at least one frame"):
        write_gif(tmp_path / "none.gif", [])


def test_pictures_from_other_devices_and_graphs_are_taken(scene):
    _, prediction, faces = scene
    vertices = prediction.vertices[0].clone().requires_grad_()
    textures = torch.nn.Parameter(prediction.face_textures[0])
    frame = turntable(vertices, faces, frames=1, size=32, face_textures=textures, light=prediction.light[0])[
        0
    ]
    assert frame.shape == (32, 32, 3)
