"""A hand of a dataset on its page: a card in the grid, and all that is known of it in a dialog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePath

import numpy as np
from numpy.typing import ArrayLike

from s2hand.pages.charts import hand_map
from s2hand.pages.keypoints import keypoints_svg, missed_joints
from s2hand.pages.media import EmbeddedImage, embed

IMAGE_PX, CROP_PX = 560, 224
KEPT = "used"
"""The filter's value for hands that are used."""

DIALOG = (
    '<dialog aria-label="Sample"><nav><button type="button" data-step="-1" aria-label="Previous">←</button>'
    '<button type="button" data-step="1" aria-label="Next">→</button>'
    '<button type="button" data-close aria-label="Close">✕</button></nav><div data-body tabindex="-1"></div>'
    "</dialog>"
)


@dataclass(frozen=True)
class Crop:
    """What the network sees of a hand.

    Attributes:
        image: (S, S, 3) uint8, or embedded at any resolution.
        side: S, px that the keypoints refer to.
        keypoints: (21, 2) px; (0, 0) where missed. None if there are none.
        confidence: (21,) of the keypoints.
    """

    image: np.ndarray | EmbeddedImage
    side: int
    keypoints: ArrayLike | None = None
    confidence: ArrayLike | None = None


@dataclass(frozen=True)
class DatasetSample:
    """A hand in an image.

    Attributes:
        name: the image's name.
        image: (H, W, 3) uint8 at any resolution, or embedded.
        size: (width, height) px that keypoints and box refer to.
        keypoints: (21, 2) px, detected or labelled; (0, 0) where missed. None if there are none.
        confidence: (21,) of the keypoints.
        box: left, top, right, bottom px, or None.
        hand: "right" or "left".
        left_out: why training does not use it, in a few words; empty if it does.
        crop: what the network sees without augmentation.
        augmented: the same as training may see it.
        remarks: (name, value) of further facts.
    """

    name: str
    image: np.ndarray | EmbeddedImage
    size: tuple[int, int]
    keypoints: ArrayLike | None = None
    confidence: ArrayLike | None = None
    box: ArrayLike | None = None
    hand: str = "right"
    left_out: str = ""
    crop: Crop | None = None
    augmented: Sequence[Crop] = ()
    remarks: Sequence[tuple[str, str]] = ()

    @property
    def mean_confidence(self) -> float | None:
        """The mean confidence of all keypoints; a missed one counts as 0."""
        return None if self.confidence is None else float(np.mean(self.confidence))

    @property
    def missed(self) -> int:
        """How many joints were not found; all without keypoints."""
        return 21 if self.keypoints is None else int(missed_joints(self.keypoints, self.confidence).sum())


def sample_card(number: int, sample: DatasetSample) -> str:
    """The sample in the grid, which opens its dialog."""
    mean = sample.mean_confidence
    told = "" if mean is None else f" · {mean:.2f}"
    image = embed(sample.image, IMAGE_PX).html(sample.name, id=f"image-{number}")
    badge = f'<span class="badge warn">{escape(sample.left_out)}</span>' if sample.left_out else ""
    return (
        f'<li data-item data-number="{number}" data-search="{escape(sample.name.lower(), quote=True)}" '
        f'data-reason="{escape(sample.left_out or KEPT, quote=True)}" data-missed="{sample.missed}" '
        f'data-confidence="{"" if mean is None else format(mean, ".4f")}">'
        f'<button type="button" class="card" data-dialog="sample-{number}" '
        f'title="{escape(sample.name, quote=True)}"><span class="thumb">{image}'
        f'{_drawn(sample)}{badge}</span><span class="card-name">{escape(PurePath(sample.name).name)}</span>'
        f'<span class="quiet">{sample.hand} hand{told}</span></button></li>'
    )


def sample_template(number: int, sample: DatasetSample) -> str:
    """What the dialog shows, inert until it is opened."""
    mean = sample.mean_confidence
    rows = [
        ("Hand", sample.hand),
        ("Training", f"left out: {sample.left_out}" if sample.left_out else KEPT),
        ("Image", f"{sample.size[0]:,} × {sample.size[1]:,} px"),
    ]
    rows += [] if mean is None else [("Mean confidence", f"{mean:.2f}")]
    rows += [("Joints missed", str(sample.missed)), *sample.remarks]
    terms = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    joints = ""
    if sample.confidence is not None:
        joints = hand_map("Confidence of each joint", sample.confidence, highest=1, scale="YlGn")
    width, height = sample.size
    return (
        f'<template id="sample-{number}"><h2>{escape(sample.name)}</h2><div class="sample"><div>'
        f'<div class="whole" style="aspect-ratio:{width}/{height}">'
        f'<img data-image-of="image-{number}" alt="{escape(sample.name, quote=True)}">{_drawn(sample)}</div>'
        f'<label class="quiet"><input type="checkbox" checked data-keypoints> Keypoints and box</label>'
        f'{_crops(sample)}</div><div><dl class="settings">{terms}</dl>{joints}</div></div></template>'
    )


def _drawn(sample: DatasetSample) -> str:
    return keypoints_svg(sample.size, sample.keypoints, sample.confidence, sample.box)


def _crops(sample: DatasetSample) -> str:
    """What the network sees."""
    crops = [] if sample.crop is None else [(sample.crop, "as it is")]
    crops += [(crop, "augmented") for crop in sample.augmented]
    figures = "".join(
        f'<figure><span class="thumb">{embed(crop.image, CROP_PX).html(f"crop, {label}")}'
        f"{keypoints_svg((crop.side, crop.side), crop.keypoints, crop.confidence)}</span>"
        f"<figcaption>{label}</figcaption></figure>"
        for crop, label in crops
    )
    return f'<h3>What the network sees</h3><div class="crops">{figures}</div>' if figures else ""
