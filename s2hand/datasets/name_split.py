"""Training and evaluation parts of what has no official ones, told by names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("training", "evaluation")


def in_split(names: Sequence[str], split: str, val_share: float) -> np.ndarray:
    """Which pictures are in a split, (N,) bool.

    A picture is for evaluation if the hash of its name, a number in [0, 1), is below the share. If that
    leaves a split of several pictures empty, it gets the one picture nearest to it.
    """
    if val_share == 0:
        return np.ones(len(names), bool)
    hashes = np.array([_name_hash(name) for name in names])
    evaluation = hashes < val_share
    if 0 < val_share < 1 and len(set(names)) > 1:
        if not evaluation.any():
            evaluation = hashes == hashes.min()
        elif evaluation.all():
            evaluation = hashes != hashes.max()
    return evaluation if split == "evaluation" else ~evaluation


def _name_hash(name: str) -> float:
    """A number in [0, 1) that depends on a name alone."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48
