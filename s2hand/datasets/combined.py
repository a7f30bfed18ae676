"""Several datasets as one; a few samples may be unreadable, and each of these is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from s2hand.datasets.base import HandDataset, Sample
from s2hand.datasets.sample_record import SampleRecord
from s2hand.errors import DatasetError


class CombinedDataset(Dataset):
    """Datasets one after the other; sample numbers run on.

    In place of a sample that cannot be read comes the next one that can, which suits training but not
    evaluation, where every sample counts once.

    Args:
        datasets: at least one, all with the same image size.
        max_unreadable_share: share of the samples, in [0, 1], that may be unreadable.

    Raises:
        DatasetError: there is no dataset, or their image sizes differ.
    """

    def __init__(self, datasets: Sequence[HandDataset | CombinedDataset], max_unreadable_share: float = 0.0):
        sizes = {dataset.image_size for dataset in datasets}
        if len(sizes) != 1:
            raise DatasetError(f"expected datasets of one image size, got {sorted(sizes)}")
        self.datasets = list(datasets)
        self.image_size = sizes.pop()
        self.max_unreadable_share = max_unreadable_share
        self._ends = list(accumulate(len(dataset) for dataset in self.datasets))
        # Shared memory: the limit holds for all loader processes together.
        self._unreadable = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return self._ends[-1]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch for which random changes are drawn, in every dataset."""
        for dataset in self.datasets:
            dataset.set_epoch(epoch)

    def find_silhouettes(self) -> None:
        """From now on, samples hold the silhouettes that are found before plain backgrounds."""
        for dataset in self.datasets:
            dataset.find_silhouettes()

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The order of an epoch: each dataset's own order, and at each place one of them by chance."""
        orders = [dataset.draw_order(random) for dataset in self.datasets]
        starts = np.subtract(self._ends, [len(order) for order in orders])
        sources = random.permutation(np.repeat(np.arange(len(orders)), [len(order) for order in orders]))
        mixed = np.empty(len(self), np.int64)
        for number, order in enumerate(orders):
            mixed[sources == number] = order + starts[number]
        return mixed

    def take_fits(self, joints: np.ndarray) -> None:
        """From now on, samples hold fitted hands: see :meth:`HandDataset.take_fits`; samples run on."""
        parts = np.split(joints, self._ends[:-1])
        for dataset, own in zip(self.datasets, parts, strict=True):
            dataset.take_fits(own)

    def record(self, index: int) -> SampleRecord:
        """What is known of a sample."""
        dataset, own_index = self._locate(index)
        return dataset.record(own_index)

    def records(self) -> list[SampleRecord | None]:
        """What is known of every sample; None for those that cannot be looked up.

        Raises:
            DatasetError: more samples than allowed cannot be.
        """
        found: list[SampleRecord | None] = []
        for dataset in self.datasets:
            for index in range(len(dataset)):
                try:
                    found.append(dataset.record(index))
                except DatasetError as error:
                    self._leave_out(len(found), error)
                    found.append(None)
        return found

    @property
    def num_left_out(self) -> int:
        """How many samples turned out to be unreadable until now, in any process."""
        return int(self._unreadable.sum())

    @property
    def crops_vary(self) -> bool:
        """See :attr:`HandDataset.crops_vary`."""
        return any(dataset.crops_vary for dataset in self.datasets)

    def image_path(self, index: int) -> Path:
        """The image file of a sample, for messages."""
        dataset, own_index = self._locate(index)
        return dataset.image_path(own_index)

    def summary(self) -> str:
        """The summaries of the datasets, one in each line."""
        return "\n".join(filter(None, (dataset.summary() for dataset in self.datasets)))

    def __getitem__(self, index: int) -> Sample:
        """The sample, or the next one that can be read, under its own number.

        Raises:
            DatasetError: more samples than allowed turned out to be unreadable.
        """
        for step in range(len(self)):
            number = (index + step) % len(self) if step else index
            dataset, own_index = self._locate(number)
            try:
                return {**dataset[own_index], "index": np.int64(number)}
            except DatasetError as error:
                self._leave_out(number, error)
        raise DatasetError("no sample of the dataset can be read")

    def _leave_out(self, number: int, error: DatasetError) -> None:
        """Counts an unreadable sample, and names it the first time; raises the error if it may not be."""
        if not self.max_unreadable_share:
            raise error
        known = bool(self._unreadable[number])
        self._unreadable[number] = True
        count = self.num_left_out
        if count > self.max_unreadable_share * len(self):
            raise DatasetError(
                f"{error} ({count} of {len(self)} samples cannot be read, and max_unreadable_share is "
                f"{self.max_unreadable_share:g})"
            ) from None
        if not known:
            print(f"sample {number} left out: {error}", file=sys.stderr, flush=True)

    def _locate(self, index: int) -> tuple[HandDataset, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[number], index - (self._ends[number - 1] if number else 0)
