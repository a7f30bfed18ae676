"""The page of everything that was predicted: index.html beside the results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.pages import (
    EmbeddedImage,
    PredictedHand,
    PredictedItem,
    PredictionPage,
    embed,
    photo_scene,
    write_prediction_page,
)
from s2hand.pages.hands import hand_labels
from s2hand.pages.predictions import LARGEST_ITEMS, PHOTO_SIZES
from s2hand.prediction.options import ENDINGS, PredictOptions
from s2hand.prediction.reconstruction import Reconstruction

PAGE_FILE = "index.html"


@dataclass
class ResultPage:
    """Gathers photos as they are predicted, shrunk at once, so that few are in memory.

    Attributes:
        photos: how many there will be, which decides their size on the page.
        items: those that were added.
    """

    photos: int
    items: list[PredictedItem] = field(default_factory=list)

    def add(self, entry: dict[str, Any], pixels: np.ndarray, hands: Reconstruction | None) -> None:
        """Adds a photo; beyond the number that a page holds, photos are in index.json alone.

        Args:
            entry: the photo's entry in the index.
            pixels: (H, W, 3) uint8.
            hands: the hands in it, or None.
        """
        if len(self.items) >= LARGEST_ITEMS:
            return
        image = self._embedded(pixels)
        size = entry["width"], entry["height"]
        exported = [] if hands is None else list(hands)
        confidence = [] if hands is None else [values.numpy() for values in hands.confidence]
        K = np.array([[max(size), 0, size[0] / 2], [0, max(size), size[1] / 2], [0, 0, 1.0]])
        scene = photo_scene(entry["name"], image, exported, size, K, confidence)
        told = [
            PredictedHand(
                label,
                confidence=float(scores.mean()) if scores.any() else None,
                looked_at=hand.looked_at,
                refined=hand.refined,
                warnings=[f"{doubt[0].upper()}{doubt[1:]}." for doubt in stated.get("doubts", ())],
                downloads={f".{ENDINGS[kind]}": path for kind, path in stated["files"].items()},
            )
            for label, hand, scores, stated in zip(
                hand_labels(exported), exported, confidence, entry["hands"], strict=True
            )
        ]
        self.items.append(
            PredictedItem(
                scene,
                image,
                told,
                camera_source=exported[0].focal_source if exported else "",
                warnings=[] if exported else ["No hand was found."],
                downloads={kind: entry[kind] for kind in ("overlay", "mask") if kind in entry},
            )
        )

    def write(
        self, out: Path, versions: dict[str, str], options: PredictOptions, unreadable: list[str]
    ) -> Path | None:
        """Writes the page; without photos there is none.

        Args:
            out: folder of the results.
            versions: what made the predictions.
            options: as the index repeats them.
            unreadable: "name: reason" of each photo that could not be read.
        """
        if not self.items:
            return None
        named = [tuple(line.split(": ", 1)) if ": " in line else (line, "") for line in unreadable]
        page = PredictionPage(self.items, unreadable=named, versions=versions, settings=asdict(options))
        return write_prediction_page(out / PAGE_FILE, page)

    def _embedded(self, pixels: np.ndarray) -> EmbeddedImage:
        longest = next(px for most, px in PHOTO_SIZES if self.photos <= most)
        return embed(pixels, longest)
