"""The page of a dataset: what is in it, what was detected, what training sees, what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import ArrayLike

from s2hand.pages.charts import hand_map, histogram
from s2hand.pages.dataset_samples import DIALOG, KEPT, DatasetSample, sample_card, sample_template
from s2hand.pages.document import facts, provenance, section, unreadable_section, write_document
from s2hand.pages.listing import list_controls
from s2hand.pages.media import THUMBNAIL_PX, EmbeddedImage, embed

ORDER = (
    ("number", "In order"),
    ("confidence", "Least confident first"),
    ("confidence-", "Most confident first"),
    ("missed-", "Most joints missed first"),
)


@dataclass(frozen=True)
class DatasetPage:
    """Everything on the page; the statistics are of the whole dataset, the samples those that are shown.

    Attributes:
        title: headline, such as the dataset's name.
        samples: the hands to show, a few hundred at most.
        count: hands in the dataset, by default those shown.
        image_count: images in the dataset, by default those shown.
        left_out: reason -> number of hands left out for it, by default counted among those shown.
        mean_confidence: (N,) of each hand's detections, by default of those shown.
        joint_confidence: (21,) mean of each joint, by default of those shown.
        handless: (name, photo) of some of the photos in which no hand was found.
        handless_count: how many there are, by default those shown.
        unreadable: (name, reason) of images that could not be read.
        lead: a sentence below the headline.
        command: that wrote the page.
        settings: that decide what is left out and how images are prepared.
    """

    title: str
    samples: Sequence[DatasetSample]
    count: int | None = None
    image_count: int | None = None
    left_out: Mapping[str, int] | None = None
    mean_confidence: ArrayLike | None = None
    joint_confidence: ArrayLike | None = None
    handless: Sequence[tuple[str, np.ndarray | EmbeddedImage]] = ()
    handless_count: int | None = None
    unreadable: Sequence[tuple[str, str]] = ()
    lead: str = ""
    command: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)


def write_dataset_page(path: str | Path, page: DatasetPage) -> Path:
    """Writes the page as one file; 100 samples take about 5 MB.

    Args:
        path: the HTML file.
        page: its content.

    Returns:
        The path written.
    """
    samples = page.samples
    left_out = _left_out(page)
    count = len(samples) if page.count is None else page.count
    images = len({sample.name for sample in samples}) if page.image_count is None else page.image_count
    dropped = sum(left_out.values())
    figures = [
        (f"{images:,}", "images", ""),
        (f"{count:,}", "hands", ""),
        (f"{count - dropped:,}", "used", _share(count - dropped, count)),
        (f"{dropped:,}", "left out", _share(dropped, count)),
    ]
    shown = f"{len(samples):,} of {count:,} hands" if len(samples) < count else "All hands"
    templates = "".join(sample_template(number, sample) for number, sample in enumerate(samples))
    return write_document(
        path,
        title=page.title,
        kind="Dataset",
        lead=page.lead,
        sections=[
            facts(figures),
            section("What is left out, and why", _reasons(left_out, count)),
            section("Detections", _charts(page)),
            section(shown, _grid(samples)) if samples else "",
            _handless(page),
            unreadable_section(page.unreadable),
            provenance(page.command, settings=page.settings),
            templates + DIALOG,
        ],
    )


def _left_out(page: DatasetPage) -> dict[str, int]:
    counts = page.left_out
    if counts is None:
        counts = Counter(sample.left_out for sample in page.samples if sample.left_out)
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _reasons(left_out: Mapping[str, int], count: int) -> str:
    """A bar for each reason; pressing one shows its samples only."""
    if not left_out:
        return '<p class="note">Every hand is used.</p>'
    used = count - sum(left_out.values())
    largest = max(used, *left_out.values())
    rows = [(KEPT, "Used", used), *((reason, reason, number) for reason, number in left_out.items())]
    bars = "".join(
        f'<li class="{"kept" if value == KEPT else ""}"><button type="button" aria-pressed="false" '
        f'data-sets-filter="reason" data-of="hands" data-value="{escape(value, quote=True)}">'
        f"<span>{escape(label)}</span>"
        f'<span><i style="width:{100 * number / largest:.1f}%"></i></span><b>{number:,}</b></button></li>'
        for value, label, number in rows
    )
    return f'<ul class="bars">{bars}</ul>'


def _charts(page: DatasetPage) -> str:
    known = [np.asarray(s.confidence, float) for s in page.samples if s.confidence is not None]
    means, joints = page.mean_confidence, page.joint_confidence
    if known:
        means = [scores.mean() for scores in known] if means is None else means
        joints = np.mean(known, 0) if joints is None else joints
    panels = []
    if means is not None:
        panels.append(histogram("Hands by their mean confidence", np.asarray(means), "confidence"))
    if joints is not None:
        panels.append(hand_map("Mean confidence of each joint", joints, highest=1, scale="YlGn"))
    return f'<div class="charts">{"".join(panels)}</div>' if panels else ""


def _grid(samples: Sequence[DatasetSample]) -> str:
    reasons = list(dict.fromkeys(sample.left_out for sample in samples if sample.left_out))
    choices = [("", "Used and left out"), (KEPT, "Used"), *((reason, reason) for reason in reasons)]
    controls = list_controls(
        "hands",
        len(samples),
        "Search by name",
        ORDER,
        {"reason": choices},
        least=("confidence", "Confidence from"),
    )
    cards = "".join(sample_card(number, sample) for number, sample in enumerate(samples))
    return f'{controls}<ul class="cards" id="hands" data-list>{cards}</ul>'


def _handless(page: DatasetPage) -> str:
    """Photos in which no hand was found."""
    count = len(page.handless) if page.handless_count is None else page.handless_count
    if not count:
        return ""
    cards = "".join(
        f'<li><span class="thumb">{embed(image, THUMBNAIL_PX).html(name)}</span>'
        f'<span class="card-name" title="{escape(name, quote=True)}">'
        f"{escape(PurePath(name).name)}</span></li>"
        for name, image in page.handless
    )
    verb = "is" if len(page.handless) == 1 else "are"
    shown = f"{len(page.handless):,} of them {verb} shown. " if len(page.handless) < count else ""
    return section(
        "1 photo without a hand" if count == 1 else f"{count:,} photos without a hand",
        f'<ul class="cards">{cards}</ul>',
        note=f"{shown}The detector found no hand in them, or has not seen them.",
    )
