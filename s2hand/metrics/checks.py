"""Suspicions about predictions: wrong units, permuted joints, flipped axes. Each is a sentence or None."""

import numpy as np

from s2hand.skeleton import BONES, FREIHAND_FROM_MANO_WITH_TIPS, FREIHAND_TO_HO3D, HO3D_TO_FREIHAND

TYPICAL_SPREAD_M = 0.055
"""Metres: root mean square distance of a hand's joints or vertices from their centroid."""

UNITS_PER_METRE = {"millimetres": 1000.0, "centimetres": 100.0}

MAX_SPREAD_RATIO = 3.0
"""Hands this many times larger or smaller than a typical one in some unit still count as that unit."""

MIN_ORDER_MISMATCH = 0.15
"""Bones this far from the truth's, as a share of their total length, are worth asking why. Noise of 1 cm on
every joint gives about 0.1, another order of the fingers 0.25 and more."""

PERMUTED_MISMATCH = 0.5
"""Bones this far off no hand has: the joints are permuted even if no known order explains them."""

CONVINCING_RATIO = 0.5
"""A joint order explains a mismatch if it at least halves it."""

_REORDERINGS = {
    "HO-3D order instead of FreiHAND's": HO3D_TO_FREIHAND,
    "FreiHAND order instead of HO-3D's": FREIHAND_TO_HO3D,
    "MANO's order with fingertips instead of FreiHAND's": FREIHAND_FROM_MANO_WITH_TIPS,
}


def check_units(points: np.ndarray, name: str) -> str | None:
    """Tells whether points of hands that should be in metres look like millimetres or centimetres.

    Args:
        points: (N, K, 3) joints or vertices, N >= 1.
        name: what to call them in the answer.

    Returns:
        A sentence with the remedy, or None.
    """
    points = np.asarray(points, dtype=np.float64)
    centred = points - points.mean(1, keepdims=True)
    spread = float(np.median(np.sqrt(np.square(centred).sum(-1).mean(-1))))
    for unit, per_metre in UNITS_PER_METRE.items():
        ratio = spread / (TYPICAL_SPREAD_M * per_metre)
        if 1 / MAX_SPREAD_RATIO < ratio < MAX_SPREAD_RATIO:
            return (
                f"{name} look like {unit}, expected metres: "
                f"a hand spreads over {spread:.3g}; divide by {per_metre:g}"
            )
    return None


def check_joint_order(gt_joints: np.ndarray, pred_joints: np.ndarray) -> str | None:
    """Tells whether predicted joints look permuted, by comparing bone lengths with the truth's.

    Args:
        gt_joints: (N, 21, 3) in FreiHAND order, any unit.
        pred_joints: (N, 21, 3) in what should be FreiHAND order, any unit.

    Returns:
        A sentence naming the likely order, or None.
    """
    truth = _bone_profile(np.asarray(gt_joints, dtype=np.float64))
    truth_total = truth.sum()
    predicted = np.asarray(pred_joints, dtype=np.float64)

    def mismatch(joints: np.ndarray) -> float:
        return float(np.abs(_bone_profile(joints) - truth).sum() / truth_total)

    given = mismatch(predicted)
    if given < MIN_ORDER_MISMATCH:
        return None
    candidates = {name: mismatch(predicted[:, list(order)]) for name, order in _REORDERINGS.items()}
    best = min(candidates, key=candidates.get)
    if candidates[best] < CONVINCING_RATIO * given:
        return f"predicted joints look permuted: {best}"
    if given > PERMUTED_MISMATCH:
        return "predicted joints look permuted, or are no hands: their bones are unlike the ground truth's"
    return None


def check_axes(gt_points: np.ndarray, pred_points: np.ndarray, name: str) -> str | None:
    """Tells whether predictions look like OpenGL's camera frame where OpenCV's is expected, or the reverse.

    Args:
        gt_points: (N, K, 3).
        pred_points: (N, K, 3).
        name: what to call the predictions in the answer.

    Returns:
        A sentence with the remedy, or None.
    """
    gt_depth, pred_depth = (
        float(np.median(np.asarray(points)[..., 2])) for points in (gt_points, pred_points)
    )
    if gt_depth * pred_depth < 0:
        return (
            f"{name} lie behind the ground truth's camera (median z {pred_depth:.3g} against "
            f"{gt_depth:.3g}); multiply y and z by -1"
        )
    return None


def _bone_profile(joints: np.ndarray) -> np.ndarray:
    """(20,) median over hands of the bones' lengths, each hand scaled to the same spread."""
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lengths = np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)
    spread = np.linalg.norm(joints - joints.mean(1, keepdims=True), axis=-1).sum(1, keepdims=True)
    return np.median(lengths / np.maximum(spread, np.finfo(np.float64).tiny), axis=0)
