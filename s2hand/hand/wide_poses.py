"""Wider hand poses than :func:`sample_poses` draws: blends of its poses, loosened joint by joint.

Real fingers spread, twist and bend beyond tidy gestures, and photos catch them between two of them. Angles
and their axes are those of :mod:`s2hand.hand.pose_sampling`.
"""

from __future__ import annotations

import numpy as np

from s2hand.hand.pose_sampling import INDEX, LITTLE, MIDDLE, RING, THUMB, sample_poses

BLEND = (0.5, 0.5)
"""Parameters of the beta distribution of a blend's first share: most blends are close to one of the two."""

BLENDED_WHOLE_SHARE = 0.5
"""Share of the hands whose fingers are blended alike; in the others each finger has a share of its own."""

LOOSE_SHARE, LOOSENESS = 0.85, (0.5, 1.5)
"""Share of the poses whose joints are loosened, and the range of the factor by which a hand is so."""

LOOSE_FINGER_RAD = (0.06, 0.09, 0.13)
"""Standard deviations of what loosening adds to twist, spread and bend of a finger's joint."""

LOOSE_THUMB_RAD = (0.2, 0.16, 0.16)
"""The same for the three components of the thumb's joints, whose base turns about all axes."""

THUMB_SHIFT_RAD = (0.45, -0.22, -0.12)
"""What loosening adds to the thumb's base on average: real thumbs lie more before the palm."""

BENT_BACK_SHARE, BENT_BACK_RAD = 0.45, 0.45
"""Share of the hands whose finger bases bend back together, and how far at most."""

HOOK_SHARE = 0.3
"""Share of the hands whose finger bases are straighter than the joints after them, each to its own degree."""

CLOSED_RAD, CLOSING_RAD = 1.0, 0.2
"""Middle joints bent beyond the first close by up to the second more: fists are tighter than blends are."""

_BASE = [(-20, 15), (-30, 30), (-40, 100)]
_HINGE = [(-12, 12), (-12, 12), (-15, 120)]
_END = [(-10, 10), (-10, 10), (-30, 100)]
_LITTLE_BASE = [(-35, 12), (-30, 35), (-45, 100)]
_THUMB = [
    [(-15, 100), (-50, 35), (-45, 35)],
    [(-15, 20), (-30, 20), (-35, 55)],
    [(-10, 15), (-20, 15), (-35, 100)],
]
WIDE_RANGES_DEG = np.empty((5, 3, 3, 2))
"""Lowest and highest component of each finger joint's axis-angle, in degrees; see ``JOINT_RANGES_DEG``."""
WIDE_RANGES_DEG[[INDEX, MIDDLE, RING]] = [_BASE, _HINGE, _END]
WIDE_RANGES_DEG[LITTLE] = [_LITTLE_BASE, _HINGE, _END]
WIDE_RANGES_DEG[THUMB] = _THUMB
WIDE_RANGES_DEG = WIDE_RANGES_DEG.reshape(15, 3, 2)


def sample_wide_poses(rng: np.random.Generator | int, count: int) -> np.ndarray:
    """Draws hand poses as photos show them.

    Args:
        rng: NumPy generator, or a seed for one.
        count: how many poses.

    Returns:
        (count, 45) axis-angles in radians, all inside ``WIDE_RANGES_DEG``.
    """
    rng = np.random.default_rng(rng)
    together = rng.random((count, 1)) < BLENDED_WHOLE_SHARE
    share = rng.beta(*BLEND, (count, 5))
    share = np.where(together, share[:, :1], share)[..., None, None]
    first, second = sample_poses(rng, 2 * count).reshape(2, count, 5, 3, 3)
    angles = share * first + (1 - share) * second
    fingers, thumb = angles[:, :THUMB], angles[:, THUMB]  # views, changed in place
    loose = (rng.random(count) < LOOSE_SHARE) * rng.uniform(*LOOSENESS, count)
    hooked = (rng.random((count, 1)) < HOOK_SHARE) * rng.random((count, 4))
    fingers[:, :, 0, 2] *= 1 - hooked
    fingers += loose[:, None, None, None] * rng.normal(0, LOOSE_FINGER_RAD, fingers.shape)
    thumb += loose[:, None, None] * rng.normal(0, LOOSE_THUMB_RAD, thumb.shape)
    thumb[:, 0] += loose[:, None] * rng.uniform(0, 2, (count, 1)) * THUMB_SHIFT_RAD
    bent_back = (rng.random(count) < BENT_BACK_SHARE) * rng.uniform(0, BENT_BACK_RAD, count)
    fingers[:, :, 0, 2] -= bent_back[:, None]
    closing = rng.uniform(0, CLOSING_RAD, (count, 1))
    fingers[:, :, 1, 2] += closing * (fingers[:, :, 1, 2] > CLOSED_RAD)
    low, high = np.deg2rad(WIDE_RANGES_DEG[..., 0]), np.deg2rad(WIDE_RANGES_DEG[..., 1])
    return np.clip(angles.reshape(count, 15, 3), low, high).reshape(count, 45)
