"""Reader of keypoints in a table: a line a hand, with the header that :func:`header` gives."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np

from s2hand.datasets.json_files import as_array
from s2hand.detection.imported_hands import ImageRef, ImportedHand, hand_of, require, side
from s2hand.errors import DatasetError, shown
from s2hand.skeleton import NUM_JOINTS

SHORT_HEADER = f"image,hand,x0,y0,c0,...,x{NUM_JOINTS - 1},y{NUM_JOINTS - 1},c{NUM_JOINTS - 1}"


def header(confidences: bool = True) -> list[str]:
    """The names of the columns, in any order in a file; the c columns may be left out, all of them."""
    letters = "xyc" if confidences else "xy"
    return ["image", "hand", *(f"{letter}{joint}" for joint in range(NUM_JOINTS) for letter in letters)]


def is_csv(text: str) -> bool:
    """Whether a text starts with such a header."""
    return {"image", "hand", "x0", "y0"} <= set(_columns(text.partition("\n")[0]))


def read_csv(text: str, path: str) -> Iterator[ImportedHand | None]:
    """Reads a table; None for each line without a joint.

    Args:
        text: the file's text.
        path: the file, for messages.

    Yields:
        A hand a line. Empty x and y stand for a missed joint, and an empty hand for one of unknown side.

    Raises:
        DatasetError: the header or a line does not fit.
    """
    try:
        yield from _read_lines(text, path)
    except csv.Error as error:  # a field may have 131,072 characters
        raise DatasetError(
            f"{path}: not a sound table ({error}); expected the header {SHORT_HEADER}"
        ) from None


def _read_lines(text: str, path: str) -> Iterator[ImportedHand | None]:
    """The hands of all lines; what the csv module raises is left to the caller."""
    lines = csv.reader(io.StringIO(text))
    columns = _columns(text.partition("\n")[0])
    confidences = any(name.startswith("c") for name in columns)
    needed = header(confidences)
    missing = [name for name in needed if name not in columns]
    strange = [name for name in columns if name not in needed]
    twice = len(columns) != len(set(columns))
    require(
        not (missing or strange or twice),
        f"{path}: expected the header {SHORT_HEADER}"
        + (f"; {missing[0]} is missing" if missing else "")
        + (f"; {shown(strange[0])} is not a column of it" if strange else "")
        + ("; a column is there twice" if twice else ""),
    )
    next(lines)
    letters = "xyc" if confidences else "xy"
    places = [[columns.index(f"{letter}{joint}") for letter in letters] for joint in range(NUM_JOINTS)]
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        what = f"{path}, line {lines.line_num}"
        require(len(line) == len(columns), f"{what}: expected {len(columns)} values, got {len(line)}")
        points = _numbers([[line[place] for place in joint] for joint in places], what)
        found = ~np.isnan(points).any(-1)
        confidence = (points[:, 2] if confidences else np.ones(NUM_JOINTS)) * found
        image = line[columns.index("image")].strip()
        require(bool(image), f"{what}: the image's name is missing")
        yield hand_of(
            ImageRef(image),
            side(line[columns.index("hand")].strip(), what),
            np.where(found[:, None], points[:, :2], 0),
            np.where(found, confidence, 0).astype(np.float32),
        )


def _columns(line: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _numbers(cells: list[list[str]], what: str) -> np.ndarray:
    """(21, 2 or 3) float64; NaN rows where cells are empty."""
    points = np.full((len(cells), len(cells[0])), np.nan)
    for joint, row in enumerate(cells):
        if not row[0].strip() and not row[1].strip():
            continue
        try:
            values = [float(cell) for cell in row]
        except ValueError:
            raise DatasetError(
                f"{what}: expected numbers for joint {joint}, got {shown(','.join(row))}"
            ) from None
        points[joint] = as_array(values, (len(row),), what=f"{what}, joint {joint}")
    return points
