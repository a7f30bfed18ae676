"""Training from tars: any sample by its number, so that order, resumption and shares stay exact.

The tars are webdataset's, and webdataset streams them; but a stream knows no sample by its number, and cannot
go on within an epoch. Here the index says where each member lies, and a sample is two reads at known places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from s2hand.datasets.base import HandDataset, SampleRecord, known_labels
from s2hand.datasets.ho3d import hand_crop
from s2hand.datasets.shards.index import read_index
from s2hand.datasets.shards.records import DETECTED_FIELDS, LABELS, decode_fields
from s2hand.datasets.shards.tars import REMEDY, TarMember
from s2hand.errors import DatasetError
from s2hand.files import require_folder
from s2hand.images.transforms import AugmentationConfig

LAYOUT = "the folder that `s2hand shard` wrote, holding training/ and evaluation/ with index.json and tars"


class ShardDataset(HandDataset):
    """A dataset that ``s2hand shard`` wrote; its samples are those of the dataset it was written from.

    Args:
        root: the folder that holds ``index.json`` and the tars.
        image_size: side of the samples' images in pixels.
        augment: random changes of training pictures; None for none.
        labels: which of ``joints``, ``vertices``, ``mask``, ``scale`` to read; None for all that are there.
        controlled_size: use only this many samples, the first ones.
        window: an epoch goes through the tars in random order, this many at a time, and shuffles samples
            only within these: then a disk reads each tar in one go. None shuffles over everything.
        seed: what the random changes are drawn with.
        crop_upright: crop about the detected hand, fingers up; see :class:`HandDataset`.
        key: config key that names ``root``, for messages.

    Raises:
        DatasetError: the folder or its index is missing or damaged, or lacks a label.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        image_size: int = 224,
        augment: AugmentationConfig | None = None,
        labels: Iterable[str] | None = None,
        controlled_size: int | None = None,
        window: int | None = None,
        seed: int = 0,
        crop_upright: bool = False,
        key: str = "shards_path",
    ):
        super().__init__(image_size=image_size, augment=augment, seed=seed, crop_upright=crop_upright)
        self.root = require_folder(root, key=key, expected=LAYOUT)
        self.index = read_index(self.root)
        self.labels = self.index.labels if labels is None else known_labels(labels, LABELS, "shards")
        if missing := self.labels - self.index.labels:
            raise DatasetError(
                f"{self.root} holds no {', '.join(sorted(missing))}: write the shards again with "
                f"--labels {' '.join(sorted(missing))}"
            )
        self.window = window
        self._size = len(self.index) if controlled_size is None else min(len(self.index), controlled_size)
        self._ends = np.cumsum(self.index.counts)
        self._check_tars()
        self._ahead = -1

    def __len__(self) -> int:
        return self._size

    def record(self, index: int, random: np.random.Generator | None = None) -> SampleRecord:
        self._read_ahead(int(np.searchsorted(self._ends, index, side="right")))
        annotations = self.member("annotations", index)
        required = ("K", *DETECTED_FIELDS) if self.index.detected else ("K",)
        values = decode_fields(annotations.read_bytes(), annotations, required)
        if wanted := self.labels - {"mask"}:
            labels = self.member("labels", index)
            found = decode_fields(labels.read_bytes(), labels, wanted)
            values |= {name: value for name, value in found.items() if name in wanted}
        if random is not None and values.get("jitter_box") is not None:
            values["crop"] = hand_crop(values["jitter_box"], random)
        return SampleRecord(
            image_path=self.member("image", index),
            mask_path=self.member("mask", index) if "mask" in self.labels else None,
            **values,
        )

    @property
    def crops_vary(self) -> bool:
        if self.augment is None or self.crop_upright:
            return False
        for index in range(len(self)):
            try:
                return self.record(index).jitter_box is not None
            except DatasetError:
                continue  # training leaves it out by name
        return False

    def image_path(self, index: int) -> Path:
        """Tar and member of a sample's image, for messages."""
        member = self.member("image", index)
        return member.tar / member.name

    def member(self, role: str, index: int) -> TarMember:
        """Where a sample's ``annotations``, ``image``, ``labels`` or ``mask`` lies.

        Raises:
            DatasetError: the sample has none.
        """
        if not self.index.members[role].suffix[index]:
            raise DatasetError(
                f"{self.root}: sample {index} has no {role}: it could not be read when it was sharded"
            )
        shard = int(np.searchsorted(self._ends, index, side="right"))
        place = self.index.members[role].place[index].tolist()
        return TarMember(self.root / self.index.files[shard], self.index.member_name(role, index), *place)

    def draw_order(self, random: np.random.Generator) -> np.ndarray:
        """The numbers of all samples in the order of an epoch; see ``window``."""
        if self.window is None:
            return super().draw_order(random)
        counts = np.diff(np.minimum(self._ends, self._size), prepend=0)
        return windowed_order(counts, self.window, random)

    def _check_tars(self) -> None:
        """Finds a tar that is missing or of another size now, not after hours."""
        for name, size in zip(self.index.files, self.index.sizes, strict=True):
            path = self.root / name
            try:
                found = path.stat().st_size
            except (OSError, ValueError):  # a damaged index may list names that no file can have
                index = self.root / "index.json"
                raise DatasetError(f"no file {str(path)!r:.300}, which {index} lists: {REMEDY}") from None
            if found < size:
                raise DatasetError(f"{path} is cut short ({found} of {size} bytes): {REMEDY}")

    def _read_ahead(self, shard: int) -> None:
        """Asks the system to read a whole tar, when an order by windows comes to it."""
        if self.window is None or shard == self._ahead or not hasattr(os, "posix_fadvise"):
            return
        self._ahead = shard
        try:
            descriptor = os.open(self.root / self.index.files[shard], os.O_RDONLY)
        except OSError:  # reading it will say what is wrong
            return
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


def windowed_order(counts: Sequence[int], window: int, random: np.random.Generator) -> np.ndarray:
    """A random order that stays within a few blocks at a time.

    Blocks are shuffled and taken ``window`` at a time; within these, samples are shuffled. With a window of
    all blocks that is a uniformly random order of everything.

    Args:
        counts: samples in each block; they are numbered through.
        window: blocks at a time, at least 1.
        random: draws the order.

    Returns:
        (sum of counts,) int64, a permutation.
    """
    starts = np.cumsum(counts) - counts
    blocks = random.permutation(len(counts))
    parts = []
    for first in range(0, len(blocks), window):
        chosen = blocks[first : first + window]
        ranges = [np.arange(starts[block], starts[block] + counts[block]) for block in chosen]
        parts.append(random.permutation(np.concatenate(ranges)))
    return np.concatenate(parts).astype(np.int64)
