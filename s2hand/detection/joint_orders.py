"""Whether keypoints are in FreiHAND's order, told from the drawing that their bones give.

In the right order the bones are short, neighbouring knuckles lie side by side, and the thumb starts nearest
to the wrist. In any other order some of that is longer.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from s2hand.skeleton import FINGERS, HO3D_TO_FREIHAND, NUM_JOINTS

HANDS_NEEDED = 10
"""From so many hands on the order is certain. On 6,500 hands in photos the best other order reached 0.995 of
the right one's length for any 10 of them, and 0.91 for any 3."""

SURE_BELOW = 0.95
"""Another order whose drawing is shorter than this share is the right one. With fingers from the little one
to the thumb, the least conspicuous of all mistakes, the right order has 0.92."""

LIKELY_BELOW = 0.75
"""The same for fewer hands; a single hand in the right order goes below once in 500."""

LOOKED_AT = 500
"""Number of hands that are looked at, evenly chosen."""


def better_order(keypoints: np.ndarray, confidence: np.ndarray) -> tuple[str, bool] | None:
    """Finds the order that keypoints are in, if it is not FreiHAND's.

    Args:
        keypoints: (N, 21, 2) px.
        confidence: (N, 21), 0 where missed; hands with a missed joint are not looked at.

    Returns:
        What the order looks like, and whether that is certain; None if it looks as it should.
    """
    extent = np.ptp(keypoints, axis=1).max(-1)
    whole = np.flatnonzero((confidence > 0).all(-1) & (extent > 0))
    if not len(whole):
        return None
    chosen = whole[:: -(-len(whole) // LOOKED_AT)]
    hands = keypoints[chosen].astype(np.float64) / extent[chosen, None, None]
    orders = _orders()
    lengths = {name: _drawing(hands[:, order]).mean() for name, order in orders.items()}
    best = min(lengths, key=lengths.get)
    ratio = lengths[best] / _drawing(hands).mean()
    certain = len(hands) >= HANDS_NEEDED
    return (best, certain) if ratio < (SURE_BELOW if certain else LIKELY_BELOW) else None


def _drawing(hands: np.ndarray) -> np.ndarray:
    """(N,) what is shortest in FreiHAND's order: bones, ways between knuckles, the thumb's first bone again."""
    fingers = hands[:, 1:].reshape(-1, len(FINGERS), 4, 2)
    knuckles = fingers[:, :, 0]
    along = np.linalg.norm(np.diff(fingers, axis=2), axis=-1).sum((1, 2))
    across = np.linalg.norm(np.diff(knuckles, axis=1), axis=-1).sum(1)
    from_wrist = np.linalg.norm(knuckles - hands[:, :1], axis=-1)
    return along + across + from_wrist.sum(1) + 2 * from_wrist[:, 0]


def _orders() -> dict[str, np.ndarray]:
    """What an order looks like -> where in it FreiHAND's joints are."""
    orders = {"HO-3D, MANO's joints and then the fingertips": np.array(HO3D_TO_FREIHAND)}
    names = list(FINGERS)
    for listed in permutations(range(len(names))):
        for upward in (True, False):
            for wrist_first in (True, False):
                chains = np.arange(NUM_JOINTS - 1).reshape(-1, 4) + wrist_first
                if not upward:
                    chains = chains[:, ::-1]
                places = np.empty(NUM_JOINTS, int)
                places[0] = 0 if wrist_first else NUM_JOINTS - 1
                places[1:] = chains[np.argsort(listed)].ravel()
                fingers = ", ".join(names[finger] for finger in listed)
                ends = "from base to tip" if upward else "from tip to base"
                parts = [f"{fingers} {ends}"]
                parts.insert(0 if wrist_first else 1, "wrist")
                orders[", ".join(parts)] = places
    return orders
