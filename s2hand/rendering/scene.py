"""What the operators hand to the kernels: the scene, and the passes of the visibility gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp
from torch import Tensor

from s2hand.rendering.border_kernels import scan_edges
from s2hand.rendering.geometry_kernels import Scene, mesh_bounds
from s2hand.rendering.launch import Scratch, as_warp
from s2hand.rendering.line_kernels import LANES, bound_lines, prepare_lines


class Settings(NamedTuple):
    """What the operators take besides tensors; see :func:`rasterize`.

    Attributes:
        background: three numbers.
        near: unit of z.
        far: unit of z.
        eps: NDC.
        samples: raster pixels in a picture pixel's side.
        fill_back: draw back sides too.
        antialias: the gradient is "antialias".
    """

    background: list[float]
    near: float
    far: float
    eps: float
    samples: int
    fill_back: bool
    antialias: bool


def make_scene(
    vertices: Tensor, faces: Tensor, face_colors: Tensor, face_index: Tensor, settings: Settings
) -> Scene:
    """Collects what all kernels read."""
    scene = Scene()
    scene.vertices = as_warp(vertices.contiguous(), wp.vec3)
    scene.faces = as_warp(faces.contiguous())
    scene.face_colors = as_warp(face_colors.contiguous(), wp.vec3)
    scene.face_index = as_warp(face_index.contiguous())
    scene.background = wp.vec3(*settings.background)
    scene.near, scene.far = settings.near, settings.far
    scene.samples, scene.fill_back = settings.samples, settings.fill_back
    return scene


def corners_by_vertex(faces: Tensor, num_vertices: int) -> tuple[Tensor, Tensor]:
    """Sorts the faces' corners by vertex.

    Args:
        faces: (F, 3) integer.
        num_vertices: V.

    Returns:
        (3F,) flat corner numbers in order of their vertices, and (V + 1,) where each vertex's begin; int64.
    """
    sorted_vertices, order = faces.flatten().sort(stable=True)
    vertices = torch.arange(num_vertices + 1, device=faces.device, dtype=faces.dtype)
    return order, torch.searchsorted(sorted_vertices, vertices)


def border_passes(
    scratch: Scratch, scene: Scene, eps: float, bounds, upstream_pictures, owned, edges
) -> list:
    """The passes of the visibility gradient, with their buffers.

    Args:
        scratch: where they come from.
        scene: see :func:`make_scene`.
        eps: NDC.
        bounds: Warp array (B, 4) for the mesh's rectangle, filled with the picture's size.
        upstream_pictures: Warp arrays of the upstream gradients of rgb and silhouette.
        owned: scratch (F,), raster pixels that show each face.
        edges: scratch (F, 3, 2) of vec2, to be written.

    Returns:
        Passes for :func:`~s2hand.rendering.launch.launch_over_batch`.
    """
    size, samples = upstream_pictures[1].shape[1], scene.samples
    num_vertices, num_faces = scene.vertices.shape[1], scene.faces.shape[0]
    pitch = -(-size // LANES) * LANES
    upstream = scratch.empty("upstream", (2 * size, 4, pitch), torch.float32)
    products = scratch.empty("products", (2 * size * samples, samples, pitch), torch.float32)
    lines = scratch.empty("lines", (2 * size, 2), torch.int32, wp.vec2i)
    block = LANES if scratch.device.type == "cpu" else 1
    prepare = [scene, bounds, lines, block, *upstream_pictures, upstream, products]
    scan = [scene, eps, owned, upstream, products, lines, edges]
    return [
        (mesh_bounds, (num_vertices,), [scene, bounds]),
        (bound_lines, (2, size), [bounds, *upstream_pictures, lines]),
        (prepare_lines, (-(-size // block),), prepare),
        (scan_edges, (num_faces, 3, 2), scan),
    ]
