"""One ambient and one directional light, per face (Kato et al. 2018).

A light is a vector of 11: ambient intensity, directional intensity, ambient colour (3), directional colour
(3), direction (3). The direction is the one in which the light travels, camera frame (x right, y down, z
forward), and its length scales the directional part: the network may predict it without normalising.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

LIGHT_SIZE = 11

SMALLEST_NORMAL = 1e-20
"""Square metres. Cross products shorter than this belong to faces without area; their normal is 0.

Differs from the published code, where 1e-5 darkens every face smaller than 5 mm^2.
"""


class Light(NamedTuple):
    """The parts of a light vector.

    Attributes:
        ambient_intensity: (B, 1).
        directional_intensity: (B, 1).
        ambient_color: (B, 3).
        directional_color: (B, 3).
        direction: (B, 3) camera frame, any length.
    """

    ambient_intensity: Tensor
    directional_intensity: Tensor
    ambient_color: Tensor
    directional_color: Tensor
    direction: Tensor


def split_light(light: Tensor) -> Light:
    """Names the parts of (B, 11) light vectors.

    Raises:
        ValueError: for another shape.
    """
    if light.ndim != 2 or light.shape[-1] != LIGHT_SIZE:
        raise ValueError(
            f"light: expected (B, {LIGHT_SIZE}), got {tuple(light.shape)}; "
            "it holds two intensities, two colours and a direction"
        )
    return Light(*light.split([1, 1, 3, 3, 3], dim=-1))


def face_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (v0 - v1) x (v2 - v1): away from the viewer who sees the corners counter-clockwise.

    A light that travels along a face's normal hits the side seen counter-clockwise.

    Args:
        vertices: (B, V, 3) metres, camera frame.
        faces: (F, 3) integer.

    Returns:
        (B, F, 3) of length 1; 0 for faces without area or with a corner that is not finite, which pass no
        gradient either.
    """
    corners = vertices[:, faces.long()]
    finite = corners.isfinite().all(-1).all(-1)[..., None, None]
    v0, v1, v2 = torch.where(finite, corners, torch.zeros_like(corners)).unbind(2)
    return normalize(torch.linalg.cross(v0 - v1, v2 - v1), dim=-1, eps=SMALLEST_NORMAL)


def shade(face_textures: Tensor, normals: Tensor, light: Tensor) -> Tensor:
    """Lights flat face colours: texture * (i_a c_a + i_d c_d max(0, n . l)).

    Args:
        face_textures: (B, F, 3).
        normals: (B, F, 3) from :func:`face_normals`.
        light: (B, 11).

    Returns:
        (B, F, 3) lit colours.
    """
    parts = split_light(light)
    cosine = (normals @ parts.direction.unsqueeze(-1)).clamp(min=0)
    ambient = (parts.ambient_intensity * parts.ambient_color).unsqueeze(1)
    directional = (parts.directional_intensity * parts.directional_color).unsqueeze(1)
    return face_textures * (ambient + directional * cosine)
