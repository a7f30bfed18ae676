"""Training in spite of a few unreadable samples: each is named, none is replaced in silence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from s2hand.datasets.base import HandDataset, Sample
from s2hand.datasets.combined import CombinedDataset
from s2hand.errors import DatasetError


class TolerantDataset(Dataset):
    """A dataset of which some samples may be unreadable; the next readable one is trained on instead.

    Not for evaluation, where every sample counts once.

    Args:
        dataset: what to read.
        max_share: of its samples that may be unreadable, in [0, 1].
    """

    def __init__(self, dataset: HandDataset | CombinedDataset, max_share: float):
        self.dataset = dataset
        self.image_size = dataset.image_size
        self.max_share = max_share
        # Shared memory: the limit holds for all loader processes together.
        self._unreadable = torch.zeros(len(dataset), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose random changes are drawn."""
        self.dataset.set_epoch(epoch)

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The order of an epoch."""
        return self.dataset.draw_order(random)

    def image_path(self, index: int) -> Path:
        """The picture of a sample, for messages."""
        return self.dataset.image_path(index)

    def __getitem__(self, index: int) -> Sample:
        """The sample, or the next one that can be read, under its own number.

        Raises:
            DatasetError: more samples than allowed turned out to be unreadable.
        """
        for step in range(len(self)):
            number = (index + step) % len(self)
            try:
                return self.dataset[number]
            except DatasetError as error:
                self._note(number, error)
        raise DatasetError("no sample of the dataset can be read")

    def _note(self, number: int, error: DatasetError) -> None:
        """Counts an unreadable sample, and names it the first time."""
        known = bool(self._unreadable[number])
        self._unreadable[number] = True
        count = int(self._unreadable.sum())
        if count > self.max_share * len(self):
            raise DatasetError(
                f"{error} ({count} of {len(self)} samples cannot be read, and max_unreadable_share is "
                f"{self.max_share:g})"
            ) from None
        if not known:
            print(f"sample {number} left out: {error}", file=sys.stderr, flush=True)
