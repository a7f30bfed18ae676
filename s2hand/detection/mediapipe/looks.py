"""Several looks at one hand: closer, turned, mirrored and smaller; their median, and how far they lie apart.

A network is not quite equivariant: what it answers to a turned picture is not its turned answer. Where the
looks agree the landmark is usually right. The first look's square is guessed from a palm, the others' follows
from the landmarks that the first one read, and shows the hand better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s2hand.detection.mediapipe.records import HandReadings, hand_sizes
from s2hand.detection.mediapipe.squares import photo_from_square, rotate, transform
from s2hand.models.mediapipe.landmarks import DEPTH_SCALE, HAND_IMAGE_SIZE


@dataclass(frozen=True)
class Look:
    """One way to look at a hand.

    Attributes:
        degrees: how far its square is turned.
        scale: how large the hand is in the square's picture, relative to a plain look.
        mirrored: whether the picture is.
    """

    degrees: float = 0.0
    scale: float = 1.0
    mirrored: bool = False

    def squares(self, squares: np.ndarray) -> np.ndarray:
        """(N, 4) the squares to look at in place of (N, 4)."""
        return np.column_stack(
            [squares[:, :2], squares[:, 2] / self.scale, squares[:, 3] + np.radians(self.degrees)]
        )


PLAIN_LOOK = Look()

LOOKS = (
    PLAIN_LOOK,
    PLAIN_LOOK,
    Look(mirrored=True),
    Look(20, scale=0.85, mirrored=True),
    Look(-20, scale=0.85),
)
"""The first at the palm's square, the others at that of the landmarks, each with its mirror image, so that a
mirrored photo has the mirrored hand. On generated images and real frames with known joints, these serve as
well as more of them, and better than six at the palm's square."""


def readings_in_photo(
    look: Look,
    landmarks: np.ndarray,
    presence: np.ndarray,
    right: np.ndarray,
    world: np.ndarray,
    squares: np.ndarray,
) -> HandReadings:
    """The landmark network's answers to a look, in the photos' frames.

    Args:
        look: whose mirroring is undone.
        landmarks: (N, 21, 3) as the network gives them; likewise the next three.
        presence: (N,).
        right: (N,).
        world: (N, 21, 3).
        squares: (N, 4) that the look showed.
    """
    places, depth = landmarks[..., :2], landmarks[..., 2]
    if look.mirrored:
        # The last pixel's middle comes to lie where the first one's was.
        places = np.array([HAND_IMAGE_SIZE - 1, 0]) + places * (-1, 1)
        world = world * (-1, 1, 1)
        right = 1 - right
    return HandReadings(
        keypoints=transform(places, photo_from_square(squares, HAND_IMAGE_SIZE)),
        depth=depth / DEPTH_SCALE * squares[:, 2, None] / HAND_IMAGE_SIZE,
        world=rotate(world, squares[:, 3]),
        presence=presence,
        right=right,
        squares=squares,
    )


def combine(looks: Sequence[HandReadings]) -> tuple[HandReadings, np.ndarray]:
    """The median of several looks at the same hands.

    The back of a left hand looks much like the palm of a right one. A look that takes one for the other puts
    the thumb where other looks see the little finger, and the median of both would be no hand at all. So only
    looks that see the likelier side count.

    Args:
        looks: each of the same N hands; the first plain.

    Returns:
        The readings, with the squares of the first look, and the spread (N, 21): the mean distance of all
        looks at a keypoint from the median, in sizes of the hand.
    """
    sides = np.stack([look.right for look in looks])
    right = sides.mean(axis=0)
    counts = (sides > 0.5) == (right > 0.5)

    def median(name: str) -> np.ndarray:
        values = np.stack([getattr(look, name) for look in looks])
        kept = counts.reshape(*counts.shape, *[1] * (values.ndim - counts.ndim))
        return np.nanmedian(np.where(kept, values, np.nan), axis=0)

    keypoints = median("keypoints")
    apart = np.stack([np.linalg.norm(look.keypoints - keypoints, axis=-1) for look in looks])
    return HandReadings(
        keypoints=keypoints,
        depth=median("depth"),
        world=median("world"),
        presence=np.median([look.presence for look in looks], axis=0),
        right=right,
        squares=looks[0].squares,
    ), apart.mean(axis=0) / hand_sizes(keypoints)[:, None]


def world_spread(looks: Sequence[HandReadings], world: np.ndarray) -> np.ndarray:
    """(N, 21) metres, the mean distance of the looks at a joint in 3D from what is taken, (N, 21, 3)."""
    return np.mean([np.linalg.norm(look.world - world, axis=-1) for look in looks], axis=0)
