"""Renderings of one hand, also from other viewpoints.

Frames: camera, x right, y down, z forward, metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.rendering import MeshRenderer
from s2hand.visualize.pixels import to_array
from s2hand.visualize.shading import Surface, clay, lit_texture, seen_surface

VIEW_DISTANCE = 0.6
"""Metres from the camera to the hand's centre in re-framed views."""

VIEW_RADIUS = 0.09
"""Radius in metres to which re-framed hands are scaled."""

VIEW_MARGIN = 0.07
"""Free border of a re-framed view, as a fraction of its side."""

NEUTRAL_LIGHT = (0.5, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.7, 0.6)
"""White light, ambient and from the upper left of the camera (layout: :mod:`s2hand.rendering.lighting`).

Its direction is the one in which light travels, because the normals of the renderer point into the hand."""


@dataclass(frozen=True)
class View:
    """A rendered hand as images.

    Attributes:
        rgb: (S, S, 3) in [0, 1] over white: lit texture as the renderer draws it in training, face by face;
            None without a texture.
        smooth: the same with interpolated normals and colours; clay without a texture.
        silhouette: (S, S) coverage in [0, 1].
        surface: depth and smooth normals at the resolution of the raster.
    """

    rgb: np.ndarray | None
    smooth: np.ndarray
    silhouette: np.ndarray
    surface: Surface

    @property
    def size(self) -> int:
        """Side of the image in pixels."""
        return self.silhouette.shape[0]

    def clay(self) -> np.ndarray:
        """(S, S, 3) in [0, 1] over white: the shape in neutral clay."""
        return clay(self.surface, self.size)


@torch.no_grad()
def render_view(
    vertices: Tensor,
    faces: Tensor,
    K: Tensor,
    size: int,
    face_textures: Tensor | None = None,
    light: Tensor | None = None,
) -> View:
    """Renders one hand.

    Args:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        K: (3, 3) pixels of a ``size`` image.
        size: side of the image in pixels.
        face_textures: (F, 3) RGB before light, or None for shape only.
        light: (11,) light vector, by default a neutral one.
    """
    textured = face_textures is not None
    if face_textures is None:
        face_textures = vertices.new_ones(len(faces), 3)
    if light is None:
        light = vertices.new_tensor(NEUTRAL_LIGHT)
    faces = faces.to(vertices.device)
    renderer = MeshRenderer(faces, size).to(vertices.device)
    output = renderer(vertices[None], K[None], face_textures[None], light[None])
    faces_array = faces.cpu().numpy()
    face_index = output.face_index[0].cpu().numpy()
    surface = seen_surface(to_array(vertices), faces_array, to_array(K), face_index, size)
    silhouette = to_array(output.silhouette[0])
    if not textured:
        return View(None, clay(surface, size), silhouette, surface)
    smooth = lit_texture(surface, faces_array, to_array(face_textures.tanh()), to_array(light), size)
    return View(to_array(output.rgb[0].permute(1, 2, 0).clamp(0, 1)), smooth, silhouette, surface)


def yaw_rotation(angle_deg: float) -> Tensor:
    """(3, 3) rotation about the camera's vertical axis."""
    return axis_angle_to_matrix(torch.tensor([0.0, math.radians(angle_deg), 0.0]))


def turn(vertices: Tensor, rotation: Tensor) -> Tensor:
    """Turns a hand about its own centre and brings it to a standard position and size.

    Args:
        vertices: (V, 3) metres.
        rotation: (3, 3).

    Returns:
        (V, 3) metres: centred at ``VIEW_DISTANCE`` in front of the camera, with the farthest vertex at a
        distance of ``VIEW_RADIUS`` from the centre.
    """
    rotation = rotation.to(vertices)
    centre = (vertices.amin(0) + vertices.amax(0)) / 2
    offset = vertices - centre
    offset = offset * (VIEW_RADIUS / offset.norm(dim=-1).max().clamp(min=1e-9))
    return offset @ rotation.T + vertices.new_tensor([0, 0, VIEW_DISTANCE])


def framing_camera(vertices: Tensor, size: int, margin: float = VIEW_MARGIN) -> Tensor:
    """The camera matrix for which the projected points just fill the image.

    Args:
        vertices: (N, 3) metres, camera frame, in front of the camera.
        size: side of the image in pixels.
        margin: free border as a fraction of the side.

    Returns:
        (3, 3) pixels.
    """
    projected = vertices[:, :2] / vertices[:, 2:]
    low, high = projected.amin(0), projected.amax(0)
    focal = (1 - 2 * margin) * size / (high - low).max().clamp(min=1e-9)
    K = torch.diag(torch.stack([focal, focal, torch.ones_like(focal)]))
    K[:2, 2] = size / 2 - focal * (low + high) / 2
    return K


def render_from(
    vertices: Tensor,
    faces: Tensor,
    size: int,
    yaw_deg: float,
    face_textures: Tensor | None = None,
    light: Tensor | None = None,
) -> View:
    """Renders one hand turned about the vertical axis through its centre, framed to fill the image.

    Only the hand turns; camera and light stay, so no side of it is dark. ``yaw_deg`` is the turn in degrees;
    the other arguments are those of :func:`render_view`.
    """
    vertices = turn(vertices, yaw_rotation(yaw_deg))
    return render_view(vertices, faces, framing_camera(vertices, size), size, face_textures, light)
