"""Several datasets as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from s2hand.datasets.base import HandDataset, Sample
from s2hand.errors import DatasetError


class CombinedDataset(Dataset):
    """Datasets one after the other; sample numbers run on.

    Args:
        datasets: at least one, all with the same image size.

    Raises:
        DatasetError: there is none, or their image sizes differ.
    """

    def __init__(self, datasets: Sequence[HandDataset]):
        sizes = {dataset.image_size for dataset in datasets}
        if len(sizes) != 1:
            raise DatasetError(f"expected datasets of one image size, got {sorted(sizes)}")
        self.datasets = list(datasets)
        self.image_size = sizes.pop()
        self._ends = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self._ends[-1]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose random changes are drawn, in every dataset."""
        for dataset in self.datasets:
            dataset.set_epoch(epoch)

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The order of an epoch: each dataset's own order, and at each place one of them by chance."""
        orders = [dataset.draw_order(random) for dataset in self.datasets]
        starts = np.subtract(self._ends, [len(order) for order in orders])
        sources = random.permutation(np.repeat(np.arange(len(orders)), [len(order) for order in orders]))
        mixed = np.empty(len(self), np.int64)
        for number, order in enumerate(orders):
            mixed[sources == number] = order + starts[number]
        return mixed

    def image_path(self, index: int) -> Path:
        """The picture of a sample, for messages."""
        dataset, own_index = self._locate(index)
        return dataset.image_path(own_index)

    def __getitem__(self, index: int) -> Sample:
        dataset, own_index = self._locate(index)
        return {**dataset[own_index], "index": np.int64(index)}

    def _locate(self, index: int) -> tuple[HandDataset, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        start = self._ends[number - 1] if number else 0
        return self.datasets[number], index - start
