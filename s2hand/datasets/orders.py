"""Random orders of an epoch's samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
