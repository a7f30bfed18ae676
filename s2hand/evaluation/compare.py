"""Runs side by side: their figures, their speed, and the config keys in which they differ."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from s2hand.datasets.json_files import write_json
from s2hand.errors import S2HandError
from s2hand.evaluation.run_records import RunRecords, best_point, higher_is_better, read_run
from s2hand.visualize.charts import draw_runs

SPEED = "train/images_per_second"
NOT_COMPARED = ("train/learning_rate", SPEED)
"""Figures of which a best makes no sense; speed has a row of its own."""

OWN_KEYS = ("base_out_path",)
"""Config keys that every run has its own of."""

MAX_VALUE_WIDTH = 28
"""Characters of a config value that the table shows."""


@dataclass(frozen=True)
class Comparison:
    """Runs, and what differs between their configs.

    Attributes:
        runs: in the order given.
        differences: config key -> run's name -> value, where not all are equal.
    """

    runs: tuple[RunRecords, ...]
    differences: dict[str, dict[str, Any]]

    @property
    def figures(self) -> list[str]:
        """Names of all figures that can be compared, losses first, in the order of the records."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.figures))
        names = [name for name in names if name not in NOT_COMPARED]
        return sorted(names, key=lambda name: not name.startswith("train/"))


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Reads runs and finds out how their configs differ.

    Raises:
        S2HandError: a folder does not exist or is named twice, or no run has recorded anything.
    """
    names = short_names(folders)
    runs = tuple(read_run(folder, name) for folder, name in zip(folders, names, strict=True))
    if not any(run.figures for run in runs):
        listed = ", ".join(str(run.folder) for run in runs)
        raise S2HandError(f"{listed}: no metrics.jsonl with records; name folders that `s2hand train` wrote")
    configs = {run.name: run.config for run in runs if run.config is not None}
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in OWN_KEYS)
    differences = {}
    for key in keys:
        values = {name: config.get(key) for name, config in configs.items()}
        if len({json.dumps(value, sort_keys=True) for value in values.values()}) > 1:
            differences[key] = values
    return Comparison(runs, differences)


def short_names(folders: Sequence[str | Path]) -> list[str]:
    """The ends of paths, as short as tells them apart.

    Raises:
        S2HandError: two are the same folder.
    """
    paths = [Path(os.path.abspath(os.path.expanduser(folder))) for folder in folders]
    if len(set(paths)) < len(paths):
        raise S2HandError(f"{next(p for p in paths if paths.count(p) > 1)} is named twice; once is enough")
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def summarise(run: RunRecords) -> dict[str, Any]:
    """A run's last and best figures, its speed and its length, as plain values."""
    figures = {}
    for name, points in run.figures.items():
        if name in NOT_COMPARED:
            continue
        last, (best_epoch, best) = max(points), best_point(name, points)
        figures[name] = {"last": points[last], "last_epoch": last, "best": best, "best_epoch": best_epoch}
    speeds = run.figures.get(SPEED)
    return {
        "folder": str(run.folder),
        "epochs": run.epochs,
        "images_per_second": median(speeds.values()) if speeds else None,
        "hours_recorded": (run.times[-1] - run.times[0]) / 3600 if run.times else None,
        "figures": figures,
        "notes": run.notes,
    }


def format_comparison(comparison: Comparison) -> str:
    """The tables that ``s2hand compare`` prints."""
    names = [run.name for run in comparison.runs]
    summaries = {run.name: summarise(run) for run in comparison.runs}
    speeds = [_number(summaries[name]["images_per_second"]) for name in names]
    rows = [
        ["epochs", *[f"{summaries[name]['epochs']:g}" for name in names]],
        ["images/s (median)", *speeds],
    ]
    for figure in comparison.figures:
        found = [summaries[name]["figures"].get(figure) for name in names]
        rows.append([figure, *[_last_and_best(entry) for entry in found]])
    parts = [_table(["last; best (epoch)", *names], rows)]
    if comparison.differences:
        rows = [
            [key, *[_shown(values).get(name, "?") for name in names]]
            for key, values in comparison.differences.items()
        ]
        parts.append(_table(["config keys that differ", *names], rows))
    elif sum(run.config is not None for run in comparison.runs) > 1:
        parts.append("the configs do not differ")
    notes = [f"{run.name}: {note}" for run in comparison.runs for note in run.notes]
    return "\n\n".join([*parts, "\n".join(notes)] if notes else parts)


def write_comparison(comparison: Comparison, out: str | Path) -> list[Path]:
    """Writes compare.json and compare.png.

    Returns:
        The files.
    """
    folder = Path(out).expanduser()
    content = {
        "runs": {run.name: summarise(run) for run in comparison.runs},
        "config_differences": comparison.differences,
    }
    write_json(folder / "compare.json", content)
    shown = [*comparison.figures, SPEED]
    charts = {
        _title(name): {run.name: sorted(run.figures.get(name, {}).items()) for run in comparison.runs}
        for name in shown
    }
    draw_runs({name: lines for name, lines in charts.items() if any(lines.values())}, folder / "compare.png")
    return [folder / "compare.json", folder / "compare.png"]


def _title(figure: str) -> str:
    """A figure's name, with an arrow to its better end where it is not a loss."""
    if figure.startswith("train/"):
        return figure
    return f"{figure} {'↑' if higher_is_better(figure) else '↓'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _last_and_best(entry: dict[str, float] | None) -> str:
    if entry is None:
        return "-"
    return f"{_number(entry['last'])}; {_number(entry['best'])} ({entry['best_epoch']:g})"


def _shown(values: dict[str, Any]) -> dict[str, str]:
    """A config key's values as text; of lists, only the entries that not all of them have."""
    lists = [value for value in values.values() if isinstance(value, list)]
    if len(lists) == len(values):
        common = [entry for entry in lists[0] if all(entry in others for others in lists)]
        kept = {name: [entry for entry in value if entry not in common] for name, value in values.items()}
        if any(kept.values()):  # else they differ in their order
            start = "… " if common else ""
            values = {name: start + ", ".join(map(str, rest)) or "none" for name, rest in kept.items()}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return {
        name: text if len(text) <= MAX_VALUE_WIDTH else text[: MAX_VALUE_WIDTH - 1] + "…"
        for name, text in texts.items()
    }


def _table(heading: list[str], rows: list[list[str]]) -> str:
    """Columns of equal width, the first to the left."""
    widths = [max(len(row[column]) for row in [heading, *rows]) for column in range(len(heading))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in [heading, *rows]
    )
