"""The page of predictions: every photo or video with its hands, in 3D, with numbers and files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from s2hand.pages.document import provenance, section, write_document
from s2hand.pages.listing import list_controls
from s2hand.pages.media import THUMBNAIL_PX, EmbeddedImage, embed
from s2hand.pages.scenes import Scene
from s2hand.pages.viewer import SceneScripts, viewer_html

PHOTO_SIZES = ((50, 1280), (150, 800), (math.inf, 480))
"""Up to how many photos are embedded at which longest side in pixels: a page stays below about 25 MB."""

LARGEST_ITEMS = 500

LOW_CONFIDENCE = 0.5
"""Hands below are marked."""

CAMERA_SOURCES = {
    "given": "given by you",
    "EXIF": "read from the photo’s EXIF data",
    "default": "assumed, since the photo does not tell",
    "detections file": "given in the detections file",
}
"""What a focal length's source is called on the page; others are shown as they are."""

CROPS = {
    "box": "cropped about its box",
    "keypoints": "cropped about its keypoints",
    "whole picture": "from the whole photo",
}
"""What the network was shown, as the page says it; others are shown as they are."""

ORDER = (("number", "In order"), ("confidence", "Least confident first"), ("hands-", "Most hands first"))


@dataclass(frozen=True)
class PredictedHand:
    """What the page says of one hand.

    Attributes:
        label: the same as in the scene, such as "Right hand".
        confidence: of its detection in [0, 1], or None.
        looked_at: what the network was shown, such as "box".
        refined: whether it was fitted to keypoints.
        warnings: sentences for the user.
        downloads: what a file is, such as ".glb", to its path relative to the page.
    """

    label: str
    confidence: float | None = None
    looked_at: str = ""
    refined: bool = False
    warnings: Sequence[str] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictedItem:
    """A photo or video with its hands.

    Attributes:
        scene: for the viewer; its hands are those below in the same order.
        still: the photo with the hands over it, (H, W, 3) uint8 or embedded.
        hands: what the page says of each.
        camera_source: where the focal length comes from, such as "EXIF".
        warnings: sentences about the whole photo.
        downloads: as of a hand, for files of the whole photo.
    """

    scene: Scene
    still: np.ndarray | EmbeddedImage
    hands: Sequence[PredictedHand] = ()
    camera_source: str = ""
    warnings: Sequence[str] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictionPage:
    """Everything on the page.

    Attributes:
        items: the photos and videos.
        title: headline.
        unreadable: (name, reason) of files that could not be read.
        command: that wrote it.
        versions: of what made the predictions.
        settings: that were asked for.
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
    for number, item in enumerate(page.items[:LARGEST_ITEMS]):
        scenes.add(f"item-{number}", item.scene, photo_px)
        cards.append(_card(number, item))
    still = embed(page.items[0].still) if page.items else None
    return write_document(
        path,
        title=page.title,
        kind="Predictions",
        lead=_summary(page),
        sections=[
            viewer_html(still, "the first photo with its predicted hands") if page.items else "",
            _gallery(cards, len(page.items)),
            _unreadable(page.unreadable),
            provenance(page.command, page.versions, page.settings),
        ],
        scripts=scenes.html(),
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 hand" or "2,000 hands"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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


def _card(number: int, item: PredictedItem) -> str:
    """An entry of the gallery, with the details that the panel beside the viewer shows."""
    name, identifier = item.scene.name, f"item-{number}"
    confidences = [hand.confidence for hand in item.hands if hand.confidence is not None]
    lowest = min(confidences, default=1.0)
    warned = bool(item.warnings) or any(hand.warnings for hand in item.hands) or lowest < LOW_CONFIDENCE
    alt = f"{name} with {counted(len(item.hands), 'predicted hand')}"
    image = embed(item.still, THUMBNAIL_PX).html(alt, data_still=identifier)
    if len(item.scene.frames) > 1:
        image += '<span class="badge">video</span>'
    if warned:
        image += '<span class="badge warn" title="with warnings">!</span>'
    hands = ", ".join(hand.label.lower() for hand in item.hands) or "no hand found"
    return (
        f'<li data-item data-number="{number}" data-search="{escape(name.lower(), quote=True)}" '
        f'data-confidence="{lowest:.4f}" data-hands="{len(item.hands)}" '
        f'data-warning="{"yes" if warned else "no"}">'
        f'<button type="button" class="card" data-open="{identifier}"><span class="thumb">{image}</span>'
        f'<span class="card-name">{escape(name)}</span><span class="quiet">{escape(hands)}</span></button>'
        f'<div class="card-detail" data-detail-of="{identifier}">{_detail(item)}</div></li>'
    )


def _detail(item: PredictedItem) -> str:
    scene = item.scene
    K = np.asarray(scene.K, dtype=float)
    width, height = scene.size
    field_of_view = math.degrees(2 * math.atan(max(width, height) / (2 * K[0, 0])))
    rows = [("Size", f"{width:,} × {height:,} px")]
    if len(scene.frames) > 1:
        rows.append(("Length", counted(len(scene.frames), "frame")))
    rows += [("Focal length", f"{K[0, 0]:,.0f} px"), ("Field of view", f"{field_of_view:.0f}°")]
    if item.camera_source:
        rows.append(("Camera", CAMERA_SOURCES.get(item.camera_source, item.camera_source)))
    hands = "".join(_hand(hand) for hand in item.hands) or '<p class="quiet">No hand was found here.</p>'
    terms = "".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in rows)
    return (
        f"<h3>{escape(scene.name)}</h3>{_warnings(item.warnings)}{hands}"
        f'<dl class="settings">{terms}</dl>{_downloads(item.downloads, "The whole photo")}'
    )


def _hand(hand: PredictedHand) -> str:
    meter = ""
    if hand.confidence is not None:
        kind = " low" if hand.confidence < LOW_CONFIDENCE else ""
        meter = (
            f'<span class="meter{kind}" role="img" aria-label="confidence {hand.confidence:.2f}">'
            f'<i style="width:{100 * hand.confidence:.0f}%"></i></span>'
            f'<span class="figure">{hand.confidence:.2f}</span>'
        )
    remarks = [CROPS.get(hand.looked_at, hand.looked_at), "fitted to its keypoints" if hand.refined else ""]
    remark = ", ".join(remark for remark in remarks if remark)
    return (
        f'<div class="hand"><div class="hand-head"><b>{escape(hand.label)}</b>{meter}</div>'
        + (f'<p class="quiet">{escape(remark)}</p>' if remark else "")
        + f"{_warnings(hand.warnings)}{_downloads(hand.downloads, hand.label)}</div>"
    )


def _warnings(sentences: Sequence[str]) -> str:
    return "".join(f'<p class="warning" role="note">{escape(sentence)}</p>' for sentence in sentences)


def _downloads(downloads: Mapping[str, str], what: str) -> str:
    """Links to files beside the page."""
    links = "".join(
        f'<a href="{_relative(path)}" download aria-label="{escape(f"{what}: {kind}", quote=True)}">'
        f"{escape(kind)}</a>"
        for kind, path in downloads.items()
    )
    return f'<p class="downloads">{links}</p>' if links else ""


def _relative(path: str) -> str:
    """A path as a link.

    Raises:
        ValueError: it is absolute, leads upwards or has a scheme, so it would leave the page's folder.
    """
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or ".." in parts or re.match(r"[a-zA-Z][\w+.-]*:", path):
        raise ValueError(f"download: expected a path relative to the page and below it, got {path!r}")
    return escape("/".join(quote(part) for part in parts), quote=True)


def _unreadable(entries: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<li><b>{escape(name)}</b> {escape(reason)}</li>" for name, reason in entries)
    return section("Could not be read", f'<ul class="plain">{rows}</ul>' if rows else "")
