"""Compares runs: their losses and metrics, their speed, and the config keys in which they differ."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from s2hand.errors import S2HandError
from s2hand.evaluation.run_records import RunRecords, best_point, higher_is_better, read_run
from s2hand.files import written_whole
from s2hand.visualize.charts import draw_runs

SPEED = "train/images_per_second"
NOT_COMPARED = ("train/learning_rate", SPEED)
"""Values without a meaningful best; the speed has a row of its own."""

OWN_KEYS = ("base_out_path",)
"""Config keys that differ between any two runs."""

MAX_VALUE_WIDTH = 28
"""Characters of a config value that the table shows."""


@dataclass(frozen=True)
class Comparison:
    """Runs, and what differs between their configs.

    Attributes:
        runs: the runs, in the order given.
        differences: config key -> run's name -> value, of keys with different values.
    """

    runs: tuple[RunRecords, ...]
    differences: dict[str, dict[str, Any]]

    @property
    def curves(self) -> list[str]:
        """The names of all losses and metrics, losses first, in the order of the records."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.curves))
        names = [name for name in names if name not in NOT_COMPARED]
        return sorted(names, key=lambda name: not name.startswith("train/"))


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Reads runs and the differences between their configs.

    Raises:
        S2HandError: a folder does not exist or is named twice, or no run has recorded anything.
    """
    names = short_names(folders)
    runs = tuple(read_run(folder, name) for folder, name in zip(folders, names, strict=True))
    if not any(run.curves for run in runs):
        listed = "; ".join(f"{run.folder}: {', '.join(run.notes)}" for run in runs)
        raise S2HandError(f"no metrics.jsonl with records ({listed}); name folders that `s2hand train` wrote")
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
    # Names go into JSON and charts, and what is not valid UTF-8 in them goes escaped.
    shown = [Path(os.fspath(path).encode("utf-8", "backslashreplace").decode()) for path in paths]
    for length in range(1, max(len(path.parts) for path in shown) + 1):
        names = ["/".join(path.parts[-length:]) for path in shown]
        if len(set(names)) == len(names):
            break
    return names


def summarise(run: RunRecords) -> dict[str, Any]:
    """A run's last and best losses and metrics, its speed and its length, as plain values."""
    curves = {}
    for name, points in run.curves.items():
        if name in NOT_COMPARED:
            continue
        last, (best_epoch, best) = max(points), best_point(name, points)
        curves[name] = {"last": points[last], "last_epoch": last, "best": best, "best_epoch": best_epoch}
    speeds = run.curves.get(SPEED)
    return {
        "folder": str(run.folder).encode("utf-8", "backslashreplace").decode(),
        "epochs": run.epochs,
        "images_per_second": median(speeds.values()) if speeds else None,
        "hours_recorded": (run.times[-1] - run.times[0]) / 3600 if run.times else None,
        "figures": curves,
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
    for curve in comparison.curves:
        found = [summaries[name]["figures"].get(curve) for name in names]
        rows.append([curve, *[_last_and_best(entry) for entry in found]])
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
    with written_whole(folder / "compare.json") as partial:
        partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))  # writes NaN as null
    shown = [*comparison.curves, SPEED]
    charts = {
        _title(name): {run.name: sorted(run.curves.get(name, {}).items()) for run in comparison.runs}
        for name in shown
    }
    draw_runs({name: lines for name, lines in charts.items() if any(lines.values())}, folder / "compare.png")
    return [folder / "compare.json", folder / "compare.png"]


def _title(name: str) -> str:
    """The title of a chart; for metrics an arrow shows the better direction."""
    return name if name.startswith("train/") else f"{name} {'↑' if higher_is_better(name) else '↓'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _last_and_best(entry: dict[str, float] | None) -> str:
    if entry is None:
        return "-"
    return f"{_number(entry['last'])}; {_number(entry['best'])} ({entry['best_epoch']:g})"


def _shown(values: dict[str, Any]) -> dict[str, str]:
    """A config key's values as text; lists without the entries that all of them have."""
    lists = [value for value in values.values() if isinstance(value, list)]
    if len(lists) == len(values):
        common = [entry for entry in lists[0] if all(entry in others for others in lists)]
        kept = {name: [entry for entry in value if entry not in common] for name, value in values.items()}
        if any(kept.values()):  # otherwise the lists differ in their order only
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
