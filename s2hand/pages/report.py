"""The report of an evaluation: metrics beside baselines, where the errors are, and the samples in 3D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from s2hand.pages.charts import chart, finger_bars, hand_map, histogram, pck_chart
from s2hand.pages.document import facts, provenance, section, write_document
from s2hand.pages.media import embed
from s2hand.pages.metrics_table import headline_facts, metrics_table
from s2hand.pages.report_samples import ReportSample, highlights, samples_table
from s2hand.pages.viewer import SceneScripts, viewer_html
from s2hand.visualize.charts import Curve


@dataclass(frozen=True)
class Report:
    """Everything in the report; what is not known is left out of the page.

    Attributes:
        title: headline, such as the run's name.
        dataset: what was evaluated on.
        count: how many samples that were.
        metrics: name -> metrics (keys of :func:`s2hand.metrics.hand_metrics`, ``keypoints_px``,
            ``detector_px``), the evaluated network first, then baselines.
        joint_errors_mm: (N, 21) raw distances of all samples' joints to the ground truth.
        aligned_joint_errors_mm: (N, 21) likewise after Procrustes alignment.
        samples: those to be looked at, about 100, such as :func:`spread_samples` chooses.
        curves: the training's curves, one chart each.
        lead: a sentence below the headline; by default it says what was evaluated on.
        command: the command that evaluated.
        versions: names and versions of what was evaluated.
        config: keys and values of the run.
    """

    title: str
    dataset: str
    count: int
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    joint_errors_mm: np.ndarray | None = None
    aligned_joint_errors_mm: np.ndarray | None = None
    samples: Sequence[ReportSample] = ()
    curves: Sequence[Curve] = ()
    lead: str = ""
    command: str = ""
    versions: Mapping[str, object] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)


def write_report(path: str | Path, report: Report) -> Path:
    """Writes the report as one file; 100 samples of 224 pixels take about 3 MB.

    Args:
        path: the HTML file.
        report: its content.

    Returns:
        The path written.

    Raises:
        ValueError: a scene holds numbers that are not finite.
    """
    scenes = SceneScripts()
    for number, sample in enumerate(report.samples):
        scenes.add(f"sample-{number}", sample.scene)
    lead = report.lead or f"Evaluated on {report.count:,} samples of {report.dataset}."
    headline = headline_facts(report.metrics) if report.metrics else []
    return write_document(
        path,
        title=report.title,
        kind="Evaluation",
        lead=lead,
        sections=[
            facts(headline),
            _samples(report),
            section(
                "Metrics",
                metrics_table(report.metrics),
                note="The best value of each metric is bold. PA: after Procrustes alignment, which takes "
                "away rotation, translation and scale. ST: after alignment of scale and translation alone. "
                "The mean hand is put at the mean place of the true hands in every image.",
            ),
            section("Where the errors are", _error_charts(report)),
            section("Training", _grid([chart(curve) for curve in report.curves])),
            _table(report),
            provenance(report.command, report.versions, report.config),
        ],
        scripts=scenes.html(),
    )


def spread_samples(errors_mm: np.ndarray, count: int) -> np.ndarray:
    """Samples spread evenly from the best to the worst one, so that a report of a few is fair to all.

    Args:
        errors_mm: (N,) of all samples.
        count: how many to choose.

    Returns:
        (min(count, N),) numbers of samples, the best first; without repetition.
    """
    ranked = np.argsort(errors_mm, kind="stable")
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
    return ranked[places.round().astype(int)]


def _samples(report: Report) -> str:
    """The viewer, the telling samples, and the table of all that are in the report."""
    samples = report.samples
    if not samples:
        return ""
    still = embed(samples[0].overlay)
    content = viewer_html(still, "a sample with its prediction", "Distance to the ground truth, aligned")
    return section("Samples", content + highlights(samples))


def _table(report: Report) -> str:
    samples = report.samples
    shown = f"{len(samples):,} of {report.count:,} samples" if len(samples) < report.count else "All samples"
    return section(shown, samples_table(samples)) if samples else ""


def _error_charts(report: Report) -> str:
    kinds = {"aligned": report.aligned_joint_errors_mm, "raw": report.joint_errors_mm}
    known = {name: np.asarray(errors, float) for name, errors in kinds.items() if errors is not None}
    if not known:
        return ""
    panels = [
        hand_map(f"Mean error of each joint, {name} (mm)", errors.mean(0)) for name, errors in known.items()
    ]
    name, errors = next(iter(known.items()))
    panels += [finger_bars(f"Mean error of each finger, {name} (mm)", errors.mean(0)), pck_chart(known)]
    panels += [
        histogram(f"Samples by their mean error, {name}", errors.mean(1), "error (mm)")
        for name, errors in known.items()
    ]
    return _grid(panels)


def _grid(panels: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(panels)}</div>' if any(panels) else ""
