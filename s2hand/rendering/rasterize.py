"""The rasterizer as a PyTorch function: custom operators around the Warp kernels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp
from torch import Tensor

from s2hand.rendering import border_kernels, forward_kernels, interior_kernels
from s2hand.rendering.geometry_kernels import Scene, mesh_bounds
from s2hand.rendering.launch import as_warp, launch_over_batch
from s2hand.structures import RenderOutput

EMPTY_KEY = 0x7FFFFFFFFFFFFFFF


@torch.library.custom_op("s2hand::rasterize", mutates_args=())
def rasterize_op(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    background: list[float],
    image_size: int,
    near: float,
    far: float,
    eps: float,
    samples: int,
    fill_back: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draws; ``samples`` x ``samples`` raster pixels make a picture pixel. See :func:`rasterize`."""
    batch_size, device = len(vertices), vertices.device
    outputs = rgb, silhouette, depth, face_index = _empty_outputs(vertices, image_size, samples)
    scene = make_scene(vertices, faces, face_colors, face_index, background, near, far, samples, fill_back)
    buffer = as_warp(torch.empty(face_index.shape, dtype=torch.int64, device=device))
    bounds = as_warp(torch.full((batch_size, 4), image_size, dtype=torch.int32, device=device))
    strip = image_size if device.type == "cpu" else 1
    pictures = [as_warp(rgb), as_warp(silhouette), as_warp(depth)]
    grid = (image_size, image_size // strip)
    passes = [
        (mesh_bounds, (vertices.shape[1],), [scene, bounds]),
        (forward_kernels.clear_buffer, grid, [scene, bounds, strip, buffer]),
        (forward_kernels.draw_faces, (len(faces),), [scene, buffer]),
        (forward_kernels.resolve, grid, [scene, bounds, buffer, strip, *pictures]),
    ]
    launch_over_batch(passes, batch_size, device)
    return outputs


def make_scene(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    face_index: Tensor,
    background: list[float],
    near: float,
    far: float,
    samples: int,
    fill_back: bool,
) -> Scene:
    """Collects what all kernels read."""
    scene = Scene()
    scene.vertices = as_warp(vertices.contiguous(), wp.vec3)
    scene.faces = as_warp(faces)
    scene.face_colors = as_warp(face_colors.contiguous(), wp.vec3)
    scene.face_index = as_warp(face_index)
    scene.background = wp.vec3(*background)
    scene.near, scene.far, scene.samples, scene.fill_back = near, far, samples, fill_back
    return scene


def _empty_outputs(vertices: Tensor, image_size: int, samples: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch_size, raster_size = vertices.shape[0], image_size * samples
    rgb = vertices.new_empty((batch_size, 3, image_size, image_size))
    silhouette = vertices.new_empty((batch_size, image_size, image_size))
    depth = vertices.new_empty((batch_size, image_size, image_size))
    face_index = vertices.new_empty((batch_size, raster_size, raster_size), dtype=torch.int32)
    return rgb, silhouette, depth, face_index


@rasterize_op.register_fake
def _(vertices, faces, face_colors, background, image_size, near, far, eps, samples, fill_back):
    return _empty_outputs(vertices, image_size, samples)


@torch.library.custom_op("s2hand::rasterize_backward", mutates_args=())
def rasterize_backward_op(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    face_index: Tensor,
    grad_rgb: Tensor,
    grad_silhouette: Tensor,
    grad_depth: Tensor,
    background: list[float],
    near: float,
    eps: float,
    samples: int,
    fill_back: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients of vertices and face colours, from the face that each raster pixel shows."""
    (batch_size, num_vertices), num_faces, device = vertices.shape[:2], len(faces), vertices.device
    image_size, raster_size = grad_depth.shape[-1], face_index.shape[-1]
    scene = make_scene(vertices, faces, face_colors, face_index, background, near, 0.0, samples, fill_back)
    rgb, silhouette, depth = (as_warp(g.contiguous()) for g in (grad_rgb, grad_silhouette, grad_depth))
    grad_vertices = torch.empty(vertices.shape, device=device)
    grad_colors = torch.zeros(face_colors.shape, device=device)
    corners = as_warp(torch.zeros((batch_size, num_faces, 3, 3), device=device), wp.vec3)
    edges = as_warp(torch.zeros((batch_size, num_faces, 3, 2, 2), device=device), wp.vec2)
    owned = as_warp(torch.empty((batch_size, num_faces), dtype=torch.int32, device=device))
    pitch = -(-image_size // border_kernels.LANES) * border_kernels.LANES
    upstream = as_warp(torch.empty((batch_size, 2 * image_size, 4, pitch), device=device))
    products = as_warp(torch.empty((batch_size, 2 * raster_size, samples, pitch), device=device))
    lines = as_warp(torch.empty((batch_size, 2 * image_size, 2), dtype=torch.int32, device=device), wp.vec2i)
    mesh = as_warp(torch.full((batch_size, 4), image_size, dtype=torch.int32, device=device))
    order, start = (as_warp(t) for t in corners_by_vertex(faces, num_vertices))
    block = border_kernels.LANES if device.type == "cpu" else 1
    passes = [
        (mesh_bounds, (num_vertices,), [scene, mesh]),
        (
            interior_kernels.interior_gradient,
            (num_faces,),
            [scene, rgb, depth, owned, as_warp(grad_colors, wp.vec3), corners],
        ),
        (
            border_kernels.prepare_lines,
            (-(-image_size // block),),
            [scene, mesh, block, rgb, silhouette, upstream, products],
        ),
        (border_kernels.bound_lines, (2, image_size), [mesh, upstream, image_size, lines]),
        (
            border_kernels.scan_edges,
            (num_faces, 3, 2),
            [scene, eps, owned, upstream, products, lines, edges],
        ),
        (
            interior_kernels.gather_vertices,
            (num_vertices,),
            [order, start, corners, edges, as_warp(grad_vertices, wp.vec3)],
        ),
    ]
    launch_over_batch(passes, batch_size, device)
    return grad_vertices, grad_colors


@rasterize_backward_op.register_fake
def _(vertices, faces, face_colors, face_index, *rest):
    return torch.empty_like(vertices), torch.empty_like(face_colors)


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


class _Settings(NamedTuple):
    background: list[float]
    near: float
    eps: float
    samples: int
    fill_back: bool


def _setup_context(ctx, inputs, output):
    vertices, faces, face_colors, background, _, near, _, eps, samples, fill_back = inputs
    face_index = output[3]
    ctx.mark_non_differentiable(face_index)
    ctx.save_for_backward(vertices, faces, face_colors, face_index)
    ctx.settings = _Settings(background, near, eps, samples, fill_back)


def _backward(ctx, grad_rgb, grad_silhouette, grad_depth, _):
    gradients = rasterize_backward_op(
        *ctx.saved_tensors, grad_rgb, grad_silhouette, grad_depth, *ctx.settings
    )
    return gradients[0], None, gradients[1], *[None] * 7


rasterize_op.register_autograd(_backward, setup_context=_setup_context)


def rasterize(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    image_size: int,
    *,
    background=(0, 0, 0),
    near: float = 0.1,
    far: float = 100.0,
    eps: float = 1e-3,
    anti_aliasing: bool = False,
    fill_back: bool = False,
    gradient: str = "nmr",
) -> RenderOutput:
    """Draws meshes of flat-coloured faces.

    Args:
        vertices: (B, V, 3): NDC x (right), y (up), in [-1, 1] between the image's borders, and camera z.
        faces: (F, 3) integer, counter-clockwise as seen from their front.
        face_colors: (B, F, 3), or (B, 2F, 3) with ``fill_back``: back sides after front sides.
        image_size: S, the picture's side in pixels.
        background: colour of empty pixels.
        near: only what lies beyond is drawn, in the unit of z.
        far: only what lies before is drawn; also the depth of empty pixels.
        eps: added to the distances that the visibility gradient divides by, NDC.
        anti_aliasing: draw at 2S and average 2 x 2 pixels.
        fill_back: draw back sides too.
        gradient: "nmr", the neural mesh renderer's visibility gradient (Kato et al. 2018).

    Returns:
        The picture; differentiable in ``vertices`` and ``face_colors``.
    """
    outputs = rasterize_op(
        vertices.float(),
        faces.to(torch.int32).contiguous(),
        face_colors.float(),
        [float(channel) for channel in background],
        image_size,
        near,
        far,
        eps,
        2 if anti_aliasing else 1,
        fill_back,
    )
    return RenderOutput(*outputs)
