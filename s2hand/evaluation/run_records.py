"""The losses and metrics of a run by epoch; epochs trained twice count once, and damaged lines are named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2hand.errors import S2HandError
from s2hand.training.reporting import METRICS_FILE

KINDS = ("train", "evaluation")
BOOKKEEPING = ("kind", "epoch", "step", "time")
"""The keys of every record of metrics.jsonl besides its losses or metrics."""

HIGHER_IS_BETTER = ("auc", "f5", "f15", "images_per_second")
"""How the names of losses and metrics begin for which more is better, after dataset and alignment."""

ALIGNMENTS = ("pa_", "st_")

MAX_EPOCH, MAX_VALUE = 1e9, 1e300
"""A record with larger numbers is damaged: no training gets that far, and no chart can show them."""

CHECKPOINTS = "checkpoint_*.pt"
"""The names of a training run's checkpoints."""

BEST_STAGE_METRIC = "pa_mpjpe"
"""The stage with the lowest value of this metric is the best one."""


@dataclass
class RunRecords:
    """What a run's folder tells about the run.

    Attributes:
        name: tells this run from others.
        folder: the run's folder.
        curves: name -> epoch -> value; losses as "train/NAME", metrics as "evaluation/NAME".
        times: when each record was written, seconds since 1970, in the order of the file.
        config: the resolved config, None if it cannot be read.
        notes: what is missing or was left out, one line each.
    """

    name: str
    folder: Path
    curves: dict[str, dict[float, float]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    config: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def epochs(self) -> float:
        """The last epoch with a value, 0 without any."""
        return max((max(points) for points in self.curves.values() if points), default=0)


def best_point(name: str, points: dict[float, float]) -> tuple[float, float]:
    """Epoch and value of the best of a curve, the earliest of equals."""
    sign = -1 if higher_is_better(name) else 1
    return min(points.items(), key=lambda point: (sign * point[1], point[0]))


def higher_is_better(name: str) -> bool:
    """Whether more is better, by the name of a loss or metric."""
    plain = name.rsplit("/", 1)[-1]
    for prefix in ALIGNMENTS:
        plain = plain.removeprefix(prefix)
    return plain.startswith(HIGHER_IS_BETTER)


def read_run(folder: str | Path, name: str) -> RunRecords:
    """Reads a run's metrics.jsonl and config.json; what is missing or damaged becomes a note.

    Raises:
        S2HandError: there is no such folder.
    """
    run = RunRecords(name, Path(folder).expanduser())
    if not run.folder.is_dir():
        raise S2HandError(f"{folder}: no such run folder; give a run's base_out_path")
    _read_config(run)
    repeated = set()
    for record in read_records(run.folder, run.notes):
        repeated |= _add(run, record)
    if repeated:
        epochs = ", ".join(f"{epoch:g}" for epoch in sorted(repeated))
        run.notes.append(f"trained again after a restart, and taken from the last time: epochs {epochs}")
    run.curves = {name: points for name, points in run.curves.items() if points}
    if not run.curves and (run.folder / METRICS_FILE).is_file():
        run.notes.append(f"{METRICS_FILE} holds no records")
    return run


def read_records(folder: str | Path, notes: list[str]) -> list[dict[str, Any]]:
    """The records of a run's metrics.jsonl in their order.

    Args:
        folder: the run's folder.
        notes: takes one line for each line of the file that is damaged and left out.
    """
    path = Path(folder) / METRICS_FILE
    if not path.is_file():
        notes.append(f"no {METRICS_FILE}: nothing was recorded")
        return []
    records = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _parse(line)
        if record is not None:
            records.append(record)
        elif number == len(lines):
            notes.append(f"{METRICS_FILE} ends within a line, as after a kill: that line is left out")
        else:
            notes.append(f"{METRICS_FILE}: line {number} is damaged and left out")
    return records


def holds_training(folder: str | Path) -> bool:
    """Whether a folder holds checkpoints, and so is a training run's."""
    return any(Path(folder).glob(CHECKPOINTS))


def best_stage(folder: str | Path) -> Path:
    """The run that a folder stands for: itself, or the best of the training stages in its sub-folders.

    That is the stage with the lowest ``pa_mpjpe``, as in a folder that ``s2hand demo`` wrote; a stage of the
    2D branch alone has none.

    Raises:
        S2HandError: there is no such folder, or it holds no training.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise S2HandError(f"{folder}: no such run folder; give a run's base_out_path")
    if holds_training(folder):
        return folder
    stages = {}
    for stage in sorted(path for path in folder.iterdir() if path.is_dir() and holds_training(path)):
        curves = read_run(stage, stage.name).curves
        errors = [points for name, points in curves.items() if name.split("/")[-1] == BEST_STAGE_METRIC]
        stages[stage] = min((value for points in errors for value in points.values()), default=math.inf)
    if not stages:
        raise S2HandError(f"{folder}: holds no training; give a run's base_out_path")
    return min(stages, key=stages.get)


def stage_of(path: str | Path) -> str | Path:
    """The best stage's folder if a path is a folder of training stages; any other path as it is."""
    folder = Path(path).expanduser()
    if not folder.is_dir() or holds_training(folder):
        return path
    return best_stage(folder) if any(holds_training(sub) for sub in folder.iterdir()) else path


def _read_config(run: RunRecords) -> None:
    path = run.folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        run.notes.append("no config.json: its keys are not compared")
        return
    except (OSError, ValueError, RecursionError):
        config = None
    if isinstance(config, dict):
        run.config = config
    else:
        run.notes.append("config.json is damaged: its keys are not compared")


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record of a line, or None if the line is damaged."""
    try:
        record = json.loads(line)
        if record["kind"] not in KINDS:
            return None
        values = [float(value) for value in record.values() if isinstance(value, (int, float))]
        is_sound = 0 <= float(record["epoch"]) <= MAX_EPOCH and math.isfinite(float(record["time"]))
        is_sound = is_sound and all(abs(value) <= MAX_VALUE for value in values)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return record if is_sound else None


def _add(run: RunRecords, record: dict[str, Any]) -> set[float]:
    """Adds a record; removes what it supersedes, and returns the epochs of that."""
    epoch, superseded = float(record["epoch"]), set()
    run.times.append(float(record["time"]))
    if record["kind"] == "train":
        # A run that was killed before its checkpoint, or begun anew, trains recorded epochs again.
        for points in run.curves.values():
            for old in [old for old in points if old >= epoch]:
                del points[old]
                superseded.add(old)
    for name, value in record.items():
        if name not in BOOKKEEPING and isinstance(value, (int, float)):
            run.curves.setdefault(f"{record['kind']}/{name}", {})[epoch] = float(value)
    return superseded
