"""What a lift learns from: random hands, hands of generated images, and hands of photos without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.utils.data import Dataset

from s2hand.hand import HandModel
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.random_hands import RandomHands, RandomHandSource
from s2hand.structures import TensorStruct

FIRST_BATCH_SEED, SEEDS_OF_A_RUN, SEED_LIMIT = 1_000_000, 1_000_003, 2**63
"""Batch n of a run with seed s is drawn with seed ``FIRST_BATCH_SEED + s * SEEDS_OF_A_RUN + n``, modulo the
limit that random generators set."""

HELD_OUT_SEED = 10_000
"""Seed of the hands on which errors are measured; no batch is drawn with it."""

PHOTO_SHARE = 0.5
"""Hands of photos in a batch, over random ones: they tell less, and there are fewer of them."""

Rows = TypeVar("Rows", bound=TensorStruct)


@dataclass(frozen=True)
class SeenHands(TensorStruct):
    """Hands of images, as the detector's network sees them.

    Attributes:
        generated: hands of generated images, with the generator's truth; None without such images.
        photos: hands of photos, of which nothing but their landmarks is known; None without photos.
    """

    generated: RandomHands | None = None
    photos: HandLandmarks | None = None


@dataclass(frozen=True)
class LiftBatch(TensorStruct):
    """Hands of one step.

    Attributes:
        random: hands drawn at random, with simulated landmarks.
        seen: those of images; its fields are None where the run has no such images.
    """

    random: RandomHands
    seen: SeenHands = SeenHands()

    def __len__(self) -> int:
        """The number of random hands."""
        return len(self.random)

    @property
    def extent(self) -> str:
        """What a message says of their number."""
        return self.random.extent


class LiftBatches(Dataset):
    """Batches by number; the same number always gives the same hands.

    Args:
        hand_model: the hand that is drawn.
        fingertips: which vertices stand for the tips, a key of ``skeleton.FINGERTIP_VERTICES``.
        batch_size: random hands in a batch, and as many of generated images.
        seed: the run's seed.
        seen: all hands of images, of which each batch draws some.
    """

    def __init__(
        self,
        hand_model: HandModel,
        fingertips: str,
        batch_size: int,
        seed: int,
        seen: SeenHands | None = None,
    ) -> None:
        self.chains = mediapipe_chain(hand_model, fingertips), mediapipe_world_chain(hand_model, fingertips)
        self.batch_size, self.seed, self.seen = batch_size, seed, seen or SeenHands()

    def __getitem__(self, number: int) -> LiftBatch:
        seed = (FIRST_BATCH_SEED + self.seed * SEEDS_OF_A_RUN + number) % SEED_LIMIT
        random = torch.Generator().manual_seed(seed)
        photos = max(round(PHOTO_SHARE * self.batch_size), 1)
        return LiftBatch(
            random=RandomHandSource(seed, *self.chains).draw(self.batch_size),
            seen=SeenHands(
                generated=_some(self.seen.generated, self.batch_size, random),
                photos=_some(self.seen.photos, photos, random),
            ),
        )

    def held_out(self, count: int) -> RandomHands:
        """``count`` random hands that are in no batch, the same in every run."""
        return RandomHandSource(HELD_OUT_SEED, *self.chains).draw(count)


def _some(hands: Rows | None, count: int, random: torch.Generator) -> Rows | None:
    """``count`` of the hands, drawn with repetition."""
    if hands is None:
        return None
    rows = hands.rays if isinstance(hands, HandLandmarks) else hands.joints
    return hands.select(torch.randint(len(rows), (count,), generator=random))
