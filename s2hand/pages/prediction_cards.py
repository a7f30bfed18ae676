"""A photo or video on the page of predictions: its card in the gallery, and what the panel says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

import numpy as np

from s2hand.pages.media import THUMBNAIL_PX, EmbeddedImage, embed
from s2hand.pages.scenes import Scene

LOW_CONFIDENCE = 0.5
"""Hands below are marked."""

CAMERA_SOURCES = {
    "given": "given by you",
    "EXIF": "read from the photo’s EXIF data",
    "default": "assumed, as the file states none",
    "detections file": "given in the detections file",
}
"""What a focal length's source is called on the page; others are shown as they are."""

CROPS = {
    "box": "cropped about its box",
    "keypoints": "cropped around its keypoints",
    "whole picture": "from the whole photo",
}
"""What the network was shown, as the page says it; others are shown as they are."""


SAVED = {"obj": ".obj", "csv": "joints as .csv"}
"""Files that the page makes itself, of what it shows."""


@dataclass(frozen=True)
class PredictedHand:
    """What the page says of one hand.

    Attributes:
        label: the same as in the scene, such as "Right hand".
        confidence: the detection's confidence in [0, 1], or None.
        looked_at: what the network was shown, such as "box".
        refined: whether it was fitted to keypoints.
        seen: in which frames of a video it is seen, such as "in 40 of 60 frames".
        warnings: sentences for the user.
        downloads: what a file is, such as ".glb", to its path relative to the page.
    """

    label: str
    confidence: float | None = None
    looked_at: str = ""
    refined: bool = False
    seen: str = ""
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
        length: number of frames of a video, by default of those in the scene.
    """

    scene: Scene
    still: np.ndarray | EmbeddedImage
    hands: Sequence[PredictedHand] = ()
    camera_source: str = ""
    warnings: Sequence[str] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 hand" or "2,000 hands"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def prediction_card(number: int, item: PredictedItem, first: bool = False) -> str:
    """An entry of the gallery, with the details that the panel beside the viewer shows.

    Args:
        number: counted from 0.
        item: what it shows.
        first: whether the page opens with it.
    """
    name, identifier = item.scene.name, f"item-{number}"
    confidences = [hand.confidence for hand in item.hands if hand.confidence is not None]
    lowest = min(confidences, default=1.0)
    doubtful = any(hand.warnings for hand in item.hands) or lowest < LOW_CONFIDENCE
    warned = not item.hands or bool(item.warnings) or doubtful
    alt = f"{name} with {counted(len(item.hands), 'predicted hand')}"
    image = embed(item.still, THUMBNAIL_PX).html(alt, data_still=identifier)
    if len(item.scene.frames) > 1:
        image += '<span class="badge">video</span>'
    if warned:
        image += '<span class="badge warn" title="with warnings">!</span>'
    opened = " data-first" if first else ""
    hands = ", ".join(hand.label.lower() for hand in item.hands) or "no hand found"
    return (
        f'<li data-item data-number="{number}" data-search="{escape(name.lower(), quote=True)}" '
        f'data-confidence="{lowest:.4f}" data-hands="{len(item.hands)}" '
        f'data-warning="{"yes" if warned else "no"}">'
        f'<button type="button" class="card" data-open="{identifier}"{opened}>'
        f'<span class="thumb">{image}</span>'
        f'<span class="card-name">{escape(name)}</span><span class="quiet">{escape(hands)}</span></button>'
        f'<div class="card-detail" data-detail-of="{identifier}">{_detail(identifier, item)}</div></li>'
    )


def _detail(identifier: str, item: PredictedItem) -> str:
    scene = item.scene
    K = np.asarray(scene.K, dtype=float)
    width, height = scene.size
    field_of_view = math.degrees(2 * math.atan(max(width, height) / (2 * K[0, 0])))
    rows = [("Size", f"{width:,} × {height:,} px")]
    if len(scene.frames) > 1:
        shown, length = len(scene.frames), item.length or len(scene.frames)
        seconds = "" if scene.fps is None else f", {shown / scene.fps:.1f} s"
        rows.append(("Length", counted(length, "frame") + seconds))
        if shown < length:
            rows.append(("Shown here", f"every {round(length / shown)}th frame"))
    rows += [("Focal length", f"{K[0, 0]:,.0f} px"), ("Field of view", f"{field_of_view:.0f}°")]
    if item.camera_source:
        rows.append(("Camera", CAMERA_SOURCES.get(item.camera_source, item.camera_source)))
    hands = "".join(_hand(hand, identifier, number) for number, hand in enumerate(item.hands))
    hands = hands or '<p class="quiet">No hand was found here.</p>'
    terms = "".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in rows)
    return (
        f"<h3>{escape(scene.name)}</h3>{_warnings(item.warnings)}{hands}"
        f'<dl class="settings">{terms}</dl>'
        + _downloads(item.downloads, scene.name, _saves(identifier, "csv") if item.hands else "")
    )


def _hand(hand: PredictedHand, identifier: str, number: int) -> str:
    meter = ""
    if hand.confidence is not None:
        kind = " low" if hand.confidence < LOW_CONFIDENCE else ""
        meter = (
            f'<span class="meter{kind}" role="img" aria-label="confidence {hand.confidence:.2f}">'
            f'<i style="width:{100 * hand.confidence:.0f}%"></i></span>'
            f'<span class="figure">{hand.confidence:.2f}</span>'
        )
    fitted = "fitted to its keypoints" if hand.refined else ""
    remarks = [hand.seen, CROPS.get(hand.looked_at, hand.looked_at), fitted]
    remark = ", ".join(remark for remark in remarks if remark)
    made = "" if ".obj" in hand.downloads else _saves(identifier, "obj", number)
    return (
        f'<div class="hand"><div class="hand-head"><b>{escape(hand.label)}</b>{meter}</div>'
        + (f'<p class="quiet">{escape(remark)}</p>' if remark else "")
        + f"{_warnings(hand.warnings)}{_downloads(hand.downloads, hand.label, made)}</div>"
    )


def _warnings(sentences: Sequence[str]) -> str:
    return "".join(f'<p class="warning" role="note">{escape(sentence)}</p>' for sentence in sentences)


def _downloads(downloads: Mapping[str, str], what: str, made: str = "") -> str:
    """Links to files beside the page, and buttons for those that it makes itself."""
    links = "".join(
        f'<a href="{_relative(path)}" download aria-label="{escape(f"{what}: {kind}", quote=True)}">'
        f"{escape(kind)}</a>"
        for kind, path in downloads.items()
    )
    return f'<p class="downloads">{links}{made}</p>' if links or made else ""


def _saves(identifier: str, kind: str, hand: int = 0) -> str:
    """A button with which the viewer saves a file of a scene: a hand's mesh, or all joints."""
    attributes = f'data-save="{kind}" data-of="{identifier}" data-hand="{hand}"'
    return f'<button type="button" {attributes}>{SAVED[kind]}</button>'


def _relative(path: str) -> str:
    """A path as a link; a colon in it is quoted, else what is before it would be the scheme of an address.

    Raises:
        ValueError: it is absolute or leads upwards, so it would leave the page's folder.
    """
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise ValueError(f"download: expected a path relative to the page and below it, got {path!r}")
    return escape("/".join(quote(part) for part in parts), quote=True)
