"""Where a training stands, and the means of its losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from s2hand.errors import shown
from s2hand.runtime.distributed import ALONE, Processes

LARGEST = 2**53
"""No count of a training comes near it."""

_COUNT, _COUNT_OR_NONE = (Integral,), (Integral, type(None))
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("epoch", "batch", "step", "skipped", "batch_images"), _COUNT),
    **dict.fromkeys(("best_epoch", "evaluated"), _COUNT_OR_NONE),
    **{"best": (Real, type(None)), "best_metric": (str, type(None))},
    "focal_range": (tuple, list, type(None)),
}
"""What the entries of a stored progress are."""


@dataclass
class Progress:
    """The state of a training; saved with every checkpoint.

    Attributes:
        epoch: completed epochs.
        batch: completed batches of the current epoch.
        step: completed optimiser steps.
        skipped: batches that were skipped because their loss was not finite.
        best: the lowest value so far of the metric that marks the best checkpoint.
        best_metric: the name of that metric.
        best_epoch: the number of epochs after which it was reached.
        evaluated: the number of epochs after which the last evaluation succeeded; None in older checkpoints.
        batch_images: images of one batch, all processes together; 0: unknown.
        focal_range: smallest and largest focal length over image side that was trained on; None: unknown.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    skipped: int = 0
    best: float | None = None
    best_metric: str | None = None
    best_epoch: int | None = None
    evaluated: int | None = None
    batch_images: int = 0
    focal_range: tuple[float, float] | None = None

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Progress:
        """Takes up what a checkpoint holds.

        Raises:
            ValueError: an entry is unknown or of a wrong kind.
        """
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, KINDS.get(name, ())):
                raise ValueError(f"progress: {shown(name)} of type {type(value).__name__}")
            if isinstance(value, Integral) and not 0 <= value <= LARGEST:
                raise ValueError(f"progress: {name} is not in 0..{LARGEST}")
        focal_range = values.get("focal_range")
        if focal_range is not None and list(map(type, focal_range)) != [float, float]:
            raise ValueError("progress: focal_range is not two numbers")
        return cls(**values)

    def note_cameras(self, K: Tensor, image_size: int) -> None:
        """Widens ``focal_range`` to the cameras (B, 3, 3) of a batch, in pixels of images of this side."""
        focal = torch.diagonal(K[:, :2, :2], dim1=1, dim2=2) / image_size
        low, high = self.focal_range or (math.inf, 0.0)
        self.focal_range = min(low, float(focal.min())), max(high, float(focal.max()))

    def place_among(self, batch_images: int) -> None:
        """Converts the place within the epoch to batches of another size.

        It is rounded down: some images, fewer than a batch, may be used twice in this epoch.
        """
        if self.batch_images and batch_images:
            self.batch = self.batch * self.batch_images // batch_images
        self.batch_images = batch_images or self.batch_images

    def note_score(self, metric: str, score: float) -> bool:
        """Takes note of an evaluation, and returns whether it is the best so far.

        A score that is not finite never is. Scores of another metric than before begin anew.
        """
        if not math.isfinite(score):
            return False
        is_other = self.best_metric not in (None, metric)  # older checkpoints do not name it
        if self.best is not None and not is_other and score >= self.best:
            return False
        self.best, self.best_metric, self.best_epoch = score, metric, self.epoch
        return True


@dataclass
class Averages:
    """Running means of the losses of an epoch, kept on the device to avoid synchronisation."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Adds the losses of a batch; a skipped batch has none and does not count."""
        if not values:
            return
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach().float()
        self.count += 1

    def copy(self) -> Averages:
        """The means so far, which further batches do not change."""
        return Averages(dict(self.sums), self.count)

    def since(self, earlier: Averages) -> Averages:
        """The means over the batches after those of a copy."""
        sums = {name: total - earlier.sums.get(name, 0) for name, total in self.sums.items()}
        return Averages(sums, self.count - earlier.count)

    def means(self, processes: Processes = ALONE) -> dict[str, float]:
        """Loss name -> mean over the batches of all processes, which must call this together."""
        if not self.count:
            return {}
        totals = processes.mean(torch.stack(list(self.sums.values())))
        return dict(zip(self.sums, (totals / self.count).tolist(), strict=True))
