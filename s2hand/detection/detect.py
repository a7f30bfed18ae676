"""Detection as one call: source, boxes, detector, run, preview."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from s2hand.datasets import read_detections
from s2hand.datasets.detection_files import is_preview, preview_path
from s2hand.detection import DetectionSummary, DetectionTask, ImageSource, Share, detect
from s2hand.detection.all_hands import Judge
from s2hand.detection.boxes import with_boxes
from s2hand.detection.detectors import BUNDLED, LICENCES, DetectorSettings, build_detector
from s2hand.detection.merging import published_places
from s2hand.detection.sources import open_source
from s2hand.errors import DatasetError, one_line
from s2hand.files import check_replaceable
from s2hand.runtime.allocator import keep_freed_memory
from s2hand.visualize import contact_sheet, draw_keypoints, write_image
from s2hand.visualize.pixels import resize

PREVIEW_IMAGES = 48
PREVIEW_COLUMNS = 8
PREVIEW_TILE = 224


def run_detection(
    source: str | Path,
    out: str | Path,
    settings: DetectorSettings,
    *,
    split: str | None = None,
    boxes: str | Path | None = None,
    hand: str | None = None,
    batch: int = 8,
    shard: str | None = None,
    published: str | Path | None = None,
    preview: bool = False,
    judge: Callable[[str], Judge] | None = None,
    say: Callable[[str], None] = print,
) -> DetectionSummary:
    """Detects keypoints on images and writes them as JSON: what ``s2hand detect`` does.

    Args:
        source: see :func:`s2hand.detection.sources.open_source`.
        out: the versioned JSON.
        settings: which detector, and how it computes.
        split: a dataset's split.
        boxes: hand boxes, see :func:`s2hand.detection.boxes.with_boxes`.
        hand: "left" or "right", for images that do not say; None: as the bundled detector says, and "right"
            for the others, which cannot tell.
        batch: number of images that are read and detected together.
        shard: this process's share of the work, "i/n"; None for torchrun's rank, or all.
        published: also write the published JSON: a file, or "auto" for the dataset's own place.
        preview: also draw a sheet of images with their keypoints beside ``out``.
        judge: makes what settles the sides of which the bundled detector is not sure, for a device.
        say: takes each line meant for the user.

    Raises:
        S2HandError: something is missing, damaged or does not fit.
    """
    share = Share.from_environment() if shard is None else Share.parse(shard)
    if batch < 1:
        raise DatasetError(f"--batch {batch}: expected 1 or more")
    out = _file_to_write(out)
    images = _without_sheet(open_source(source, split), out)
    images = images if boxes is None else with_boxes(images, boxes)
    if published is not None:
        published_places(images, published)  # refused now rather than after hours
    keep_freed_memory()  # the network's largest maps are hundreds of megabytes, new for every image
    follow = images.kind == "video" and share.count == 1
    settings = replace(settings, device=_own_device(settings.device))
    settles = None if judge is None or settings.name != BUNDLED else judge(settings.device)
    detector, info = build_detector(settings, follow=follow, judge=settles)
    if hand is None and settings.name != BUNDLED:
        hand = "right"
    stated = ", ".join(f"{name} {value}" for name, value in info.settings.items())
    begun = f"{source}: {images.kind}, {len(images.images):,} images; {info.name} ({stated})"
    for line in (*images.notes, begun, f"{info.name}: {LICENCES[settings.name]}"):
        say(line)
    if images.kind == "video" and not follow and settings.name == BUNDLED:
        say("a share has not all frames: hands are found in each by itself, not followed from frame to frame")
    summary = detect(detector, DetectionTask(images, out, info, hand, batch, published), share)
    if summary.hands and preview:
        summary = replace(summary, written=(*summary.written, write_preview(images, out)))
    _tell(summary, source, out, share, say)
    return summary


def _file_to_write(out: str | Path) -> Path:
    out = Path(out).expanduser()
    if out.is_dir():
        raise DatasetError(f"--out {out} is a folder: name the JSON file to write")
    check_replaceable(out)
    return out


def _tell(
    summary: DetectionSummary, source: str | Path, out: Path, share: Share, say: Callable[[str], None]
) -> None:
    """Tells the user what a run ended with."""
    for line in summary.unreadable:
        say(f"unreadable: {one_line(line)}")
    if summary.handless:
        say(f"no hand in {summary.handless:,} of {summary.images:,} images, listed as without_hands")
    for path in summary.written:
        say(f"{path}: written")
    if summary.written and not summary.hands:
        say(f"{source}: no hand was found in any image")
    if not summary.written:
        say(f"share {share.index}/{share.count} is done; the last share to finish writes {out}")


def _without_sheet(source: ImageSource, out: Path) -> ImageSource:
    """The images without the sheet that an earlier run may have drawn among them."""
    return source.with_images(
        [one for one in source.images if not (isinstance(one.key, Path) and is_preview(one.key, out))]
    )


def _own_device(name: str) -> str:
    """Each of torchrun's processes takes the GPU of its own number."""
    if name in ("auto", "cuda") and torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return name


def write_preview(source: ImageSource, out: Path) -> Path:
    """Draws some images, evenly chosen, with the keypoints of their hands.

    Args:
        source: the images.
        out: their versioned JSON, which has hands; the sheet goes beside it.

    Returns:
        The sheet's file.
    """
    found = read_detections(out)
    keys = {image.name: image.key for image in source.images}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(found.names):
        rows.setdefault(name, []).append(row)
    names = list(rows)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(PREVIEW_IMAGES, len(names))).round().astype(int))
    tiles, captions = [], []
    for name in (names[place] for place in chosen):
        image = source.read(keys[name])
        height, width = image.shape[:2]
        scale = PREVIEW_TILE / max(height, width)
        tile = resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
        for row in rows[name]:
            tile = draw_keypoints(tile, found.keypoints[row] * scale, found.confidence[row])
        tiles.append(tile)
        captions.append(f"{name} ({', '.join(f'{found.confidence[row].mean():.2f}' for row in rows[name])})")
    heading = (
        f"{found.detector.name}: {len(chosen)} of {len(names):,} images with {len(found):,} hands, mean "
        "confidence in brackets"
    )
    path = preview_path(out)
    write_image(path, contact_sheet(tiles, PREVIEW_COLUMNS, PREVIEW_TILE, captions, heading))
    return path
