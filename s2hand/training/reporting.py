"""The records of a run: metrics.jsonl, TensorBoard events and figures."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.files import written_whole

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
        self._writer = None
        if silent:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if tensorboard:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self.folder / TENSORBOARD))

    def record(self, kind: str, values: dict[str, Any], *, epoch: int, step: int) -> None:
        """Appends one line to metrics.jsonl and the numbers to TensorBoard.

        Args:
            kind: "train" or "evaluation"; also the TensorBoard group.
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
        if self._writer:
            for name, value in numbers.items():
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def figure(self, name: str, rgb: np.ndarray, *, step: int) -> Path:
        """Saves a figure as ``pictures/NAME.jpg`` and in TensorBoard.

        Args:
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
        if self._writer:
            self._writer.add_image(name, rgb, step, dataformats="HWC")
        return path

    def close(self) -> None:
        """Writes what is buffered."""
        if self._writer:
            self._writer.close()


def _append_line(path: Path, text: str) -> None:
    """Appends a line in one write, so that a kill leaves all of it or nothing; first ends a torn line."""
    with open(path, "a+b", buffering=0) as file:
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write(b"\n" * torn + text.encode() + b"\n")
