"""A posed hand in a camera's frame: what lifting answers and refinement moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.assets import NUM_BETAS, NUM_POSE
from s2hand.structures import TensorStruct

NUM_UNKNOWNS = NUM_POSE + NUM_BETAS + 6
"""Angles, betas, rotation and translation, in this order."""


@dataclass(frozen=True)
class PosedHand(TensorStruct):
    """Parameters of right hands, or of the mirror images of left ones.

    Attributes:
        angles: (B, 15, 3) axis-angles of the finger joints, radians, MANO order.
        betas: (B, 10).
        rotation: (B, 3, 3) about the hand model's origin.
        translation: (B, 3) metres.
    """

    angles: Tensor
    betas: Tensor
    rotation: Tensor
    translation: Tensor

    def turned(self, rotation: Tensor) -> PosedHand:
        """The same hand in a frame to which the rotations (B, 3, 3) lead."""
        return replace(
            self,
            rotation=rotation @ self.rotation,
            translation=(rotation @ self.translation[..., None]).squeeze(-1),
        )

    def moved(self, step: Tensor) -> PosedHand:
        """Adds a step (B, 61) of all unknowns; its rotation w turns the hand further by exp([w]x)."""
        angles, betas, turn, shift = step.split([NUM_POSE, NUM_BETAS, 3, 3], -1)
        return PosedHand(
            angles=self.angles + angles.unflatten(-1, (-1, 3)),
            betas=self.betas + betas,
            rotation=axis_angle_to_matrix(turn) @ self.rotation,
            translation=self.translation + shift,
        )

    def where(self, chosen: Tensor, other: PosedHand) -> PosedHand:
        """This hand where ``chosen``, (B,) bool, and the other one elsewhere."""
        return PosedHand(
            angles=torch.where(chosen[:, None, None], self.angles, other.angles),
            betas=torch.where(chosen[:, None], self.betas, other.betas),
            rotation=torch.where(chosen[:, None, None], self.rotation, other.rotation),
            translation=torch.where(chosen[:, None], self.translation, other.translation),
        )

    def select(self, index: Tensor) -> PosedHand:
        """The hands at ``index``, int64 or bool."""
        return PosedHand(*(value[index] for value in vars(self).values()))
