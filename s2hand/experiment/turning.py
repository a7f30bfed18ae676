"""From the frame of a camera that looks at a hand back to its photo's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from s2hand.experiment.hand_views import NetworkView
from s2hand.geometry.mirror import mirror_points
from s2hand.structures import HandParameters

LIGHT_DIRECTION = slice(8, 11)
"""Of a light vector, see :mod:`s2hand.rendering.lighting`."""


def turned_back(parameters: HandParameters, seen: Sequence[NetworkView]) -> HandParameters:
    """The same hands in the frames of their (mirrored) photos' cameras.

    With p = t + s R x before the virtual camera, and Q from the photo's frame to its own,
    Q^T p = Q^T t + s (Q^T R) x.

    Args:
        parameters: of B right hands, as the network was shown them; on the CPU.
        seen: what it was shown.
    """
    rotation, translation = parameters.rotation.clone(), parameters.translation.clone()
    for row, view in enumerate(seen):
        if view.rotation is not None:
            back = Rotation.from_matrix(view.rotation.T)
            turned = back * Rotation.from_rotvec(rotation[row].double().numpy())
            rotation[row] = torch.from_numpy(turned.as_rotvec()).to(rotation)
            translation[row] = torch.from_numpy(back.apply(translation[row].double().numpy())).to(translation)
    return replace(parameters, rotation=rotation, translation=translation)


def light_in_photos(light: Tensor, seen: Sequence[NetworkView]) -> Tensor:
    """Lights (B, 11) whose directions are those in the photos; left hands' are mirrored back."""
    light = light.clone()
    for row, view in enumerate(seen):
        direction = light[row, LIGHT_DIRECTION]
        if view.rotation is not None:
            direction = torch.from_numpy(view.rotation.T.astype(np.float32)) @ direction
        light[row, LIGHT_DIRECTION] = mirror_points(direction) if view.mirrored else direction
    return light
