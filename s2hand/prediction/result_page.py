"""The page of everything that was predicted: index.html beside the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.pages import (
    PredictedHand,
    PredictedItem,
    PredictionPage,
    embed,
    photo_scene,
    write_prediction_page,
)
from s2hand.pages.hands import hand_labels
from s2hand.pages.predictions import LARGEST_ITEMS, PHOTO_SIZES
from s2hand.pages.scenes import LARGEST_VIDEO_FRAMES
from s2hand.prediction.options import ENDINGS, PredictOptions
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.video_scene import VideoScene, still_of

PAGE_FILE = "index.html"

VIDEO_FRAMES = 1200
"""Frames of all videos together, about 25 MB: the more videos there are, the fewer of each."""

FEWEST_FRAMES = 2
"""A video of one frame would be a photo."""

DOWNLOADS = {"overlay": "overlay", "mask": "mask", "lines": ".jsonl"}
DOWNLOADS |= {kind: f".{ENDINGS[kind]}" for kind in ("skinned", "robot")}
"""Keys of the index that name a file of a whole photo or video, and what the page calls it."""


@dataclass
class ResultPage:
    """Gathers photos and videos as they are predicted, shrunk at once, so that few are in memory.

    Attributes:
        photos: how many there will be, which decides their size on the page.
        videos: how many there will be, which decides how many frames of each are on it.
        items: those that were added.
    """

    photos: int
    videos: int = 0
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
        longest = next(px for most, px in PHOTO_SIZES if self.photos <= most)
        size = entry["width"], entry["height"]
        exported = [] if hands is None else list(hands)
        confidence = [] if hands is None else [values.numpy() for values in hands.confidence]
        image = embed(pixels, longest)
        scene = photo_scene(entry["name"], image, exported, size, _unknown_camera(size), confidence)
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
                hand_labels([hand.hand for hand in exported]),
                exported,
                confidence,
                entry["hands"],
                strict=True,
            )
        ]
        source = exported[0].focal_source if exported else ""
        still = still_of(pixels, hands, longest // 2)
        self.items.append(PredictedItem(scene, still, told, source, downloads=_downloads(entry)))

    def watch(self) -> VideoScene:
        """What gathers the frames of the next video."""
        most = max(VIDEO_FRAMES // max(self.videos, 1), FEWEST_FRAMES)
        return VideoScene(min(most, LARGEST_VIDEO_FRAMES))

    def add_video(self, entry: dict[str, Any], watched: VideoScene) -> None:
        """Adds a video, as :meth:`add` does a photo.

        Args:
            entry: the video's entry in the index.
            watched: what saw its frames.
        """
        if len(self.items) >= LARGEST_ITEMS or watched.clearest is None:
            return
        size = entry["width"], entry["height"]
        scene = watched.scene(entry["name"], size, entry["fps"], _unknown_camera(size))
        motions = entry.get("bvh", [])
        told = [
            PredictedHand(
                hand.label,
                confidence=float(np.mean(seen.confidence)) if seen.confidence else None,
                seen=_share_of_frames(seen.frames, entry["frames"]),
                downloads={".bvh": motions[number]} if motions else {},
            )
            for number, (hand, seen) in enumerate(zip(scene.hands, watched.hands.values(), strict=True))
        ]
        item = PredictedItem(
            scene,
            watched.still(),
            told,
            watched.camera_source,
            downloads=_downloads(entry),
            length=entry["frames"],
        )
        self.items.append(item)

    def write(
        self, out: Path, versions: dict[str, str], options: PredictOptions, unreadable: Sequence[str]
    ) -> Path | None:
        """Writes the page; without photos and videos there is none.

        Args:
            out: folder of the results.
            versions: what made the predictions.
            options: as the index repeats them.
            unreadable: "name: reason" of each photo or video that could not be read.
        """
        if not self.items:
            return None
        named = [tuple(line.split(": ", 1)) if ": " in line else (line, "") for line in unreadable]
        page = PredictionPage(self.items, unreadable=named, versions=versions, settings=asdict(options))
        return write_prediction_page(out / PAGE_FILE, page)


def _unknown_camera(size: tuple[int, int]) -> np.ndarray:
    """A camera (3, 3) for showing a photo without hands, which tells none."""
    return np.array([[max(size), 0, size[0] / 2], [0, max(size), size[1] / 2], [0, 0, 1.0]])


def _share_of_frames(seen: int, frames: int) -> str:
    return "in every frame" if seen == frames else f"in {seen:,} of {frames:,} frames"


def _downloads(entry: dict[str, Any]) -> dict[str, str]:
    return {kind: entry[key] for key, kind in DOWNLOADS.items() if key in entry}
