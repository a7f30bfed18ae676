"""The scores of a benchmark on photos: how they are summed up, and the table that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from s2hand.benchmark.photo_changes import CHANGES

NEAR = 0.06
"""Joints that lie nearer to their landmarks on average, in larger sides of the box, agree; so do tones."""

ALL = "all"
"""The column of all folders together."""

NETWORK, REFINED = "network", "refined"
"""What is scored: the network's answers, and the same refined."""

Values = dict[str, list[float]]
"""Name of a measure -> its value for each hand or photo."""


class Row(NamedTuple):
    """A number for a folder.

    Attributes:
        key: its name in JSON.
        measure: the values that are summed up.
        how: sums them up.
        title: its name in the table; empty if it is not shown there.
        shown: format of the number there.
    """

    key: str
    measure: str
    how: Callable[[np.ndarray], float]
    title: str = ""
    shown: str = ".1%"


def _near(values: np.ndarray) -> float:
    return np.mean(values < NEAR)


def _ninetieth(values: np.ndarray) -> float:
    return np.quantile(values, 0.9)


def _change_rows(name: str) -> list[Row]:
    key = name.replace(" ", "_")
    return [
        Row(f"{key}_mm", name, np.median, f"{name}: mm, median", ".1f"),
        Row(f"{key}_90_mm", name, _ninetieth),
        Row(f"{key}_placed_mm", f"{name}, placed", np.median),
    ]


FOUND_ROWS = (
    Row("photos", "found", len, "photos", "d"),
    Row("photos_with_hands", "found", np.mean, "photos with a hand"),
    Row("reference_found", "reference_found", np.mean, "reference's hands found"),
    Row("detections", "detections", np.median, "detections, median"),
    Row("detections_near", "detections", _near, "  within 6 %"),
    *(Row(f"{name.replace(' ', '_')}_lost", f"{name}, lost", np.mean) for name in CHANGES),
)

HAND_ROWS = (
    Row("hands", "agreement", len, "hands", "d"),
    Row("agreement", "agreement", np.median, "agreement, median"),
    Row("agreement_near", "agreement", _near, "  within 6 %"),
    Row("left_out", "left_out", np.median, "left out, median"),
    Row("left_out_near", "left_out", _near, "  within 6 %"),
    Row("silhouettes", "iou", len, "silhouettes", "d"),
    Row("iou", "iou", np.median, "  IoU, median", ".2f"),
    Row("iou_mean", "iou", np.mean),
    *(row for name in CHANGES for row in _change_rows(name)),
    Row("tone", "tone", np.median, "tone, median", ".3f"),
    Row("tone_near", "tone", _near, "  within 0.06"),
    Row("colour", "colour", np.median, "colour, median", ".3f"),
    Row("beyond_limits", "beyond_limits", np.mean, "angles beyond limits"),
    Row("spread_deg", "spread_deg", np.mean, "spread too wide: deg", ".1f"),
    Row("penetration_mm", "penetration_mm", np.mean, "penetration: mm", ".1f"),
    Row("penetration_90_mm", "penetration_mm", _ninetieth),
)


@dataclass
class FolderValues:
    """The values of one folder's photos.

    Attributes:
        found: whether photos have a hand, ``found``, and hands of the reference were found; how far the
            detections themselves lie from the reference; for each change whether the hand was lost.
        stages: of hands, for ``NETWORK`` and perhaps ``REFINED``.
    """

    found: Values = field(default_factory=dict)
    stages: dict[str, Values] = field(default_factory=dict)

    def add(self, measures: Mapping[str, float], stage: str | None = None) -> None:
        """Adds the values of a photo, or with a stage of a hand."""
        values = self.found if stage is None else self.stages.setdefault(stage, {})
        for name, value in measures.items():
            values.setdefault(name, []).append(float(value))

    def summary(self) -> dict[str, float | dict[str, float]]:
        """The numbers by the keys of the rows; those without any value are left out."""
        stages = {name: _summed_up(values, HAND_ROWS) for name, values in self.stages.items()}
        return _summed_up(self.found, FOUND_ROWS) | stages


def together(folders: Iterable[FolderValues]) -> FolderValues:
    """The values of several folders."""
    whole = FolderValues()
    for folder in folders:
        for stage, values in ((None, folder.found), *folder.stages.items()):
            for name, numbers in values.items():
                for number in numbers:
                    whole.add({name: number}, stage)
    return whole


def _summed_up(values: Values, rows: Iterable[Row]) -> dict[str, float]:
    numbers = {row.key: (row, values[row.measure]) for row in rows if values.get(row.measure)}
    return {
        key: len(found) if row.how is len else float(row.how(np.array(found)))
        for key, (row, found) in numbers.items()
    }


@dataclass(frozen=True)
class PhotosResult:
    """What the benchmark found.

    Attributes:
        network: the run, or "bundled".
        seed: what photos and left-out landmarks were drawn with.
        compared_with: what joints are compared with: the reference's landmarks or the detector's own.
        folders: folder, and ``ALL`` -> the summary of its values.
        notes: lines on the network that are worth showing.
        unreadable: a line for each photo that was left out as it could not be read.
    """

    network: str
    seed: int
    compared_with: str
    folders: dict[str, dict]
    notes: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def table(self) -> str:
        """Lines for the terminal."""
        columns = list(self.folders)
        width = max(8, *(len(name) + 2 for name in columns))
        first = max(len(row.title) for row in FOUND_ROWS + HAND_ROWS) + 2
        lines = [
            f"Photos, seed {self.seed}, network {self.network}, compared with {self.compared_with}",
            " " * first + "".join(name.rjust(width) for name in columns),
        ]
        for stage in (None, NETWORK, REFINED):
            if any(stage in folder for folder in self.folders.values()):
                lines.append(f"{stage}:")
            for row in FOUND_ROWS if stage is None else HAND_ROWS:
                parts = [
                    folder if stage is None else folder.get(stage, {}) for folder in self.folders.values()
                ]
                cells = [format(part[row.key], row.shown) if row.key in part else "" for part in parts]
                if row.title and any(cells):
                    lines.append(row.title.ljust(first) + "".join(cell.rjust(width) for cell in cells))
        return "\n".join(lines)
