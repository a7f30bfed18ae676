"""Detection as one call: source, boxes, detector, run, preview."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from s2hand.datasets import read_detections
from s2hand.datasets.detections import is_preview, preview_path
from s2hand.detection import DetectionSummary, DetectionTask, ImageSource, Share, detect
from s2hand.detection.boxes import with_boxes
from s2hand.detection.detectors import DetectorSettings, build_detector
from s2hand.detection.merging import published_places
from s2hand.detection.sources import open_source
from s2hand.errors import DatasetError
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
    hand: str = "right",
    batch: int = 8,
    shard: str | None = None,
    published: str | Path | None = None,
    preview: bool = False,
    say: Callable[[str], None] = print,
) -> DetectionSummary:
    """Detects keypoints on images and writes them as JSON: what ``s2hand detect`` does.

    Args:
        source: see :func:`s2hand.detection.sources.open_source`.
        out: the versioned JSON.
        settings: which detector, and how it computes.
        split: a dataset's split.
        boxes: hand boxes, see :func:`s2hand.detection.boxes.with_boxes`.
        hand: "left" or "right", for images that do not say.
        batch: number of images that are read and detected together.
        shard: this process's share of the work, "i/n"; None for torchrun's rank, or all.
        published: also write the published JSON: a file, or "auto" for the dataset's own place.
        preview: also draw a sheet of images with their keypoints beside ``out``.
        say: takes each line meant for the user.

    Raises:
        S2HandError: something is missing, damaged or does not fit.
    """
    share = Share.from_environment() if shard is None else Share.parse(shard)
    if batch < 1:
        raise DatasetError(f"--batch {batch}: expected 1 or more")
    out = Path(out).expanduser()
    if out.is_dir():
        raise DatasetError(f"--out {out} is a folder: name the JSON file to write")
    images = _without_sheet(open_source(source, split), out)
    if boxes is not None:
        images = with_boxes(images, boxes)
    if published is not None:
        published_places(images, published)  # refused now rather than after hours
    keep_freed_memory()  # the network's largest maps are hundreds of megabytes, new for every image
    detector, info = build_detector(replace(settings, device=_own_device(settings.device)))
    for line in images.notes:
        say(line)
    say(f"{source}: {images.kind}, {len(images.images):,} hands; {info.name}, {info.settings}")
    task = DetectionTask(images, out, info, hand, batch, published)
    summary = detect(detector, task, share)
    for line in summary.unreadable:
        say(f"unreadable: {line}")
    if summary.written and preview:
        summary = replace(summary, written=(*summary.written, write_preview(images, out)))
    for path in summary.written:
        say(f"{path}: written")
    if not summary.written:
        say(f"share {share.index}/{share.count} is done; the last share to finish writes {out}")
    return summary


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
    """Draws some images, evenly chosen, with their keypoints.

    Args:
        source: the images.
        out: their versioned JSON, beside which the sheet goes.

    Returns:
        The sheet's file.
    """
    found = read_detections(out)
    keys = {image.name: image.key for image in source.images}
    chosen = np.unique(np.linspace(0, len(found) - 1, min(PREVIEW_IMAGES, len(found))).round().astype(int))
    path = preview_path(out)
    if not len(chosen):
        raise DatasetError(f"{out}: no image could be read, so there is none to preview")
    tiles = []
    for row in chosen:
        image = source.read(keys[found.names[row]])
        height, width = image.shape[:2]
        scale = PREVIEW_TILE / max(height, width)
        small = resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
        tiles.append(draw_keypoints(small, found.keypoints[row] * scale, found.confidence[row]))
    captions = [f"{found.names[row]} ({found.confidence[row].mean():.2f})" for row in chosen]
    heading = f"{found.detector.name}: {len(chosen)} of {len(found):,} hands, mean confidence in brackets"
    write_image(path, contact_sheet(tiles, PREVIEW_COLUMNS, PREVIEW_TILE, captions, heading))
    return path
