"""What the bundled detector says about a hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from s2hand.skeleton import NUM_JOINTS

BOX_MARGIN = 0.1
"""Kept about the keypoints, in longer sides of their box: flesh reaches beyond the joints. Of 0, 0.1, 0.2 and
0.3 this gave the best overlap with hand boxes drawn by people (median IoU 0.82)."""

SAME_HAND = 0.4
"""Two readings whose keypoints are nearer than this share of the larger hand's size, on average, are one
hand. In photos of single hands that were read twice it is 0.2 to 0.48, between two hands 0.9 and more."""


@dataclass(frozen=True)
class DetectedHand:
    """One hand of a photo. Pixel i of the photo covers [i, i + 1); joints in FreiHAND's order.

    Attributes:
        keypoints: (21, 2) px.
        depth: (21,) px, relative to the wrist, smaller nearer; flatter than the truth.
        world: (21, 3) metres about the hand's middle, x right, y down, z away, as the photo shows the hand.
        confidence: (21,) probability that the keypoint is right, as :mod:`confidence` defines it.
        presence: probability that there is a hand.
        handedness: "left" or "right", as the hand is in an unmirrored photo.
        handedness_score: probability of that, 0.5 to 1.
        square: (4,) centre x, y and side in px and rotation in radians of the square that was looked at.
        box: (4,) px left, top, right, bottom of the hand; may reach beyond the photo.
        world_spread: (21,) metres, mean distance of several looks at ``world`` from it; None after one look.
    """

    keypoints: np.ndarray
    depth: np.ndarray
    world: np.ndarray
    confidence: np.ndarray
    presence: float
    handedness: str
    handedness_score: float
    square: np.ndarray
    box: np.ndarray
    world_spread: np.ndarray | None = None

    def moved(self, offset: Sequence[float]) -> DetectedHand:
        """The hand of a part of a photo in pixels of the whole, whose part begins at ``offset`` (2,) px."""
        return replace(
            self,
            keypoints=self.keypoints + np.asarray(offset),
            square=self.square + np.array([*offset, 0, 0]),
            box=self.box + np.array([*offset, *offset]),
        )


@dataclass(frozen=True)
class HandReadings:
    """What the landmark network says about N squares, in the photos' frames.

    Attributes:
        keypoints: (N, 21, 2) px of the photo.
        depth: (N, 21) px of the photo.
        world: (N, 21, 3) m.
        presence: (N,) probability of a hand.
        right: (N,) probability of a right one.
        squares: (N, 4) that were looked at.
    """

    keypoints: np.ndarray
    depth: np.ndarray
    world: np.ndarray
    presence: np.ndarray
    right: np.ndarray
    squares: np.ndarray

    def __getitem__(self, which: np.ndarray | slice) -> HandReadings:
        """Some of them."""
        return HandReadings(**{name: array[which] for name, array in vars(self).items()})

    @classmethod
    def none(cls) -> HandReadings:
        """The readings where no square was looked at: every array has no rows."""
        joints = (0, NUM_JOINTS)
        return cls(
            keypoints=np.empty((*joints, 2)),
            depth=np.empty(joints),
            world=np.empty((*joints, 3)),
            presence=np.empty(0),
            right=np.empty(0),
            squares=np.empty((0, 4)),
        )

    @classmethod
    def joined(cls, parts: Sequence[HandReadings]) -> HandReadings:
        """All squares of some readings."""
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
        )

    def hands(self, confidence: np.ndarray, world_spread: np.ndarray | None = None) -> list[DetectedHand]:
        """One record each.

        Args:
            confidence: (N, 21).
            world_spread: (N, 21) metres, or None.
        """
        boxes = boxes_of_keypoints(self.keypoints)
        return [
            DetectedHand(
                keypoints=self.keypoints[i],
                depth=self.depth[i],
                world=self.world[i],
                confidence=confidence[i],
                presence=float(self.presence[i]),
                handedness="right" if right > 0.5 else "left",
                handedness_score=float(max(right, 1 - right)),
                square=self.squares[i],
                box=boxes[i],
                world_spread=None if world_spread is None else world_spread[i],
            )
            for i, right in enumerate(self.right)
        ]


def hand_sizes(keypoints: np.ndarray) -> np.ndarray:
    """(N,) longer sides of the boxes of (N, 21, 2) keypoints."""
    return np.ptp(keypoints, axis=1).max(axis=1)


def boxes_of_keypoints(keypoints: np.ndarray) -> np.ndarray:
    """(N, 4) left, top, right, bottom of hands with (N, 21, 2) keypoints."""
    margin = BOX_MARGIN * hand_sizes(keypoints)[:, None]
    return np.concatenate([keypoints.min(axis=1) - margin, keypoints.max(axis=1) + margin], axis=1)


def same_hands(keypoints: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) whether readings with (N, 21, 2) and (M, 21, 2) keypoints are of one hand."""
    distances = np.linalg.norm(keypoints[:, None] - others[None], axis=-1).mean(axis=-1)
    return distances < SAME_HAND * np.maximum(hand_sizes(keypoints)[:, None], hand_sizes(others)[None])


def without_repetitions(keypoints: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Which hands of a photo to keep, so that none is there twice.

    Args:
        keypoints: (N, 21, 2) px.
        presence: (N,); of two that are the same hand the likelier stays.

    Returns:
        Indices in ascending order.
    """
    same = same_hands(keypoints, keypoints)
    kept: list[int] = []
    for index in np.argsort(-presence, kind="stable"):
        if not same[index, kept].any():
            kept.append(int(index))
    return np.array(sorted(kept), int)
