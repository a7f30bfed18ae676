"""The samples of a report: the best, the median, the worst, and all in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from s2hand.geometry.procrustes import similarity_align
from s2hand.pages.joints import joint_names
from s2hand.pages.listing import list_controls
from s2hand.pages.media import EmbeddedImage, embed
from s2hand.pages.scenes import HandShape, Scene, SceneFrame, SceneHand

THUMBNAIL_PX, CARD_PX = 112, 240
HIGHLIGHTS_EACH = 3
WORST_JOINTS = 3


@dataclass(frozen=True)
class ReportSample:
    """A sample with its prediction.

    Attributes:
        scene: for the viewer.
        error_mm: raw mean joint error, or None.
        aligned_error_mm: mean joint error after Procrustes alignment, or None.
        confidence: mean confidence of its detections, or None.
        worst_joints: (name, aligned error in mm) of those that are farthest off.
        still: image with the hand over it, for thumbnails; by default the scene's image.
    """

    scene: Scene
    error_mm: float | None = None
    aligned_error_mm: float | None = None
    confidence: float | None = None
    worst_joints: Sequence[tuple[str, float]] = ()
    still: np.ndarray | EmbeddedImage | None = None

    @property
    def overlay(self) -> np.ndarray | EmbeddedImage:
        """The still, or else the scene's image."""
        return self.scene.frames[0].image if self.still is None else self.still


def report_sample(
    name: str,
    image: np.ndarray | EmbeddedImage,
    size: tuple[int, int],
    K: np.ndarray,
    hand: SceneHand,
    shape: HandShape,
    still: np.ndarray | EmbeddedImage | None = None,
) -> ReportSample:
    """Scores one hand and prepares it for the report.

    Args:
        name: the sample's name.
        image: (H, W, 3) uint8.
        size: (width, height) px that K refers to.
        K: (3, 3) px.
        hand: its label, faces, colours and light.
        shape: prediction and ground truth, as far as they are known; errors are added here.
        still: image with the hand over it, for thumbnails.
    """
    error = aligned_error = None
    worst = []
    if shape.joints is not None and shape.gt_joints is not None:
        error = 1000 * float(_distances(shape.joints, shape.gt_joints).mean())
        distances = 1000 * _distances(_aligned(shape.joints, shape.gt_joints), shape.gt_joints)
        aligned_error = float(distances.mean())
        names = joint_names()
        worst = [(names[joint], float(distances[joint])) for joint in np.argsort(-distances)[:WORST_JOINTS]]
    errors = shape.vertex_errors_mm
    if errors is None and shape.vertices is not None and shape.gt_vertices is not None:
        errors = 1000 * _distances(_aligned(shape.vertices, shape.gt_vertices), shape.gt_vertices)
    complete = HandShape(
        shape.vertices, shape.joints, shape.confidence, shape.gt_vertices, shape.gt_joints, errors
    )
    confidence = None if shape.confidence is None else float(np.mean(shape.confidence))
    scene = Scene(name, size, K, [hand], [SceneFrame(image, [complete])])
    return ReportSample(scene, error, aligned_error, confidence, worst, still)


def highlights(samples: Sequence[ReportSample]) -> str:
    """A few of the best, median and worst samples as cards that open in the viewer."""
    scored = [number for number, sample in enumerate(samples) if sample.aligned_error_mm is not None]
    if len(scored) < 3 * HIGHLIGHTS_EACH:
        return ""
    ranked = sorted(scored, key=lambda number: samples[number].aligned_error_mm)
    middle = (len(ranked) - HIGHLIGHTS_EACH) // 2
    groups = {
        "Best": ranked[:HIGHLIGHTS_EACH],
        "Median": ranked[middle : middle + HIGHLIGHTS_EACH],
        "Worst": ranked[: -HIGHLIGHTS_EACH - 1 : -1],
    }
    return sample_groups(groups, samples, first=groups["Median"][0])


