"""Whether keypoints are in FreiHAND's order, told from the drawing that their bones give.

In the right order the bones are short, neighbouring knuckles lie side by side, and the thumb starts nearest
to the wrist. In any other order some of that is longer.
"""

from __future__ import annotations

import numpy as np

from s2hand.skeleton import FINGERS, HO3D_TO_FREIHAND, NUM_JOINTS

HANDS_NEEDED = 10
"""From so many hands on the order is certain. The shares below were chosen on 6,500 hands in photos, of which
no ten consecutive ones, often of one gesture, are taken for another order."""

SURE_BELOW = 0.94
"""An order whose drawing is shorter than this share is the right one. With fingers from the little one to the
thumb, the least conspicuous of all mistakes, the right order has 0.92."""

TIPS_FIRST = "wrist, then thumb to little finger from tip to base"
TIPS_FIRST_SURE_BELOW = 0.8
"""Fists in the right order are drawn shorter from tip to base, down to a share of 0.84."""

LIKELY_BELOW = 0.75
"""The same for fewer hands; of single hands in the right order 0.4 % go below."""

KNUCKLES_FIRST = (
    0,
    *(joint for finger in range(5) for joint in (1 + finger, *range(6 + 3 * finger, 9 + 3 * finger))),
)
"""BigHand2.2M's order: the wrist, five first joints, and three more a finger."""

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
    given = _drawing(hands).mean()
    certain = len(hands) >= HANDS_NEEDED
    ratios = {name: _drawing(hands[:, order]).mean() / given for name, order in _orders().items()}
    if certain:
        ratios = {name: ratio / _sure_below(name) for name, ratio in ratios.items()}
    best = min(ratios, key=ratios.get)
    return (best, certain) if ratios[best] < (1 if certain else LIKELY_BELOW) else None


def _sure_below(name: str) -> float:
    return TIPS_FIRST_SURE_BELOW if name == TIPS_FIRST else SURE_BELOW


def _drawing(hands: np.ndarray) -> np.ndarray:
    """(N,) what is shortest in FreiHAND's order: bones, ways between knuckles, that to the thumb twice."""
    fingers = hands[:, 1:].reshape(-1, len(FINGERS), 4, 2)
    knuckles = fingers[:, :, 0]
    along = np.linalg.norm(np.diff(fingers, axis=2), axis=-1).sum((1, 2))
    across = np.linalg.norm(np.diff(knuckles, axis=1), axis=-1).sum(1)
    from_wrist = np.linalg.norm(knuckles - hands[:, :1], axis=-1)
    return along + across + from_wrist.sum(1) + 2 * from_wrist[:, 0]


def _orders() -> dict[str, np.ndarray]:
    """Orders of other datasets and programs: description -> where in them FreiHAND's joints are."""
    return {
        "MANO's joints and then the fingertips, as in HO-3D": np.array(HO3D_TO_FREIHAND),
        "MANO's: wrist, index, middle, little, ring, thumb": _order(
            "index", "middle", "little", "ring", "thumb"
        ),
        "wrist, index, middle, ring, little, thumb": _order("index", "middle", "ring", "little", "thumb"),
        "wrist, little, ring, middle, index, thumb": _order("little", "ring", "middle", "index", "thumb"),
        TIPS_FIRST: _order("thumb", "index", "middle", "ring", "little", upward=False),
        "thumb to little finger, then the wrist": np.roll(np.arange(NUM_JOINTS), 1),
        "wrist, first joints of the fingers, then the others finger by finger": np.array(KNUCKLES_FIRST),
    }


def _order(*fingers: str, upward: bool = True) -> np.ndarray:
    """(21,) where FreiHAND's joints are in a list of the wrist and then the fingers as named."""
    chains = np.arange(1, NUM_JOINTS).reshape(-1, 4)[:, :: 1 if upward else -1]
    return np.array([0, *(joint for name in FINGERS for joint in chains[fingers.index(name)])])
