"""Writes a synthetic dataset in a layout of choice, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from s2hand.config.data_sections import SYNTHETIC_EVAL_SIZE, SYNTHETIC_TRAIN_SIZE
from s2hand.datasets.json_files import write_json
from s2hand.errors import DatasetError
from s2hand.synthetic.drawing import LAYOUTS, draw_dataset
from s2hand.synthetic.settings import (
    SUMMARY_FILE,
    SyntheticSettings,
    SyntheticSummary,
    describe,
    find_dataset,
)
from s2hand.synthetic.simulated_detector import DetectorNoise


def write_synthetic_dataset(
    root: str | Path,
    *,
    train: int = SYNTHETIC_TRAIN_SIZE,
    evaluation: int = SYNTHETIC_EVAL_SIZE,
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
    return _write(root, settings, processes, overwrite, progress)


def _write(
    root: Path, settings: SyntheticSettings, processes: int | None, overwrite: bool, progress: bool
) -> SyntheticSummary:
    """Draws into a folder beside ``root``, which then takes its place."""
    description = describe(settings)
    if (found := find_dataset(root, description, overwrite)) is not None:
        return found
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    try:
        statistics = draw_dataset(temporary, settings, processes, progress)
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
