"""Displacement fields that change a hand's proportions, and the shape basis made of them.

Each returns (N, 3) metres per unit: 0.1 times a stretch makes the part 10 % longer. Parts hand over to each
other by the skinning weights, so every field is as smooth as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from .rig import FINGERS, SEGMENTS, THUMB, HandRig

INDEX, MIDDLE, LITTLE, RING = range(4)
ALL_SEGMENTS = tuple(range(len(SEGMENTS)))


def stretch(rig: HandRig, finger: int, segments: tuple[int, ...] = ALL_SEGMENTS) -> np.ndarray:
    """Lengthens bones of a finger; what lies beyond is carried along."""
    field = np.zeros_like(rig.vertices)
    for segment in segments:
        start, direction, length = rig.bone(finger, segment)
        along = np.clip((rig.vertices - start) @ direction, 0, np.inf if segment == 2 else length)
        field += (rig.membership(finger, segment) * along)[:, None] * direction
    return field


def thicken(rig: HandRig, finger: int, segment_amounts: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    """Widens a finger about its bones, by a different amount for each if asked."""
    field = np.zeros_like(rig.vertices)
    for segment, amount in enumerate(segment_amounts):
        start, direction, _ = rig.bone(finger, segment)
        offset = rig.vertices - start
        radial = offset - (offset @ direction)[:, None] * direction
        field += amount * rig.weights[:, 3 * finger + 1 + segment, None] * radial
    return field


def scale_palm(rig: HandRig, axis: int) -> np.ndarray:
    """Stretches the palm in x (length), y (thickness) or z (width); fingers move with their knuckles."""
    field = np.zeros_like(rig.vertices)
    centre = rig.joints[0] if axis == 0 else (rig.joints[0] + rig.joints[3 * MIDDLE + 1]) / 2
    field[:, axis] = rig.weights[:, 0] * (rig.vertices - centre)[:, axis]
    for finger in range(len(FINGERS)):
        field[:, axis] += rig.membership(finger) * (rig.joints[3 * finger + 1] - centre)[axis]
    return field


def scale_forearm(rig: HandRig) -> np.ndarray:
    """Widens the stump behind the wrist, fading out over the heel of the hand."""
    wrist = rig.joints[0]
    behind = np.clip((rig.vertices[:, 0] - wrist[0] + 0.03) / 0.045, 0, 1)
    field = (behind**2 * (3 - 2 * behind))[:, None] * (rig.vertices - wrist)
    field[:, 0] = 0
    return field


def resize(rig: HandRig) -> np.ndarray:
    """Enlarges the whole hand about its wrist."""
    return rig.vertices - rig.joints[0]


def shape_basis(rig: HandRig) -> np.ndarray:
    """The ten shape directions (N, 3, 10), one standard deviation of people per unit.

    0 size, 1 fingers long against a short palm, 2 palm width, 3 stoutness, 4 thumb length, 5 little finger's
    length, 6 index against ring finger, 7 fingertips long against short first bones, 8 thumb's thickness,
    9 fingers that taper from a broad base.
    """
    fingers = (INDEX, MIDDLE, LITTLE, RING)
    length = sum(stretch(rig, f) for f in fingers)
    thickness = sum(thicken(rig, f) for f in fingers)
    taper = sum(thicken(rig, f, (0.8, -0.1, -1)) for f in (*fingers, THUMB))
    ends = sum(
        stretch(rig, f, (2,)) - 0.55 * stretch(rig, f, (0,)) + 0.3 * stretch(rig, f, (1,)) for f in fingers
    )
    thumb_thickness = thicken(rig, THUMB, (0.5, 1, 1))
    modes = [
        0.06 * resize(rig),
        0.06 * (length + stretch(rig, THUMB, (1, 2))) - 0.035 * scale_palm(rig, 0),
        0.05 * scale_palm(rig, 2) + 0.03 * thickness,
        0.065 * (thickness + thumb_thickness) + 0.07 * scale_palm(rig, 1) + 0.04 * scale_forearm(rig),
        0.07 * stretch(rig, THUMB),
        0.08 * stretch(rig, LITTLE),
        0.05 * (stretch(rig, INDEX) - stretch(rig, RING)),
        0.09 * ends,
        0.09 * thumb_thickness + 0.03 * scale_forearm(rig),
        0.09 * taper,
    ]
    return np.stack(modes, -1)


def widen_palm(rig: HandRig, amount: float) -> HandRig:
    """Stretches the palm's width by ``amount``; fingers move with their knuckles."""
    middle = (rig.joints[0] + rig.joints[3 * MIDDLE + 1])[2] / 2
    joints, tips = rig.joints.copy(), rig.tips.copy()
    for finger in range(len(FINGERS)):
        shift = amount * (rig.joints[3 * finger + 1, 2] - middle)
        joints[3 * finger + 1 : 3 * finger + 4, 2] += shift
        tips[finger, 2] += shift
    return replace(rig, vertices=rig.vertices + amount * scale_palm(rig, 2), joints=joints, tips=tips)


