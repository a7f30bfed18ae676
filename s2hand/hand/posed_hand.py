"""A posed hand in a camera's frame: what lifting answers and refinement moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from s2hand.errors import S2HandError
from s2hand.geometry.rotation_logarithm import matrix_to_axis_angle
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.assets import NUM_BETAS, NUM_POSE
from s2hand.hand.mano import ManoLayer
from s2hand.structures import HandParameters, TensorStruct

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

    @classmethod
    def of_parameters(cls, parameters: HandParameters, layer: ManoLayer) -> PosedHand:
        """The inverse of :meth:`parameters`, for a layer with any number of directions.

        Where the scale is not 1, the hand keeps its own size and is nearer or farther instead, which looks
        the same.
        """
        angles = parameters.hand_pose @ layer.pose_basis + layer.pose_mean
        return cls(
            angles=angles.unflatten(-1, (-1, 3)),
            betas=parameters.betas,
            rotation=axis_angle_to_matrix(parameters.rotation),
            translation=parameters.translation / parameters.scale.abs()[:, None],
        )

    @classmethod
    def joined(cls, batches: Sequence[PosedHand]) -> PosedHand:
        """The hands of several batches, one after the other."""
        columns = zip(*(vars(batch).values() for batch in batches), strict=True)
        return cls(*(torch.cat(values) for values in columns))

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

    def parameters(self, layer: ManoLayer) -> HandParameters:
        """The hand as ``ManoLayer`` takes it, followed by scale and translation.

        Args:
            layer: with all 45 directions of the pose basis, so that it can take any pose.

        Returns:
            The parameters; their scale is 1.

        Raises:
            S2HandError: the layer has fewer directions.
        """
        if layer.num_pca != NUM_POSE:
            raise S2HandError(
                f"a lifted hand needs a hand layer with num_pca {NUM_POSE}, this one has {layer.num_pca}"
            )
        offsets = self.angles.flatten(1) - layer.pose_mean
        return HandParameters(
            # Rows of the basis are directions: pose = mean + coefficients @ basis.
            hand_pose=torch.linalg.solve(layer.pose_basis.T, offsets.T).T,
            betas=self.betas,
            rotation=matrix_to_axis_angle(self.rotation),
            translation=self.translation,
            scale=torch.ones_like(self.translation[:, 0]),
        )
