"""The records of a run: metrics.jsonl, TensorBoard events and figures."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2hand.files import written_whole

if TYPE_CHECKING:
    from s2hand.training.events import EventWriter

METRICS_FILE = "metrics.jsonl"
"""The records of a run, one JSON object a line."""

TENSORBOARD = "tensorboard"
"""The sub-folder of TensorBoard's events."""


class RunRecorder:
    """Writes a run's losses, metrics and figures.

    Args:
        folder: the run's folder; made if missing.
        tensorboard: whether to write TensorBoard events as well.
        silent: whether to write nothing, in all processes but the main one.
    """

    def __init__(self, folder: Path | str, tensorboard: bool = True, silent: bool = False) -> None:
        self.folder, self.silent = Path(folder), silent
        self._events: EventWriter | None = None
        if silent:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if tensorboard:
            from s2hand.training.events import EventWriter  # its library takes a while to import

            self._events = EventWriter(self.folder / TENSORBOARD)

    def begin(
        self, step: int, config: Mapping[str, Any], chosen: Mapping[str, Any], metrics: Sequence[str]
    ) -> None:
        """Tells TensorBoard about a training that begins or goes on.

        Args:
            step: completed optimiser steps; events of later ones, of an earlier process, are hidden.
            config: every key, as JSON values.
            chosen: those keys that the experiment sets itself.
            metrics: names of metrics that the table of runs shows, with their dataset where it is named.
        """
        if self._events:
            self._events.continue_at(step)
            self._events.describe(config, chosen, [f"evaluation/{name}" for name in metrics], step)

    def steps(self, values: Mapping[str, float], *, step: int) -> None:
        """Adds what happened since the last steps to TensorBoard's curves train/NAME.

        Args:
            values: name -> number, such as the mean of a loss over some batches.
            step: completed optimiser steps.
        """
        if self._events:
            self._events.scalars("train", values, step)

    def record(self, kind: str, values: dict[str, Any], *, epoch: int, step: int) -> None:
        """Appends one line to metrics.jsonl and the numbers to TensorBoard.

        Args:
            kind: "train" or "evaluation"; TensorBoard calls the means of an epoch's training "epoch", since
                those of single steps are its "train".
            values: name -> number.
            epoch: completed epochs.
            step: completed optimiser steps.
        """
        if self.silent:
            return
        numbers = {name: float(value) for name, value in values.items()}
        line = {"kind": kind, "epoch": epoch, "step": step, "time": round(time.time(), 3)}
        # JSON has no NaN: a number that is not finite is written as null.
        line |= {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        _append_line(self.folder / METRICS_FILE, json.dumps(line))
        if self._events:
            self._events.scalars("epoch" if kind == "train" else kind, numbers, step)

    def figure(self, tag: str, name: str, rgb: np.ndarray, *, step: int) -> Path:
        """Saves a figure as ``pictures/NAME.jpg`` and in TensorBoard.

        Args:
            tag: what it shows, the same at every step, such as a dataset.
            name: the file's name without its ending.
            rgb: (H, W, 3) uint8.
            step: completed optimiser steps.

        Returns:
            The file.
        """
        import cv2

        path = self.folder / "pictures" / f"{name}.jpg"
        if self.silent:
            return path
        with written_whole(path) as partial:
            cv2.imwrite(str(partial), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        if self._events:
            self._events.image(f"samples/{tag}", rgb, step)
        return path

    def close(self) -> None:
        """Writes what is buffered."""
        if self._events:
            self._events.close()


def _append_line(path: Path, text: str) -> None:
    """Appends a line in one write, so that a kill leaves all of it or nothing; first ends a torn line."""
    with open(path, "a+b", buffering=0) as file:
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write(b"\n" * torn + text.encode() + b"\n")
