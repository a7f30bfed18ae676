"""What the operators hand to the kernels: the scene, and the passes of the visibility gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import warp as wp
from torch import Tensor

from s2hand.kernels.launch import as_argument, as_warp, launch_once
from s2hand.rendering.border_kernels import scan_edges
from s2hand.rendering.geometry_kernels import Scene, mesh_bounds
from s2hand.rendering.interior_kernels import group_corners
from s2hand.rendering.launch import Scratch
from s2hand.rendering.line_kernels import Lines, bound_lines, prepare_lines
from s2hand.rendering.vectors import lanes_on


class Settings(NamedTuple):
    """The operators' settings; see :func:`~s2hand.rendering.rasterize`. They travel as a list of numbers.

    Attributes:
        background: three numbers.
        near: unit of z.
        far: unit of z.
        eps: NDC.
        samples: raster pixels in an image pixel's side.
        fill_back: draw back sides too.
        antialias: the gradient is "antialias".
    """

    background: Sequence[float]
    near: float
    far: float
    eps: float
    samples: int
    fill_back: bool
    antialias: bool

    def numbers(self) -> list[float]:
        """All settings as a list, the background first."""
        return [float(value) for value in (*self.background, *self[1:])]

    @classmethod
    def from_numbers(cls, numbers: list[float]) -> Settings:
        """The inverse of :meth:`numbers`."""
        near, far, eps, samples, fill_back, antialias = numbers[3:]
        return cls(numbers[:3], near, far, eps, int(samples), bool(fill_back), bool(antialias))


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
        faces: (F, 3) int32; on the CPU of vertex numbers below V.
        num_vertices: V.

    Returns:
        (3F,) flat corner numbers in order of their vertices, and (at least V + 1,) where each vertex's begin;
        int64.
    """
    if faces.device.type == "cpu":
        # PyTorch's searchsorted would wake its threads, which then spin for a while, in the way of ours.
        order = torch.empty(faces.numel(), dtype=torch.int64)
        start = torch.zeros(num_vertices + 2, dtype=torch.int64)
        launch_once(group_corners, [as_argument(t) for t in (faces.contiguous(), order, start)])
        return order, start
    sorted_vertices, order = faces.flatten().sort(stable=True)
    vertices = torch.arange(num_vertices + 1, device=faces.device, dtype=faces.dtype)
    return order, torch.searchsorted(sorted_vertices, vertices)


def border_passes(scratch: Scratch, scene: Scene, eps: float, bounds, upstream_images, owned, edges) -> list:
    """The passes of the visibility gradient, with their buffers.

    Args:
        scratch: where they come from.
        scene: see :func:`make_scene`.
        eps: NDC.
        bounds: Warp array (B, 4) for the mesh's rectangle, filled with the image's size.
        upstream_images: Warp arrays of the upstream gradients of rgb and silhouette.
        owned: scratch (F,), raster pixels that show each face.
        edges: scratch (F, 3, 2) of vec2, to be written.

    Returns:
        Passes for :func:`~s2hand.rendering.launch.launch_over_batch`.
    """
    samples = scene.samples
    size = scene.face_index.shape[1] // samples
    num_vertices, num_faces = scene.vertices.shape[1], scene.faces.shape[0]
    tile = lanes_on(scratch.device)
    tiles = -(-size // tile)
    pitch = tiles * tile
    lines = Lines()
    lines.tile = tile
    lines.bounds = scratch.empty("bounds", (2, tiles, 2), torch.int32, wp.vec2i)
    lines.upstream = scratch.empty("upstream", (2 * pitch, 4, pitch), torch.float32)
    lines.products = scratch.empty("products", (2 * pitch * samples, samples, pitch), torch.float32)
    lines.sides = scratch.empty("sides", (2 * pitch * samples, samples, pitch), torch.int32)
    prepare = [scene, bounds, *upstream_images, lines]
    pairs = 6 if scratch.device.type == "cpu" else 1
    scan = [scene, eps, pairs, owned, lines, edges]
    return [
        (mesh_bounds, (num_vertices,), [scene, bounds]),
        (bound_lines, (2, tiles), prepare),
        (prepare_lines, (tiles, tiles), prepare),
        (scan_edges, (num_faces, 6 // pairs), scan),
    ]
