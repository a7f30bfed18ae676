"""The page of predictions: every photo or video with its hands, in 3D, with numbers and files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s2hand.pages.document import provenance, section, unreadable_section, write_document
from s2hand.pages.listing import list_controls
from s2hand.pages.media import embed
from s2hand.pages.prediction_cards import PredictedItem, counted, prediction_card
from s2hand.pages.viewer import SceneScripts, viewer_html

PHOTO_SIZES = ((50, 1280), (150, 800), (math.inf, 480))
"""Up to how many photos are embedded at which longest side in pixels: the more there are, the smaller."""

LARGEST_ITEMS = 500

ORDER = (("number", "In order"), ("confidence", "Least confident first"), ("hands-", "Most hands first"))


@dataclass(frozen=True)
class PredictionPage:
    """Everything on the page.

    Attributes:
        items: the photos and videos.
        title: headline.
        unreadable: (name, reason) of files that could not be read.
        command: the command that wrote it.
        versions: names and versions of what made the predictions.
        settings: what was asked for.
    """

    items: Sequence[PredictedItem]
    title: str = "Predicted hands"
    unreadable: Sequence[tuple[str, str]] = ()
    command: str = ""
    versions: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


def write_prediction_page(path: str | Path, page: PredictionPage) -> Path:
    """Writes the page; photos are embedded in it, downloads are links to files beside it.

    Args:
        path: the HTML file, such as OUT/index.html.
        page: its content.

    Returns:
        The path written.

    Raises:
        ValueError: a download's path is not relative, or a scene holds numbers that are not finite.
    """
    scenes = SceneScripts()
    cards = []
    photo_px = _photo_px(len(page.items))
    items = page.items[:LARGEST_ITEMS]
    first = next((number for number, item in enumerate(items) if item.hands), 0)
    for number, item in enumerate(items):
        scenes.add(f"item-{number}", item.scene, photo_px)
        cards.append(prediction_card(number, item, number == first))
    still = embed(items[first].still) if items else None
    return write_document(
        path,
        title=page.title,
        kind="Predictions",
        lead=_summary(page),
        sections=[
            viewer_html(still, f"{items[first].scene.name} with its predicted hands") if page.items else "",
            _gallery(cards, len(page.items)),
            unreadable_section(page.unreadable),
            provenance(page.command, page.versions, page.settings),
        ],
        scripts=scenes.html(),
    )


def _summary(page: PredictionPage) -> str:
    videos = sum(len(item.scene.frames) > 1 for item in page.items)
    photos = len(page.items) - videos
    hands = sum(len(item.hands) for item in page.items)
    places = [counted(count, noun) for count, noun in ((photos, "photo"), (videos, "video")) if count]
    return (
        f"{counted(hands, 'hand')} in {' and '.join(places)}." if places else "There was nothing to predict."
    )


def _photo_px(count: int) -> int:
    """The longest side of photos on a page of so many."""
    return next(px for largest, px in PHOTO_SIZES if count <= largest)


def _gallery(cards: Sequence[str], count: int) -> str:
    if not cards:
        return ""
    controls = ""
    if len(cards) > 1:
        filters = {"warning": (("", "All"), ("yes", "With warnings"))}
        controls = list_controls("gallery", len(cards), "Search by name", ORDER, filters)
    content = f'{controls}<ul class="cards" id="gallery" data-list>{"".join(cards)}</ul>'
    title, note = "All photos and videos" if count > 1 else "Result", ""
    if len(cards) < count:
        title = f"The first {len(cards):,} of {count:,} photos and videos"
        note = "The files of the others lie beside this page too."
    return section(title, content, note=note)
