"""Views of hands gathered to batches, and as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from s2hand.prediction.hand_views import HandView
from s2hand.skeleton import NUM_JOINTS
from s2hand.structures import HandBatch

T = TypeVar("T")
Group = tuple[T, Sequence[HandView]]
"""A photo, a frame or whatever else, and the hands in it, perhaps none."""


def chunks(groups: Iterable[Group], batch_size: int) -> Iterator[list[Group]]:
    """Gathers groups until they hold a batch of hands, or that many groups, so that few are in memory."""
    chunk, count = [], 0
    for group in groups:
        chunk.append(group)
        count += len(group[1])
        if max(count, len(chunk)) >= batch_size:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def together(items: Iterable[T], count: int) -> Iterator[tuple[T, ...]]:
    """So many items after the other at a time, and the rest."""
    items = iter(items)
    while several := tuple(islice(items, count)):
        yield several


def as_batch(views: Sequence[HandView]) -> HandBatch:
    """The views as tensors; a hand without detected keypoints has confidences of 0."""
    keypoints, confidence = np.zeros((len(views), NUM_JOINTS, 2)), np.zeros((len(views), NUM_JOINTS))
    for row, view in enumerate(views):
        if view.keypoints is not None:
            keypoints[row], confidence[row] = view.keypoints_seen(), view.confidence
    return HandBatch(
        image=torch.stack([_as_input(view.image()) for view in views]),
        K=torch.from_numpy(np.stack([view.square.K for view in views])).float(),
        index=torch.arange(len(views)),
        keypoints_2d=torch.from_numpy(keypoints).float(),
        confidence=torch.from_numpy(confidence).float(),
    )


def _as_input(image: np.ndarray) -> Tensor:
    """(S, S, 3), uint8 or in [0, 1], as (3, S, S) float32 in [0, 1]."""
    tensor = torch.from_numpy(image).permute(2, 0, 1).float()
    return tensor / 255 if image.dtype == np.uint8 else tensor
