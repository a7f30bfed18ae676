"""Spheres along the bones that stand for a hand's flesh: cheap to compare, and differentiable.

A sphere's centre divides a bone in a fixed ratio. Its radius is the distance to the nearest vertex of the
model's mesh at rest, so that spheres lie inside the skin, and overlap only where flesh does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.hand.assets import HandModel
from s2hand.hand.mano import MANO_WITH_TIPS
from s2hand.skeleton import FINGERS, FINGERTIP_VERTICES, FREIHAND_FROM_MANO_WITH_TIPS, WRIST

SPACING_M = 0.009
"""Largest distance of neighbours on a bone, about a finger's radius: no finger slips through between them."""

TIP_SHARE = 0.75
"""Where a finger's last sphere lies on its last bone; the fingertip itself is a point of the skin."""

YIELDING = 0.9
"""Spheres touch at this part of the sum of their radii: skin gives way where fingers press on each other."""

PALM_LENGTH = (WRIST, FINGERS["middle"][0])
"""The joints whose distance is a hand's size: no pose changes it."""

PALM = "palm"


@dataclass(frozen=True)
class _Sphere:
    """A sphere's bone (two joints), its place on it from 0 to 1, and the finger or palm it belongs to."""

    bone: tuple[int, int]
    share: float
    part: str
    of_first_bone: bool


class HandSpheres(nn.Module):
    """Places the spheres of hands, and knows which of them may not overlap.

    Args:
        model: the hand's arrays.

    Attributes:
        radii_m: (N,) metres in a hand of the model's size.
        contact_m: (N, N) metres, the same: distance of two centres at which the spheres touch, for spheres of
            different fingers, or of a finger and the palm, once a pair; 0 elsewhere. Those that are closer at
            rest touch at their distance there.
    """

    near_joints: Tensor
    far_joints: Tensor
    shares: Tensor
    radii_m: Tensor
    contact_m: Tensor

    def __init__(self, model: HandModel):
        super().__init__()
        joints = _rest_joints(model)
        spheres = _spheres(joints)
        parents, children = np.array([sphere.bone for sphere in spheres]).T
        shares = np.array([sphere.share for sphere in spheres])[:, None]
        centres = (1 - shares) * joints[parents] + shares * joints[children]
        to_skin = np.linalg.norm(centres[:, None] - model.v_template, axis=-1)
        radii = to_skin.min(1)
        contact = np.zeros((len(spheres), len(spheres)))
        for i, j in combinations(range(len(spheres)), 2):
            if _apart(spheres[i], spheres[j]):
                at_rest = np.linalg.norm(centres[i] - centres[j])
                contact[i, j] = min(YIELDING * (radii[i] + radii[j]), at_rest)
        self.rest_size_m = float(np.linalg.norm(joints[PALM_LENGTH[0]] - joints[PALM_LENGTH[1]]))
        constants = {
            "near_joints": torch.from_numpy(parents),
            "far_joints": torch.from_numpy(children),
            "shares": torch.from_numpy(shares).float(),
            "radii_m": torch.from_numpy(radii).float(),
            "contact_m": torch.from_numpy(contact).float(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, joints: Tensor) -> Tensor:
        """The centres of hands that are brought to the model's size.

        Args:
            joints: (B, 21, 3) metres, FreiHAND order.

        Returns:
            (B, N, 3) metres from the wrist, in a hand whose palm is as long as the model's.
        """
        start, end = (joints[:, joint] for joint in PALM_LENGTH)
        size = torch.linalg.vector_norm(end - start, dim=-1).clamp(min=torch.finfo(joints.dtype).tiny)
        joints = (joints - joints[:, [WRIST]]) * (self.rest_size_m / size)[:, None, None]
        ends = (joints.index_select(1, ends) for ends in (self.near_joints, self.far_joints))
        return torch.lerp(*ends, self.shares.to(joints.dtype))


def _rest_joints(model: HandModel) -> np.ndarray:
    """(21, 3) metres, FreiHAND order."""
    tips = model.v_template[list(FINGERTIP_VERTICES["freihand"])]
    joints = np.concatenate([model.J_regressor @ model.v_template, tips])
    return joints[list(MANO_WITH_TIPS)][list(FREIHAND_FROM_MANO_WITH_TIPS)]


def _spheres(joints: np.ndarray) -> list[_Sphere]:
    """The spheres of all fingers and of the four bones of the palm."""
    spheres = []
    for finger, chain in FINGERS.items():
        bones = [(*bone, finger) for bone in pairwise(chain)]
        if finger != "thumb":
            bones.append((WRIST, chain[0], PALM))
        for parent, child, part in bones:
            last = TIP_SHARE if child == chain[-1] else 1.0
            length = last * float(np.linalg.norm(joints[child] - joints[parent]))
            # Each bone has its near end; the next one, or the tip, has the far end.
            count = math.ceil(length / SPACING_M)
            shares = last * np.arange(count + (child == chain[-1])) / count
            spheres += [_Sphere((parent, child), share, part, parent == chain[0]) for share in shares]
    return spheres


def _apart(first: _Sphere, second: _Sphere) -> bool:
    """Whether two spheres may not overlap: a finger's first bone goes over into the palm."""
    parts = {first.part, second.part}
    if PALM in parts:
        return len(parts) == 2 and not (first.of_first_bone or second.of_first_bone)
    return len(parts) == 2
