"""The demo's page: what a network learned without labels, beside baselines, with hands to look at in 3D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from s2hand.pages.charts import chart
from s2hand.pages.document import facts, provenance, section, write_document
from s2hand.pages.keypoints import keypoints_svg
from s2hand.pages.media import embed
from s2hand.pages.metrics_table import KINDS, headline_facts
from s2hand.pages.report_samples import ReportSample, sample_detail, sample_groups
from s2hand.pages.viewer import SceneScripts, viewer_html
from s2hand.visualize.charts import Curve

TILE_PX, TRAINING_PX = 320, 192

COLUMNS = ("pa_mpjpe", "mpjpe", "pa_mpvpe", "keypoints_px")
"""Metrics of the table of results."""


@dataclass(frozen=True)
class TrainingImage:
    """An image as training sees it.

    Attributes:
        image: (H, W, 3) uint8.
        keypoints: (21, 2) px of the image, detected.
        confidence: (21,) of the detections.
    """

    image: np.ndarray
    keypoints: ArrayLike | None = None
    confidence: ArrayLike | None = None


@dataclass(frozen=True)
class ComparedPhoto:
    """A real photo, and the hand that is found in it before and after training.

    Attributes:
        name: what it shows.
        image: (H, W, 3) uint8, as are the others.
        before: the photo with the untrained network's hand over it.
        after: the same with the trained network's.
    """

    name: str
    image: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Demonstration:
    """Everything on the page.

    Attributes:
        title: headline.
        lead: a sentence or two below it.
        metrics: name -> metrics, the trained network first.
        note: what the metrics were measured on.
        samples: all that the page shows.
        turned: for each of the first samples, shown as input, overlay and from the side: (S, S, 4) uint8.
        findings_note: how those were chosen.
        groups: title -> numbers of further samples.
        training: examples of what the network learned from.
        curves: the training's curves, one chart each.
        settings: names and values of the experiment.
        photos: real photos, of which training saw none.
    """

    title: str
    lead: str
    metrics: Mapping[str, Mapping[str, float]]
    note: str
    samples: Sequence[ReportSample]
    turned: Sequence[np.ndarray]
    findings_note: str
    groups: Mapping[str, Sequence[int]]
    training: Sequence[TrainingImage] = ()
    curves: Sequence[Curve] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    photos: Sequence[ComparedPhoto] = ()


def write_demonstration(path: str | Path, page: Demonstration) -> Path:
    """Writes the page as one file.

    Args:
        path: the HTML file.
        page: its content.

    Returns:
        The path written.
    """
    scenes = SceneScripts()
    for number, sample in enumerate(page.samples):
        scenes.add(f"sample-{number}", sample.scene)
    still = embed(page.samples[0].overlay)
    viewer = viewer_html(still, "an unseen image and its hand", "Distance to the ground truth, aligned")
    details = "".join(sample_detail(number, sample) for number, sample in enumerate(page.samples))
    charts = "".join(chart(curve) for curve in page.curves)
    return write_document(
        path,
        title=page.title,
        kind="Demo",
        lead=page.lead,
        sections=[
            facts(headline_facts(page.metrics)),
            section("Hands that it had never seen", _findings(page), note=page.findings_note),
            section("In three dimensions", viewer + sample_groups(page.groups, page.samples) + details),
            section(
                "Real photos, before and after training",
                _photos(page.photos),
                note="The bundled detector finds the hands and their keypoints. Training saw no photo.",
            ),
            section("Results", _results(page.metrics), note=page.note),
            section(
                "What it learned from",
                _training(page.training),
                note="Generated images, and the 2D keypoints that a simulated detector found in them.",
            ),
            section("Training", f'<div class="charts">{charts}</div>' if charts else ""),
            provenance("s2hand demo", settings=page.settings),
        ],
        scripts=scenes.html(),
    )


def _findings(page: Demonstration) -> str:
    """Input, overlay and another view of some samples; pressing them opens the viewer."""
    cards = []
    for number, turned in enumerate(page.turned):
        sample = page.samples[number]
        images = {
            "input": sample.scene.frames[0].image,
            "predicted hand over it": sample.overlay,
            "predicted hand from the side": turned,
        }
        tiles = "".join(
            embed(image, TILE_PX).html(f"{label}, image {number + 1}") for label, image in images.items()
        )
        first = " data-first" if number == 0 else ""
        error = "" if sample.aligned_error_mm is None else f"{sample.aligned_error_mm:.1f} mm, aligned"
        cards.append(
            f'<button type="button" class="card finding" data-open="sample-{number}"{first}>'
            f'<span class="finding-tiles">{tiles}</span><span class="quiet">{error}</span></button>'
        )
    return f'<div class="findings">{"".join(cards)}</div>'


def _photos(photos: Sequence[ComparedPhoto]) -> str:
    """Each photo, and both hands over it."""
    cards = []
    for photo in photos:
        images = {"photo": photo.image, "before training": photo.before, "after training": photo.after}
        tiles = "".join(
            f"<figure>{embed(image, TILE_PX).html(f'{photo.name}: {label}')}"
            f'<figcaption class="quiet">{label[0].upper() + label[1:]}</figcaption></figure>'
            for label, image in images.items()
        )
        cards.append(f'<div class="compared">{tiles}</div>')
    return f'<div class="findings">{"".join(cards)}</div>' if cards else ""


def _results(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each network or baseline."""
    head = "".join(f'<th scope="col">{KINDS[key].label} ({KINDS[key].unit})</th>' for key in COLUMNS)
    best = {
        key: min((metrics[key] for metrics in rows.values() if key in metrics), default=None)
        for key in COLUMNS
    }
    body = []
    for name, metrics in rows.items():
        cells = ""
        for key in COLUMNS:
            value = metrics.get(key)
            mark = " class=best" if value is not None and value == best[key] else ""
            cells += f"<td{mark}>{KINDS[key].shown(value)}</td>"
        body.append(f'<tr><th scope="row">{escape(name[0].upper() + name[1:])}</th>{cells}</tr>')
    return (
        f'<table class="results"><thead><tr><th><span class="hidden">Network</span></th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _training(images: Sequence[TrainingImage]) -> str:
    tiles = []
    for number, shown in enumerate(images, start=1):
        size = shown.image.shape[1], shown.image.shape[0]
        drawn = keypoints_svg(size, shown.keypoints, shown.confidence)
        image = embed(shown.image, TRAINING_PX).html(f"training image {number}")
        tiles.append(f'<li><span class="thumb">{image}{drawn}</span></li>')
    return f'<ul class="cards training">{"".join(tiles)}</ul>' if tiles else ""
