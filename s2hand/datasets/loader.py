"""From samples to batches: collation, and an order that can be resumed and shared out."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from s2hand.datasets.base import HandDataset, Sample
from s2hand.datasets.combined import CombinedDataset
from s2hand.errors import DatasetError
from s2hand.structures import HandBatch

GRACE_S = 10
"""How long a worker outlives a SIGTERM, in case the main process still needs its batches."""


def collate_hands(samples: Sequence[Sample]) -> HandBatch:
    """Stacks samples; images become float RGB in [0, 1].

    Args:
        samples: B samples with the same fields.

    Returns:
        The batch; fields that the samples lack are None.
    """
    stacked = {name: np.stack([sample[name] for sample in samples]) for name in samples[0] if name != "image"}
    # Channels are taken apart as bytes, in cache: on the batch in float it takes ten times as long.
    stacked["image"] = np.stack([cv2.split(sample["image"]) for sample in samples])
    return HandBatch(**{name: _as_tensor(array) for name, array in stacked.items()})


def _as_tensor(array: np.ndarray) -> torch.Tensor:
    """Images, which are bytes, become float32 in [0, 1]; the rest stays as it is."""
    tensor = torch.from_numpy(array)
    return tensor.to(torch.float32).div_(255) if tensor.dtype == torch.uint8 else tensor


class EpochBatchSampler(Sampler[list[int]]):
    """Batches of sample numbers in an order that depends on (seed, epoch) alone.

    Args:
        num_samples: size of the dataset.
        batch_size: samples in a batch (of each process).
        shuffle: draw a new order each epoch.
        seed: what the order is drawn with.
        drop_last: leave out a last batch that is not full.
        rank: this process's number among ``world_size``: process r takes samples r, r + world_size, ... of
            the common order.
        world_size: number of processes. To give each as many samples, up to world_size - 1 samples are
            left out (``drop_last``) or repeated from the order's start.
        draw_order: draws a permutation of the sample numbers; None makes each as likely as any other.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        draw_order: Callable[[np.random.Generator], np.ndarray] | None = None,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be in 0..{world_size - 1}, got {rank}")
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
        self.draw_order = draw_order or (lambda random: random.permutation(num_samples))
        self.set_epoch(0)

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Chooses the next epoch's order and its first batch, to go on within an epoch."""
        self.epoch = epoch
        self.start_batch = start_batch

    def _share(self, count: int, parts: int) -> int:
        """``count / parts``, rounded down where the rest is dropped, else up."""
        return count // parts if self.drop_last else -(-count // parts)

    @property
    def batches_per_epoch(self) -> int:
        return self._share(self._share(self.num_samples, self.world_size), self.batch_size)

    def __len__(self) -> int:
        """Batches from ``start_batch`` on."""
        return max(0, self.batches_per_epoch - self.start_batch)

    def _order(self) -> np.ndarray:
        """Sample numbers of this process in this epoch."""
        if self.shuffle:
            order = self.draw_order(np.random.default_rng((self.seed, self.epoch)))
        else:
            order = np.arange(self.num_samples)
        order = np.resize(order, self._share(self.num_samples, self.world_size) * self.world_size)
        return order[self.rank :: self.world_size]

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for batch in range(self.start_batch, self.batches_per_epoch):
            yield order[batch * self.batch_size : (batch + 1) * self.batch_size].tolist()


class HandLoader(DataLoader):
    """A DataLoader of :class:`HandBatch` whose epoch and first batch can be set."""

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Chooses order and augmentation of the next iteration. Call it before, not during, an iteration.

        Args:
            epoch: its number.
            start_batch: batches to skip, when an epoch is resumed.
        """
        self.dataset.set_epoch(epoch)
        self.batch_sampler.set_epoch(epoch, start_batch)

    def __iter__(self) -> Iterator[HandBatch]:
        try:
            yield from super().__iter__()
        except DatasetError as error:
            # PyTorch puts a worker's whole traceback into the message; its last line is what was meant.
            raise DatasetError(str(error).rsplit("DatasetError: ", 1)[-1].strip()) from None

    def close(self) -> None:
        """Ends the worker processes; the next iteration would start new ones."""
        if self._iterator is not None:
            self._iterator._shutdown_workers()
            self._iterator = None


def make_loader(
    dataset: HandDataset | CombinedDataset,
    batch_size: int,
    *,
    num_workers: int = 0,
    seed: int = 0,
    pin_memory: bool = False,
    **order: Any,
) -> HandLoader:
    """Builds the loader of a dataset.

    Args:
        dataset: what to load.
        batch_size: samples in a batch.
        num_workers: processes that read; 0 reads in this one.
        seed: what the order is drawn with; the dataset has its own.
        pin_memory: put batches where they copy to a GPU without waiting.
        order: further arguments of :class:`EpochBatchSampler`.
    """
    draw_order = dataset.draw_order
    sampler = EpochBatchSampler(len(dataset), batch_size, seed=seed, draw_order=draw_order, **order)
    return HandLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate_hands,
        pin_memory=pin_memory,
        worker_init_fn=start_worker,
        # Draws the workers' own seeds, which nothing here uses, from a generator apart: torch's global
        # random state, and so a run's result, does not depend on the number of workers.
        generator=torch.Generator().manual_seed(seed),
        persistent_workers=num_workers > 0,
    )


def start_worker(worker_id: int) -> None:
    """Prepares a loader's process: one core for it, and signals left to the main one."""
    # One core a worker: OpenCV's threads on top of the workers only get in each other's way.
    cv2.setNumThreads(0)
    # Ctrl-C and a job's end reach every process. The main one answers them, after the batch in hand, and ends
    # its workers; if it died instead, they leave on their own.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):  # not on Windows
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE_S))
