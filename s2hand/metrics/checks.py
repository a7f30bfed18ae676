"""Checks of predictions: units, joint order, axes. Each returns a sentence, or None if all is well."""

from itertools import permutations

import numpy as np

from s2hand.geometry.procrustes import similarity_align
from s2hand.skeleton import (
    BONES,
    FINGERS,
    FREIHAND_FROM_MANO_WITH_TIPS,
    FREIHAND_TO_HO3D,
    HO3D_TO_FREIHAND,
    NUM_JOINTS,
)

TYPICAL_SPREAD_M = 0.055
"""Metres: root mean square distance of a hand's joints or vertices from their centroid."""

UNITS_PER_METRE = {"millimetres": 1000.0, "centimetres": 100.0}

MAX_SPREAD_RATIO = 3.0
"""Hands this many times larger or smaller than a typical one in some unit still count as that unit."""

ROOT_RELATIVE_DEPTH = 0.1
"""Predictions at less than this share of the truth's depth are not before the camera, but about a joint."""

PERMUTED_MISMATCH = 0.5
"""Bones this far from the truth's, as a share of their total length, no hand has: the joints are permuted
even if no likely order explains them."""

CONVINCING_RATIO = 0.75
"""Another joint order, or a mirror image, is more likely if it leaves at most this share of the error after
alignment. For predictions in the right order, however poor, every other order leaves more."""

SAMPLED_HANDS = 64
"""Number of hands that are compared in every likely order, and with their mirror images."""

_KNOWN_ORDERS = {
    HO3D_TO_FREIHAND: "HO-3D's order instead of FreiHAND's",
    FREIHAND_TO_HO3D: "FreiHAND's order instead of HO-3D's",
    FREIHAND_FROM_MANO_WITH_TIPS: "MANO's order with fingertips instead of FreiHAND's",
}


def check_units(points: np.ndarray, name: str) -> str | None:
    """Checks whether points of hands that should be in metres look like millimetres or centimetres.

    Args:
        points: (N, K, 3) joints or vertices, N >= 1.
        name: their name in the answer.

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
    """Checks whether predicted joints fit the ground truth better in another order.

    Args:
        gt_joints: (N, 21, 3) in FreiHAND order, any unit.
        pred_joints: (N, 21, 3) in what should be FreiHAND order, any unit.

    Returns:
        A sentence naming the likely order, or None.
    """
    chosen = _sampled(len(gt_joints))
    truth, predicted = (np.asarray(joints, np.float64)[chosen] for joints in (gt_joints, pred_joints))
    names = {tuple(range(NUM_JOINTS)): "as expected"} | _finger_orders() | _KNOWN_ORDERS
    reordered = predicted[:, list(names)].swapaxes(0, 1)  # (orders, hands, 21, 3)
    goal = np.broadcast_to(truth, reordered.shape)
    aligned = similarity_align(reordered.reshape(-1, NUM_JOINTS, 3), goal.reshape(-1, NUM_JOINTS, 3))
    errors = np.linalg.norm(aligned.reshape(reordered.shape) - truth, axis=-1).mean((1, 2))
    best = int(errors.argmin())
    if best and errors[best] <= CONVINCING_RATIO * errors[0]:
        return f"predicted joints look permuted: {list(names.values())[best]}"
    expected, found = _bone_profile(truth), _bone_profile(predicted)
    if np.abs(found - expected).sum() > PERMUTED_MISMATCH * expected.sum():
        return "predicted joints look permuted, or are no hands: their bones are unlike the ground truth's"
    return None


def check_handedness(gt_joints: np.ndarray, pred_joints: np.ndarray) -> str | None:
    """Checks whether predictions look like mirror images, which the official alignment would turn back.

    Args:
        gt_joints: (N, 21, 3) of right hands, any unit.
        pred_joints: (N, 21, 3), any unit.

    Returns:
        A sentence with the remedy, or None.
    """
    chosen = _sampled(len(gt_joints))
    truth, predicted = (np.asarray(joints, np.float64)[chosen] for joints in (gt_joints, pred_joints))
    reflected, rotated = (
        np.linalg.norm(similarity_align(predicted, truth, reflect=reflect) - truth, axis=-1).mean()
        for reflect in (True, False)
    )
    if not reflected < CONVINCING_RATIO * rotated:
        return None
    return (
        "predicted hands look mirrored, like left ones; the aligned (pa_) metrics do not show it, since the "
        "official alignment mirrors them back: check the sign of x, and that the hand model is a right hand's"
    )


def check_axes(gt_points: np.ndarray, pred_points: np.ndarray, name: str) -> str | None:
    """Checks whether predictions look like OpenGL's camera frame where OpenCV's is expected, or the reverse,
    or like coordinates relative to the hand.

    Args:
        gt_points: (N, K, 3).
        pred_points: (N, K, 3).
        name: the predictions' name in the answer.

    Returns:
        A sentence with the remedy, or None.
    """
    gt_depth, pred_depth = (
        float(np.median(np.asarray(points)[..., 2])) for points in (gt_points, pred_points)
    )
    medians = f"(median z {pred_depth:.3g} against {gt_depth:.3g})"
    if abs(pred_depth) < ROOT_RELATIVE_DEPTH * abs(gt_depth):
        return f"{name} lie at the camera itself {medians}; if they are relative to a joint, add its place"
    if gt_depth * pred_depth < 0:
        return f"{name} lie behind the ground truth's camera {medians}; multiply y and z by -1"
    return None


def _sampled(count: int) -> np.ndarray:
    """Numbers of at most ``SAMPLED_HANDS`` hands, evenly spread."""
    return np.unique(np.linspace(0, count - 1, SAMPLED_HANDS).round().astype(int))


def _finger_orders() -> dict[tuple[int, ...], str]:
    """Every order of whole fingers, base or tip first: where in it FreiHAND's joints are -> what it is."""
    orders = {}
    for names in permutations(FINGERS):
        starts = [1 + 4 * names.index(finger) for finger in FINGERS]
        for first, steps in (("base", (0, 1, 2, 3)), ("tip", (3, 2, 1, 0))):
            places = (0, *(start + step for start in starts for step in steps))
            orders[places] = f"their fingers seem to come as {', '.join(names)}, each from its {first}"
    return orders


def _bone_profile(joints: np.ndarray) -> np.ndarray:
    """(20,) median over hands of the bones' lengths, each hand scaled to the same spread."""
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lengths = np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)
    spread = np.linalg.norm(joints - joints.mean(1, keepdims=True), axis=-1).sum(1, keepdims=True)
    return np.median(lengths / np.maximum(spread, np.finfo(np.float64).tiny), axis=0)