def sample_groups(
    groups: Mapping[str, Sequence[int]], samples: Sequence[ReportSample], first: int | None = None
) -> str:
    """Groups of samples as cards that open in the viewer.

    Args:
        groups: title -> numbers of samples.
        samples: all that the page shows.
        first: number of the one with which the page opens, if it is among them.
    """
    parts = []
    for title, numbers in groups.items():
        cards = "".join(_card(number, samples[number], number == first) for number in numbers)
        parts.append(f'<div><h3>{escape(title)}</h3><div class="trio">{cards}</div></div>')
    return f'<div class="highlights">{"".join(parts)}</div>'


def samples_table(samples: Sequence[ReportSample]) -> str:
    """All samples in a table to search and sort."""
    columns = (
        ("number", "Sample", ""),
        ("aligned", "Aligned error (mm)", ""),
        ("raw", "Raw error (mm)", ""),
        ("confidence", "Confidence", "wide"),
    )
    head = "".join(
        f'<th scope="col" class="{name}"><button type="button" data-key="{key}">{label}</button></th>'
        for key, label, name in columns
    )
    rows = "".join(_row(number, sample) for number, sample in enumerate(samples))
    return (
        list_controls("samples", len(samples), "Search samples")
        + f'<div class="long" tabindex="0" role="group" aria-label="Samples"><table class="samples" '
        f'data-sorts="samples"><thead><tr>{head}</tr></thead>'
        f'<tbody id="samples" data-list>{rows}</tbody></table></div>'
    )


def _card(number: int, sample: ReportSample, opened: bool) -> str:
    name = sample.scene.name
    image = embed(sample.overlay, CARD_PX).html(name)
    first = " data-first" if opened else ""
    return (
        f'<button type="button" class="card" data-open="sample-{number}"{first}>'
        f'<span class="thumb">{image}</span>'
        f'<span class="quiet">{_shown(sample.aligned_error_mm, 1, " mm")}</span></button>'
    )


def _row(number: int, sample: ReportSample) -> str:
    name, identifier = sample.scene.name, f"sample-{number}"
    image = embed(sample.overlay, THUMBNAIL_PX, 74).html("", data_still=identifier)
    values = {
        "aligned": sample.aligned_error_mm,
        "raw": sample.error_mm,
        "confidence": sample.confidence,
    }
    data = "".join(
        f' data-{key}="{"" if value is None else format(value, ".4f")}"' for key, value in values.items()
    )
    return (
        f'<tr data-item data-number="{number}" data-search="{escape(name.lower(), quote=True)}"{data}>'
        f'<td><button type="button" class="row-open" data-open="{identifier}">{image}'
        f"<span>{escape(name)}</span></button>{sample_detail(number, sample)}</td>"
        f"<td>{_shown(sample.aligned_error_mm, 1)}</td><td>{_shown(sample.error_mm, 1)}</td>"
        f'<td class="wide">{_shown(sample.confidence, 2)}</td></tr>'
    )


def sample_detail(number: int, sample: ReportSample) -> str:
    """What the panel beside the viewer says of a sample, out of sight until it is opened."""
    rows = [
        ("Aligned error", _shown(sample.aligned_error_mm, 1, " mm")),
        ("Raw error", _shown(sample.error_mm, 1, " mm")),
        ("Mean confidence", _shown(sample.confidence, 2)),
        ("Hand", ", ".join(hand.label for hand in sample.scene.hands)),
    ]
    terms = "".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in rows)
    worst = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{error:.1f} mm</dd></div>" for name, error in sample.worst_joints
    )
    if worst:
        worst = f'<h4>Farthest off, aligned</h4><dl class="settings">{worst}</dl>'
    told = f'<h3>{escape(sample.scene.name)}</h3><dl class="settings">{terms}</dl>{worst}'
    return f'<div class="card-detail" data-detail-of="sample-{number}">{told}</div>'


def _shown(value: float | None, decimals: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{decimals}f}{unit}"


def _distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.asarray(points, float) - np.asarray(others, float), axis=-1)


def _aligned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    return similarity_align(np.asarray(points)[None], np.asarray(target)[None])[0]
