"""Writes a synthetic dataset in one of several layouts, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from s2hand.datasets.json_files import write_json
from s2hand.synthetic.drawing import draw_dataset
from s2hand.synthetic.settings import (
    SUMMARY_FILE,
    SyntheticSettings,
    SyntheticSummary,
    describe,
    find_dataset,
)


def write_synthetic_dataset(
    root: str | Path,
    *,
    processes: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **settings: Any,
) -> SyntheticSummary:
    """Draws hands and writes them in the layout of FreiHAND, HO-3D or own photos, with simulated detections.

    The images depend on the settings alone, not on the number of processes. A folder that holds the same
    dataset already is left as it is.

    Args:
        root: folder to write.
        processes: number of processes; None for one a core. More than one needs an importable main module.
        overwrite: replace a synthetic dataset with other settings. Other folders are never touched.
        progress: show a bar.
        settings: what to draw, by attribute of :class:`~s2hand.synthetic.settings.SyntheticSettings`.

    Raises:
        DatasetError: the folder holds something else, or a setting is impossible.
    """
    root = Path(root).expanduser().resolve()
    wanted = SyntheticSettings(**settings)
    description = describe(wanted)
    if (found := find_dataset(root, description, overwrite)) is not None:
        return found
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    try:
        statistics = draw_dataset(temporary, wanted, processes, progress)
        write_json(temporary / SUMMARY_FILE, {"settings": description, "statistics": statistics})
        temporary.chmod(0o755)  # mkdtemp's folders are their owner's alone
        # Another process may have been faster with the same dataset.
        if (found := find_dataset(root, description, overwrite)) is not None:
            return found
        _move_into_place(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return SyntheticSummary(root, statistics, reused=False)


def _move_into_place(temporary: Path, root: Path) -> None:
    """Renames the finished folder to ``root``, in place of an earlier dataset."""
    replaced = None
    if root.exists():
        replaced = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".old", dir=root.parent))
        os.rename(root, replaced)
    os.rename(temporary, root)
    if replaced is not None:
        shutil.rmtree(replaced)
