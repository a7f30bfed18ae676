"""TensorBoard events of a run: curves by optimiser step, figures, the config as text, hyperparameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

CODE_INDENT = "    "
"""TensorBoard shows texts as Markdown, in which indented lines are code."""


class EventWriter:
    """Writes the events of one run.

    Nothing is written before the first event: a training that goes on from a checkpoint says by
    :meth:`continue_at` which of the events of an earlier process it repeats.

    Args:
        folder: takes the file of events.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: SummaryWriter | None = None
        self._repeated_from: int | None = None
        self._end = None

    def continue_at(self, step: int) -> None:
        """TensorBoard hides what an earlier process has written for later steps than this one."""
        self._repeated_from = step + 1

    def describe(
        self, config: Mapping[str, Any], chosen: Mapping[str, Any], metrics: Sequence[str], step: int
    ) -> None:
        """Writes the config as a text, and hyperparameters for TensorBoard's table of runs.

        Args:
            config: every key, as JSON values.
            chosen: those keys that the experiment sets itself, which the table shows.
            metrics: tags of scalars that the table shows beside them.
            step: completed optimiser steps.
        """
        text = json.dumps(config, indent=2)
        self._writer.add_text("config", "\n".join(CODE_INDENT + line for line in text.splitlines()), step)
        values = {key: _hyperparameter(value) for key, value in chosen.items() if value is not None}
        experiment, start, self._end = hparams(values, dict.fromkeys(metrics, 0.0))
        for summary in (experiment, start):
            self._writer.file_writer.add_summary(summary)

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Adds a point to each of the curves GROUP/NAME."""
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def image(self, tag: str, rgb: np.ndarray, step: int) -> None:
        """Adds a figure (H, W, 3) uint8 to those of its tag, between which a slider chooses."""
        self._writer.add_image(tag, rgb, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is buffered."""
        if self._opened is not None:
            if self._end is not None:
                self._opened.file_writer.add_summary(self._end)
            self._opened.close()

    @property
    def _writer(self) -> SummaryWriter:
        if self._opened is None:
            # Files are named after the second; those of two processes must differ even within one.
            suffix = "" if self._repeated_from is None else f".{self._repeated_from}"
            self._opened = SummaryWriter(
                str(self.folder), purge_step=self._repeated_from, filename_suffix=suffix
            )
        return self._opened


def _hyperparameter(value: Any) -> bool | float | str:
    """A value as the table takes it: lists and the like as JSON."""
    return value if isinstance(value, (bool, int, float, str)) else json.dumps(value)
