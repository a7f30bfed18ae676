"""The length of a hand: from the wrist joint along the bones of the middle finger to its tip.

It does not depend on the pose, so it is what a ruler measures on the straightened hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from s2hand.hand.assets import NUM_BETAS, HandModel
from s2hand.skeleton import FINGERTIP_VERTICES
from s2hand.structures import HandParameters

MIDDLE_CHAIN = (0, 4, 5, 6)
"""Wrist and middle finger in MANO's order."""

MIDDLE_TIP = 2
"""Place of the middle finger among the tips."""


@dataclass(frozen=True)
class LengthPrior:
    """What a hand model expects of the length of hands.

    Attributes:
        mean_mm: length of the mean shape.
        spread_mm: standard deviation over hands.
        source: what tells so.
    """

    mean_mm: float
    spread_mm: float
    source: str


class HandRuler:
    """Measures hands of a model by their shape.

    Args:
        model: the hand's arrays.
    """

    def __init__(self, model: HandModel) -> None:
        self.name = model.name
        shapes = np.concatenate([model.v_template[..., None], model.shapedirs], -1)  # (V, 3, 1 + 10)
        joints = np.tensordot(model.J_regressor, shapes, 1)[list(MIDDLE_CHAIN)]
        tip = shapes[FINGERTIP_VERTICES["freihand"][MIDDLE_TIP]]
        self._bones = torch.from_numpy(np.diff(np.concatenate([joints, tip[None]]), axis=0)).double()

    def lengths_m(self, betas: Tensor) -> Tensor:
        """The lengths of hands of scale 1, (B,) metres float64, from betas (B, 10)."""
        betas = betas.double().cpu()
        bones = self._bones[..., 0] + torch.einsum("bk,jck->bjc", betas, self._bones[..., 1:])
        return bones.norm(dim=-1).sum(-1)

    def lengths_mm(self, parameters: HandParameters) -> Tensor:
        """The lengths of B hands of their own scale, (B,) mm float64."""
        return 1000 * parameters.scale.double().abs() * self.lengths_m(parameters.betas)

    def sized(
        self, parameters: HandParameters, length_mm: float | None = None
    ) -> tuple[HandParameters, Tensor]:
        """Gives hands a length. They look the same: no photo tells a hand from one of twice its size at
        twice its distance.

        Args:
            parameters: B hands.
            length_mm: their length; None leaves them as they are.

        Returns:
            The hands, and their lengths in mm, (B,).
        """
        lengths_mm = self.lengths_mm(parameters)
        if length_mm is None:
            return parameters, lengths_mm
        factor = (length_mm / lengths_mm).to(parameters.scale)
        sized = replace(
            parameters,
            scale=parameters.scale * factor,
            translation=parameters.translation * factor[:, None],
        )
        return sized, torch.full_like(lengths_mm, length_mm)

    @cached_property
    def prior(self) -> LengthPrior:
        """The prior that comes with shape coefficients of deviation 1, to first order."""
        steps = torch.eye(NUM_BETAS, dtype=torch.float64)
        slopes = (self.lengths_m(steps) - self.lengths_m(-steps)) / 2
        mean = float(self.lengths_m(torch.zeros(1, NUM_BETAS))[0])
        source = f"shapes of the hand model {self.name!r}, whose coefficients have deviation 1"
        return LengthPrior(1000 * mean, 1000 * float(slopes.norm()), source)
