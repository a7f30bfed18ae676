"""Draws a synthetic dataset's splits into a folder, chunk by chunk in many processes."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from s2hand.datasets.base import SPLITS
from s2hand.datasets.detections import Detections
from s2hand.hand import load_hand_model
from s2hand.progress_bar import ProgressBar
from s2hand.synthetic.backgrounds import find_backgrounds
from s2hand.synthetic.folder_layout import FolderLayout
from s2hand.synthetic.freihand_layout import FreiHandLayout
from s2hand.synthetic.ho3d_layout import Ho3dLayout
from s2hand.synthetic.settings import SyntheticSettings
from s2hand.synthetic.simulated_detector import simulate_boxes
from s2hand.synthetic.studio import Studio, SyntheticSample

LAYOUTS = {
    "freihand": FreiHandLayout(),
    "ho3d_v2": Ho3dLayout("v2"),
    "ho3d_v3": Ho3dLayout("v3"),
    "folder": FolderLayout(),
}
"""How samples lie on disk."""

COLUMNS = ("keypoints_2d", "detected", "confidence", "hidden", "K", "hand")
"""What a split's detections and statistics are made of, by attribute of a sample."""

CHUNK = 16
"""Samples drawn together. Fixed: matrix products differ in their last bits with the number of rows."""

SPAWN_FROM = 8 * CHUNK
"""Fewer samples than this are drawn faster in this process than others start."""

MAX_PROCESSES = 16


def draw_dataset(root: Path, settings: SyntheticSettings, processes: int | None, progress: bool) -> dict:
    """Draws both splits into a folder.

    Args:
        root: an empty folder.
        settings: what the dataset looks like.
        processes: number of processes that draw; None for one on each core.
        progress: show a bar.

    Returns:
        By split, the statistics of :class:`~s2hand.synthetic.settings.SyntheticSummary`.
    """
    LAYOUTS[settings.layout].make_folders(root, {split: settings.count(split) for split in SPLITS})
    total = settings.train + settings.evaluation
    processes = process_count(total, processes)
    statistics = {}
    with ExitStack() as stack:
        chunks = stack.enter_context(ordered_map(processes))
        bar = stack.enter_context(
            ProgressBar(
                total=total, desc="drawing hands", unit="image", disable=not progress, dynamic_ncols=True
            )
        )
        for split in SPLITS:
            starts = range(0, settings.count(split), CHUNK)
            drawn = chunks(_draw_chunk, [(root, settings, split, start) for start in starts])
            statistics[split] = _gather(root, settings, split, drawn, bar)
    return statistics


def process_count(samples: int, processes: int | None = None) -> int:
    """How many processes draw so many samples; ``processes`` if that is worth their start."""
    return 1 if samples < SPAWN_FROM else processes or min(os.cpu_count() or 1, MAX_PROCESSES)


def _draw_chunk(
    task: tuple[Path, SyntheticSettings, str, int],
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Draws samples ``start`` to ``start + CHUNK`` of a split and writes their images.

    Returns:
        Label file -> JSON of these rows without the outer brackets; column -> values of the samples.
    """
    root, settings, split, start = task
    layout = LAYOUTS[settings.layout]
    drawn = draw_chunk(settings, split, start)
    numbers = range(start, start + len(drawn))
    samples = [layout.adapt(sample, number) for number, sample in zip(numbers, drawn, strict=True)]
    for number, sample in zip(numbers, samples, strict=True):
        layout.write_sample(root, split, number, sample)
    rows = layout.label_rows(split, start, samples)
    labels = {name: json.dumps(values, separators=(",", ":"))[1:-1] for name, values in rows.items()}
    columns = {name: np.stack([getattr(sample, name) for sample in samples]) for name in COLUMNS}
    columns["size"] = np.array([sample.image.shape[1::-1] for sample in samples])
    return labels, columns


def draw_chunk(settings: SyntheticSettings, split: str, start: int) -> list[SyntheticSample]:
    """Draws samples ``start`` to ``start + CHUNK`` of a split, the same ones each time."""
    numbers = range(start, min(start + CHUNK, settings.count(split)))
    randoms = [np.random.default_rng((settings.seed, SPLITS.index(split), number)) for number in numbers]
    return _studio(settings).draw(randoms)


@lru_cache(maxsize=1)
def _studio(settings: SyntheticSettings) -> Studio:
    """This process's studio, which takes longer to make than a chunk to draw."""
    photos = () if settings.backgrounds is None else find_backgrounds(settings.backgrounds)
    framing = LAYOUTS[settings.layout].framing
    model = load_hand_model(settings.hand_model)
    return Studio(
        model,
        settings.image_size,
        settings.noise,
        photos,
        framing,
        view_variety=settings.view_variety,
        wide_poses=settings.wide_poses,
        object_share=settings.object_share,
    )


def _gather(
    root: Path, settings: SyntheticSettings, split: str, drawn: Iterable[tuple[dict, dict]], bar: ProgressBar
) -> dict[str, float]:
    """Joins chunks, in order, to label and detection files; returns the split's statistics."""
    chunks = []
    with ExitStack() as stack:
        files = {}
        # Labels go to the disk at once: those of a large dataset would not fit in memory.
        for labels, columns in drawn:
            for name, rows in labels.items():
                if name not in files:
                    files[name] = stack.enter_context((root / name).open("w"))
                files[name].write(("," if chunks else "[") + rows)
            chunks.append(columns)
            bar.update(len(columns["hand"]))
        for file in files.values():
            file.write("]")
    column = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    keypoints, detected, confidence = column["keypoints_2d"], column["detected"], column["confidence"]
    detections = Detections(
        detected.round(2).astype(np.float32),
        confidence.round(3).astype(np.float32),
        sizes=column["size"],
        boxes=simulate_boxes(keypoints).round(1).astype(np.float32),
        hands=tuple(column["hand"].tolist()),
        cameras=column["K"].astype(np.float32),
    )
    LAYOUTS[settings.layout].write_detections(root, split, detections)
    found = confidence > 0
    errors = np.linalg.norm(detected - keypoints, axis=-1)[found]
    return {
        "samples": len(detected),
        "detector_error_px": round(float(errors.mean()), 3) if found.any() else 0.0,
        "detector_median_error_px": round(float(np.median(errors)), 3) if found.any() else 0.0,
        "missed_share": round(float(1 - found.mean()), 4),
        "hidden_share": round(float(column["hidden"].mean()), 4),
    }


@contextmanager
def ordered_map(processes: int) -> Iterator[Callable]:
    """An ordered ``map`` over this many processes, each on one thread."""
    if processes == 1:
        threads = torch.get_num_threads(), cv2.getNumThreads()
        _use_one_thread()
        try:
            yield map
        finally:
            torch.set_num_threads(threads[0])
            cv2.setNumThreads(threads[1])
        return
    # Spawned, not forked: a forked copy of the renderer's runtime and its threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_use_one_thread) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _use_one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
