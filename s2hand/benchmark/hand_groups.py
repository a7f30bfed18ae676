"""Hands of SynthHand that have a skin tone, a view or an occlusion in common, and each group's scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from s2hand.geometry.procrustes import similarity_align
from s2hand.losses.keypoints import MIDDLE_KNUCKLE
from s2hand.synthetic.scene import hand_frame
from s2hand.synthetic.skin import SKIN_TONES
from s2hand.synthetic.traits import SceneTraits

FACING = 0.5
"""Cosine of the angle between the palm's direction and the camera's from which the palm is seen: 60 degrees.
Its negative shows the back; between both the hand is seen from the side."""

HIDDEN_SHARES = (0.25, 0.5)
"""Shares of hidden joints that part the groups."""

Groups = dict[str, dict[str, np.ndarray]]
"""Kind of group -> group -> (N,) bool, which hands belong to it."""


def hand_groups(traits: SceneTraits) -> Groups:
    """The groups of N hands."""
    tone = np.rint(traits.tone).astype(int)
    ends = {0: " (lightest)", len(SKIN_TONES) - 1: " (darkest)"}
    facing = palm_cosines(traits.joints)
    hidden = traits.hidden.mean(1)
    some, most = HIDDEN_SHARES
    held, before = traits.objects.T
    return {
        "skin tone": {f"{i + 1}{ends.get(i, '')}": tone == i for i in range(len(SKIN_TONES))},
        "view": {
            "palm": facing > FACING,
            "back": facing < -FACING,
            "side": np.abs(facing) <= FACING,
        },
        "joints hidden": {
            f"up to {some:.0%}": hidden <= some,
            f"{some:.0%} to {most:.0%}": (hidden > some) & (hidden <= most),
            f"more than {most:.0%}": hidden > most,
        },
        "objects": {
            "none": ~(held | before),
            "in the hand": held & ~before,
            "before the hand": before & ~held,
            "both": held & before,
        },
    }


def palm_cosines(joints: np.ndarray) -> np.ndarray:
    """Cosines of the angles between the direction out of the palm and that to the camera, (N,).

    Wrist and finger bases, which no finger's pose moves, tell how the whole hand is turned.

    Args:
        joints: (N, 21, 3) metres of right hands, camera frame.
    """
    palms = np.stack([hand_frame(hand)[:, 2] for hand in joints])
    to_camera = -joints.mean(1)
    return (palms * to_camera).sum(1) / np.linalg.norm(to_camera, axis=1)


def joint_errors_mm(joints: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Mean distances of each hand's joints, (N,) mm.

    Args:
        joints: (N, 21, 3) metres, NaN for hands without an answer.
        truth: (N, 21, 3) metres.

    Returns:
        ``pa_mpjpe``: after Procrustes alignment; ``relative_mpjpe``: with the middle knuckles put on each
        other. NaN for hands without an answer.
    """
    known = np.isfinite(joints).all((1, 2))
    errors = {name: np.full(len(joints), np.nan) for name in ("pa_mpjpe", "relative_mpjpe")}
    found, true = joints[known], truth[known]
    aligned = similarity_align(found, true) - true
    relative = (found - found[:, [MIDDLE_KNUCKLE]]) - (true - true[:, [MIDDLE_KNUCKLE]])
    for name, apart in zip(errors, (aligned, relative), strict=True):
        errors[name][known] = 1000 * np.linalg.norm(apart, axis=-1).mean(1)
    return errors


def group_means(groups: Groups, values: Mapping[str, np.ndarray]) -> dict[str, dict[str, dict[str, float]]]:
    """Means of values (N,) in each group, without NaN, beside ``hands``, their number.

    Groups without hands are left out, and so are values that no hand of a group has.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for kind, members in groups.items():
        scores[kind] = {}
        for name, chosen in members.items():
            if not chosen.any():
                continue
            scores[kind][name] = {"hands": int(chosen.sum())}
            for key, value in values.items():
                if np.isfinite(value[chosen]).any():
                    scores[kind][name][key] = float(np.nanmean(value[chosen]))
    return scores
