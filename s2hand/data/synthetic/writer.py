"""Writes a synthetic dataset in a layout of choice, whole or not at all, in many processes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from s2hand.data.detections import Detections
from s2hand.data.errors import DatasetError
from s2hand.data.json_files import write_json
from s2hand.data.synthetic.backgrounds import list_photos
from s2hand.data.synthetic.folder_layout import FolderLayout
from s2hand.data.synthetic.freihand_layout import FreiHandLayout
from s2hand.data.synthetic.ho3d_layout import Ho3dLayout
from s2hand.data.synthetic.processes import ordered_map
from s2hand.data.synthetic.settings import (
    SUMMARY_FILE,
    SyntheticSettings,
    SyntheticSummary,
    describe,
    find_dataset,
)
from s2hand.data.synthetic.simulated_detector import DetectorNoise, simulate_boxes
from s2hand.data.synthetic.studio import Studio, SyntheticSample
from s2hand.hand import load_hand_model

LAYOUTS = {
    "freihand": FreiHandLayout(),
    "ho3d_v2": Ho3dLayout("v2"),
    "ho3d_v3": Ho3dLayout("v3"),
    "folder": FolderLayout(),
}
"""How samples lie on disk."""

SPLITS = ("training", "evaluation")
CHUNK = 16
"""Samples drawn together. Fixed: matrix products differ in their last bits with the number of rows."""

SPAWN_FROM = 8 * CHUNK
"""Fewer samples than this are drawn faster in this process than others start."""

MAX_PROCESSES = 16


def write_synthetic_dataset(
    root: str | Path,
    *,
    train: int = 2000,
    evaluation: int = 300,
    image_size: int | None = None,
    layout: str = "freihand",
    seed: int = 0,
    hand_model: str | Path = "generic",
    backgrounds: str | Path | None = None,
    noise: DetectorNoise | None = None,
    view_variety: float = 1.0,
    processes: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> SyntheticSummary:
    """Draws hands and writes them as FreiHAND, HO-3D or own photos lie on disk, with simulated detections.

    The pictures depend on the settings alone, not on the number of processes. A folder that holds the same
    dataset already is left as it is.

    Args:
        root: folder to write.
        train: training pictures.
        evaluation: evaluation pictures; they share no random number with training.
        image_size: width of the (widest) pictures in pixels; None for the layout's own, 224, 640 or 480.
        layout: ``freihand``, ``ho3d_v2``, ``ho3d_v3`` or ``folder``.
        seed: of everything random.
        hand_model: ``generic`` or a MANO file.
        backgrounds: folder of photos to put behind the hands; None draws backgrounds.
        noise: how wrong the simulated detector is; None for :class:`DetectorNoise`'s defaults.
        view_variety: in [0, 1]: 1 shows hands as variously turned as FreiHAND does, 0 always upright with
            palm or back to the camera.
        processes: that draw; None for one a core. More than one needs a main module that can be imported.
        overwrite: replace a synthetic dataset with other settings. Other folders are never touched.
        progress: show a bar.

    Raises:
        DatasetError: the folder holds something else, or a setting is impossible.
    """
    root = Path(root).expanduser().resolve()
    if layout not in LAYOUTS:
        raise DatasetError(f"synthetic data: layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    settings = SyntheticSettings(
        train=train,
        evaluation=evaluation,
        image_size=LAYOUTS[layout].picture_size if image_size is None else image_size,
        layout=layout,
        seed=seed,
        hand_model=str(hand_model),
        backgrounds=None if backgrounds is None else str(Path(backgrounds).expanduser().resolve()),
        noise=noise or DetectorNoise(),
        view_variety=float(view_variety),
    )
    description = describe(settings)
    if (found := find_dataset(root, description, overwrite)) is not None:
        return found
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    try:
        statistics = _write_all(temporary, settings, processes, progress)
        write_json(temporary / SUMMARY_FILE, {"settings": description, "statistics": statistics})
        temporary.chmod(0o755)  # mkdtemp's folders are their owner's alone
        return _move_into_place(temporary, root, description, statistics, overwrite)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(
    temporary: Path, root: Path, description: dict, statistics: dict, overwrite: bool
) -> SyntheticSummary:
    """Renames the finished folder to ``root``, unless another process was faster with the same dataset."""
    if (found := find_dataset(root, description, overwrite)) is not None:
        return found
    replaced = None
    if root.exists():
        replaced = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".old", dir=root.parent))
        os.rename(root, replaced)
    os.rename(temporary, root)
    if replaced is not None:
        shutil.rmtree(replaced)
    return SyntheticSummary(root, statistics, reused=False)


def _write_all(root: Path, settings: SyntheticSettings, processes: int | None, progress: bool) -> dict:
    """Draws both splits into ``root`` and returns their statistics."""
    LAYOUTS[settings.layout].make_folders(root, {split: settings.count(split) for split in SPLITS})
    total = settings.train + settings.evaluation
    processes = processes or min(os.cpu_count() or 1, MAX_PROCESSES)
    if total < SPAWN_FROM:
        processes = 1
    statistics = {}
    with ExitStack() as stack:
        chunks = stack.enter_context(ordered_map(processes))
        bar = stack.enter_context(
            tqdm(total=total, desc="drawing hands", unit="image", disable=not progress, dynamic_ncols=True)
        )
        for split in SPLITS:
            starts = range(0, settings.count(split), CHUNK)
            drawn = chunks(_draw_chunk, [(root, settings, split, start) for start in starts])
            statistics[split] = _gather(root, settings, split, drawn, bar)
    return statistics


@dataclass(frozen=True)
class _DrawnChunk:
    """What a chunk's process hands back: JSON of label rows without the outer brackets, and arrays."""

    labels: dict[str, str]
    keypoints: np.ndarray
    detected: np.ndarray
    confidence: np.ndarray
    hidden: np.ndarray
    cameras: np.ndarray
    sizes: np.ndarray
    hands: tuple[str, ...]


