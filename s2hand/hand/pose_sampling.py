"""Random poses that a hand can take: within joint limits, with joints and fingers that move together.

Angles are axis-angle components of the 15 finger joints in MANO's order (index, middle, little, ring, thumb,
three each) and MANO's axes: x runs along the hand (twist), y out of its back (positive turns a finger
towards the thumb), z across it (positive bends a finger towards the palm).
"""

from __future__ import annotations

import numpy as np

INDEX, MIDDLE, LITTLE, RING, THUMB = range(5)
FINGER_SIDE = np.array([1.0, 0.2, -1.0, -0.5])
"""How far index, middle, little and ring finger turn towards the thumb as the hand spreads."""

_BEND = (-10.0, 100.0)
JOINT_RANGES_DEG = np.array(
    [
        [[(-5, 5), (-10, 10), _BEND], [(-5, 5), (-5, 5), _BEND], [(-5, 5), (-5, 5), _BEND]],
        [[(-5, 5), (-10, 10), _BEND], [(-5, 5), (-5, 5), _BEND], [(-5, 5), (-5, 5), _BEND]],
        [[(-20, 5), (-10, 20), _BEND], [(-5, 5), (-5, 5), _BEND], [(-5, 5), (-5, 5), _BEND]],
        [[(-5, 5), (-10, 10), _BEND], [(-5, 5), (-5, 5), _BEND], [(-5, 5), (-5, 5), _BEND]],
        [
            [(0, 90), (-22.5, 33.75), (-22.5, 22.5)],
            [(-5, 5), (-5, 5), (-22.5, 22.5)],
            [(-5, 5), (-5, 5), (-20, 100)],
        ],
    ]
).reshape(15, 3, 2)
"""Lowest and highest component of each finger joint's axis-angle (S2HAND's ``tsa_poses``), in degrees."""

GESTURES = {
    "relaxed": 0.28,
    "open": 0.12,
    "fist": 0.1,
    "counting": 0.2,
    "grasp": 0.15,
    "pinch": 0.1,
    "free": 0.05,
}
"""The probability of each family of poses."""


def sample_poses(rng: np.random.Generator | int, count: int) -> np.ndarray:
    """Draws hand poses: relaxed, open, fists, counting and pointing, grasps, pinches, free combinations.

    Args:
        rng: a NumPy generator, or a seed for one.
        count: number of poses.

    Returns:
        (count, 45) axis-angles in radians, all inside ``JOINT_RANGES_DEG``.
    """
    rng = np.random.default_rng(rng)
    gesture = rng.choice(len(GESTURES), count, p=list(GESTURES.values()))
    curl, opposition = np.empty((count, 4)), np.empty(count)
    for number, name in enumerate(GESTURES):
        chosen = np.flatnonzero(gesture == number)
        curl[chosen], opposition[chosen] = _draw_gesture(rng, name, len(chosen))
    degrees = np.empty((count, 5, 3, 3))
    degrees[:, :THUMB] = _finger_angles(rng, np.clip(curl, -0.08, 1))
    degrees[:, THUMB] = _thumb_angles(rng, np.clip(opposition, 0, 1), curl.mean(1))
    low, high = JOINT_RANGES_DEG[..., 0], JOINT_RANGES_DEG[..., 1]
    return np.deg2rad(np.clip(degrees.reshape(count, 15, 3), low, high)).reshape(count, 45)


