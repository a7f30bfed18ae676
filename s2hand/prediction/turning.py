"""From the frame of a camera that looks at a hand back to its photo's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from s2hand.geometry.mirror import mirror_points
from s2hand.images.square_view import SquareView
from s2hand.structures import HandParameters

LIGHT_DIRECTION = slice(8, 11)
"""Of a light vector, see :mod:`s2hand.rendering.lighting`."""


def turned_back(parameters: HandParameters, views: Sequence[SquareView]) -> HandParameters:
    """The same hands in the frames of their (mirrored) photos' cameras.

    With p = t + s R x before the virtual camera, and Q from the photo's frame to its own,
    Q^T p = Q^T t + s (Q^T R) x.

    Args:
        parameters: of B right hands, as the network was shown them; on the CPU.
        views: of the hands.
    """
    back = Rotation.from_matrix(np.stack([view.rotation.T for view in views]))
    rotation = (back * Rotation.from_rotvec(parameters.rotation.double().numpy())).as_rotvec()
    translation = back.apply(parameters.translation.double().numpy())
    return replace(
        parameters,
        rotation=torch.from_numpy(rotation).to(parameters.rotation),
        translation=torch.from_numpy(translation).to(parameters.translation),
    )


def light_in_photos(light: Tensor, views: Sequence[SquareView]) -> Tensor:
    """Lights (B, 11) whose directions are those in the photos; left hands' are mirrored back."""
    light = light.clone()
    for row, view in enumerate(views):
        back = torch.from_numpy(view.rotation.T.astype(np.float32))
        direction = back @ light[row, LIGHT_DIRECTION]
        light[row, LIGHT_DIRECTION] = mirror_points(direction) if view.mirrored else direction
    return light