def _draw_chunk(task: tuple[Path, SyntheticSettings, str, int]) -> _DrawnChunk:
    """Draws samples ``start`` to ``start + CHUNK`` of a split and writes their pictures."""
    root, settings, split, start = task
    numbers = range(start, min(start + CHUNK, settings.count(split)))
    randoms = [np.random.default_rng((settings.seed, SPLITS.index(split), number)) for number in numbers]
    layout = LAYOUTS[settings.layout]
    drawn: list[SyntheticSample] = _studio(settings).draw(randoms)
    samples = [layout.adapt(sample, number) for number, sample in zip(numbers, drawn, strict=True)]
    for number, sample in zip(numbers, samples, strict=True):
        layout.write_sample(root, split, number, sample)
    rows = layout.label_rows(split, start, samples)
    return _DrawnChunk(
        labels={name: json.dumps(values, separators=(",", ":"))[1:-1] for name, values in rows.items()},
        **{
            name: np.stack([getattr(sample, attribute) for sample in samples])
            for name, attribute in (
                ("keypoints", "keypoints_2d"),
                ("detected", "detected"),
                ("confidence", "confidence"),
                ("hidden", "hidden"),
                ("cameras", "K"),
            )
        },
        sizes=np.array([sample.image.shape[1::-1] for sample in samples]),
        hands=tuple(sample.hand for sample in samples),
    )


@lru_cache(maxsize=1)
def _studio(settings: SyntheticSettings) -> Studio:
    """This process's studio; its parts take longer to make than a chunk to draw."""
    photos = () if settings.backgrounds is None else list_photos(settings.backgrounds)
    framing = LAYOUTS[settings.layout].framing
    model = load_hand_model(settings.hand_model)
    return Studio(
        model, settings.image_size, settings.noise, photos, framing, view_variety=settings.view_variety
    )


def _gather(
    root: Path, settings: SyntheticSettings, split: str, drawn: Iterable[_DrawnChunk], bar: tqdm
) -> dict[str, float]:
    """Joins chunks, in order, to label and detection files; returns the split's statistics."""
    chunks = []
    with ExitStack() as stack:
        files = {}
        for chunk in drawn:
            for name, rows in chunk.labels.items():
                if name not in files:
                    files[name] = stack.enter_context((root / name).open("w"))
                files[name].write(("," if chunks else "[") + rows)
            chunks.append(_without_labels(chunk))
            bar.update(len(chunk.keypoints))
        for file in files.values():
            file.write("]")
    keypoints, detected, confidence, hidden, cameras, sizes = (
        np.concatenate([getattr(chunk, name) for chunk in chunks])
        for name in ("keypoints", "detected", "confidence", "hidden", "cameras", "sizes")
    )
    detections = Detections(
        detected.round(2).astype(np.float32),
        confidence.round(3).astype(np.float32),
        sizes=sizes,
        boxes=simulate_boxes(keypoints).round(1).astype(np.float32),
        hands=sum((chunk.hands for chunk in chunks), ()),
        cameras=cameras.astype(np.float32),
    )
    LAYOUTS[settings.layout].write_detections(root, split, detections)
    found = confidence > 0
    errors = np.linalg.norm(detected - keypoints, axis=-1)[found]
    return {
        "samples": len(detected),
        "detector_error_px": round(float(errors.mean()), 3) if found.any() else 0.0,
        "detector_median_error_px": round(float(np.median(errors)), 3) if found.any() else 0.0,
        "missed_share": round(float(1 - found.mean()), 4),
        "hidden_share": round(float(hidden.mean()), 4),
    }


def _without_labels(chunk: _DrawnChunk) -> _DrawnChunk:
    """Forgets label text that is on disk already: a large dataset's would not fit in memory."""
    return replace(chunk, labels={})