def _draw_gesture(rng: np.random.Generator, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Curl of index, middle, little and ring finger (count, 4), 0 straight to 1 closed; thumb opposition."""
    shared, own = rng.uniform(0, 1, (count, 1)), rng.normal(0, 1, (count, 4))
    if name == "relaxed":
        return 0.1 + 0.3 * shared + np.array([0.0, 0.04, 0.1, 0.07]) + 0.05 * own, 0.1 + 0.35 * rng.random(
            count
        )
    if name == "open":
        return 0.12 * shared - 0.05 + 0.03 * own, 0.3 * rng.random(count)
    if name == "fist":
        return 0.75 + 0.25 * shared + 0.04 * own, 0.2 + 0.6 * rng.random(count)
    if name == "counting":
        closed = rng.random((count, 4)) < 0.55
        # The ring finger follows its neighbours: extensor tendons are shared.
        closed[:, RING] |= closed[:, LITTLE] & closed[:, MIDDLE]
        return np.where(closed, 0.7 + 0.25 * shared, 0.08) + 0.05 * own, rng.random(count)
    if name == "grasp":
        slope = rng.normal(0, 0.12, (count, 1)) * np.array([-1.0, 0.0, 1.0, 0.5])
        return 0.25 + 0.4 * shared + slope + 0.04 * own, 0.35 + 0.4 * rng.random(count)
    if name == "pinch":
        others = np.where(rng.random((count, 1)) < 0.5, 0.1, 0.55) + 0.1 * shared + 0.05 * own
        others[:, INDEX] = 0.4 + 0.15 * shared[:, 0] + 0.03 * own[:, 0]
        return others, 0.55 + 0.3 * rng.random(count)
    return rng.uniform(-0.05, 1, (count, 4)), rng.random(count)


def _finger_angles(rng: np.random.Generator, curl: np.ndarray) -> np.ndarray:
    """(count, 4, 3, 3) degrees of the four fingers from their curl (count, 4).

    The end joint bends with the middle one (about two thirds of it), as one tendon moves both; the hand
    decides how the curl is shared between the first joint and the others (a hook or a flat bend).
    """
    count = len(curl)
    share = rng.normal(0, 0.18, (count, 1)) + rng.normal(0, 0.06, (count, 4))
    first = 85 * curl * np.clip(1 - share, 0, 1.6) + rng.normal(0, 4, (count, 4))
    middle = 98 * curl * np.clip(1 + share, 0, 1.6) + rng.normal(0, 4, (count, 4))
    end = (0.62 + rng.normal(0, 0.08, (count, 4))) * middle + rng.normal(0, 3, (count, 4))
    # Collateral ligaments tighten as the first joint bends: a bent finger hardly spreads.
    freedom = np.cos(np.deg2rad(np.clip(first, 0, 85)))
    spread = rng.normal(0.1, 0.6, (count, 1)) * FINGER_SIDE * 8 + rng.normal(0, 2.5, (count, 4))
    # Bent fingers draw together, towards the base of the thumb.
    together = (1 - freedom) * np.array([-2.0, 0.0, 12.0, 5.0])
    angles = rng.normal(0, 1.2, (count, 4, 3, 3))
    angles[..., 2] = np.stack([first, middle, end], -1)
    angles[:, :, 0, 1] = spread * freedom + together
    angles[:, LITTLE, 0, 0] = -4 - 8 * (1 - freedom[:, LITTLE]) + rng.normal(0, 2, count)
    return angles


def _thumb_angles(rng: np.random.Generator, opposition: np.ndarray, curl: np.ndarray) -> np.ndarray:
    """(count, 3, 3) degrees of the thumb; ``opposition`` is 0 beside the hand and 1 in front of the palm."""
    count = len(opposition)
    angles = rng.normal(0, 1.2, (count, 3, 3))
    angles[:, 0, 0] = 6 + 66 * opposition + rng.normal(0, 5, count)
    angles[:, 0, 1] = 8 - 10 * opposition - 16 * np.clip(curl, 0, 1) + rng.normal(0, 8, count)
    angles[:, 0, 2] = 4 * opposition - 8 * np.clip(curl, 0, 1) + rng.normal(0, 6, count)
    angles[:, 1, 2] = 2 + 10 * opposition + rng.normal(0, 6, count)
    angles[:, 2, 2] = 8 + 28 * np.clip(curl, 0, 1) + 14 * opposition + rng.normal(0, 12, count)
    return angles