def move_joints(
    rig: HandRig,
    finger: int,
    first: np.ndarray,
    lengths: tuple[float, float, float],
    insets: tuple[float, float],
) -> HandRig:
    """Puts a finger's joints where another skeleton has them, and takes the skin along.

    Skin slides along the bones with its joint, but for that of the palm, which stays where it is. Directions
    of bones stay nearly the same.

    Args:
        rig: the hand.
        finger: which.
        first: (3,) metres, the place of its first joint.
        lengths: metres, of its three bones; the last one ends in the skin of the fingertip.
        insets: metres by which the second and third joint lie nearer to the palm than their skin.
    """
    start, direction, length = rig.bone(finger, 0)
    ahead = (start + length * direction - first) @ direction  # where the second joint lies by now
    second, third = insets
    rig = lengthen(rig, finger, 0, (lengths[0] + second - ahead) / length)
    rig = lengthen(rig, finger, 1, (lengths[1] + third - second) / reach(rig, finger, 1) - 1)
    rig = lengthen(rig, finger, 2, (lengths[2] - third) / reach(rig, finger, 2) - 1)
    joints = rig.joints.copy()
    joints[3 * finger + 1] = first
    for segment, inset in ((1, second), (2, third)):
        joints[3 * finger + 1 + segment] -= inset * rig.bone(finger, segment - 1)[1]
    return replace(rig, joints=joints)


def reach(rig: HandRig, finger: int, segment: int) -> float:
    """Length of a bone, metres; that of the last one up to the skin of the fingertip."""
    start, direction, length = rig.bone(finger, segment)
    if segment < 2:
        return length
    along = (rig.vertices - start) @ direction
    return float(along[rig.membership(finger, 2) > 0.5].max())


def lengthen(rig: HandRig, finger: int, segment: int, amount: float) -> HandRig:
    """Stretches a bone by ``amount`` (negative shortens), joints and tip included."""
    joints, tips = rig.joints.copy(), rig.tips.copy()
    _, direction, length = rig.bone(finger, segment)
    joints[3 * finger + 2 + segment : 3 * finger + 4] += amount * length * direction
    tips[finger] += amount * length * direction
    vertices = rig.vertices + amount * stretch(rig, finger, (segment,))
    return replace(rig, vertices=vertices, joints=joints, tips=tips)


def thicken_fingers(rig: HandRig, fingers_by: float, thumb_by: float) -> HandRig:
    """Widens the four fingers and the thumb."""
    field = sum(fingers_by * thicken(rig, f) for f in (INDEX, MIDDLE, LITTLE, RING))
    return replace(rig, vertices=rig.vertices + field + thumb_by * thicken(rig, THUMB, (0.3, 1, 1)))


def turn_finger(rig: HandRig, finger: int, segment: int, angles_deg: tuple[float, float, float]) -> HandRig:
    """Turns a finger from one of its joints on, by an axis-angle in MANO's axes."""
    turn = Rotation.from_rotvec(angles_deg, degrees=True).as_matrix()
    pivot = rig.joints[3 * finger + 1 + segment]

    def displacement(points):
        return (points - pivot) @ turn.T + pivot - points

    vertices, joints, tips = rig.vertices.copy(), rig.joints.copy(), rig.tips.copy()
    vertices += rig.membership(finger, segment)[:, None] * displacement(rig.vertices)
    beyond = slice(3 * finger + 2 + segment, 3 * finger + 4)
    joints[beyond] += displacement(rig.joints[beyond])
    tips[finger] += displacement(rig.tips[finger])
    return replace(rig, vertices=vertices, joints=joints, tips=tips)
