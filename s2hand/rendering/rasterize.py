"""The rasterizer as a PyTorch function: custom operators around the Warp kernels.

Kept for the backward pass, besides the inputs: the side that each raster pixel shows, 4 bytes a raster pixel
(4 bytes an image pixel, 16 with ``anti_aliasing``), which is an output anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import warp as wp
from torch import Tensor

from s2hand.kernels.launch import as_argument, operator
from s2hand.rendering import antialias_kernels, forward_kernels, interior_kernels
from s2hand.rendering.checks import check_inputs
from s2hand.rendering.geometry_kernels import mesh_bounds
from s2hand.rendering.launch import Scratch, launch_over_batch
from s2hand.rendering.scene import Settings, border_passes, corners_by_vertex, make_scene
from s2hand.structures import RenderOutput

GRADIENTS = ("nmr", "antialias")


@operator("rasterize")
def rasterize_op(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    image_size: int,
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draws: rgb, silhouette, depth, face_index. See :func:`rasterize` and :class:`Settings`."""
    settings = Settings.from_numbers(numbers)
    samples = settings.samples
    batch_size, device = len(vertices), vertices.device
    outputs = rgb, silhouette, depth, face_index = _empty_outputs(vertices, image_size, samples)
    scene = make_scene(vertices, faces, face_colors, face_index, settings)
    bounds = as_argument(torch.full((batch_size, 4), image_size, dtype=torch.int32, device=device))
    strip = image_size if device.type == "cpu" else 1
    grid = (image_size, image_size // strip)
    raster_size = image_size * samples
    images = [as_argument(rgb), as_argument(silhouette)]

    def plan(scratch: Scratch) -> list:
        buffer = scratch.empty("depth", (raster_size, raster_size), torch.int64)
        resolve = [scene, bounds, buffer, strip, *images, as_argument(depth)]
        passes = [
            (mesh_bounds, (vertices.shape[1],), [scene, bounds]),
            (forward_kernels.clear_buffer, grid, [scene, bounds, strip, buffer]),
            (forward_kernels.draw_faces, (len(faces),), [scene, buffer]),
            (forward_kernels.resolve, grid, resolve),
        ]
        if settings.antialias:
            passes.append((antialias_kernels.blend_edges, grid, [scene, bounds, strip, *images]))
        return passes

    launch_over_batch(plan, batch_size, raster_size, device)
    return outputs


def _empty_outputs(vertices: Tensor, image_size: int, samples: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch_size, raster_size = vertices.shape[0], image_size * samples
    rgb = vertices.new_empty((batch_size, 3, image_size, image_size))
    silhouette = vertices.new_empty((batch_size, image_size, image_size))
    depth = vertices.new_empty((batch_size, image_size, image_size))
    face_index = vertices.new_empty((batch_size, raster_size, raster_size), dtype=torch.int32)
    return rgb, silhouette, depth, face_index


@torch.library.register_fake("s2hand::rasterize")
def _(vertices, faces, face_colors, image_size, numbers):
    return _empty_outputs(vertices, image_size, Settings.from_numbers(numbers).samples)


@operator("rasterize_backward")
def rasterize_backward_op(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    face_index: Tensor,
    grad_rgb: Tensor,
    grad_silhouette: Tensor,
    grad_depth: Tensor,
    numbers: list[float],
) -> tuple[Tensor, Tensor]:
    """The gradients of vertices and face colours, from the side that each raster pixel shows."""
    settings = Settings.from_numbers(numbers)
    (batch_size, num_vertices), num_faces, device = vertices.shape[:2], len(faces), vertices.device
    scene = make_scene(vertices, faces, face_colors, face_index, settings)
    rgb, silhouette, depth = (as_argument(g.contiguous()) for g in (grad_rgb, grad_silhouette, grad_depth))
    grad_vertices = torch.empty(vertices.shape, device=device)
    grad_colors = torch.empty(face_colors.shape, device=device)
    vertices_w, colors_w = as_argument(grad_vertices, wp.vec3), as_argument(grad_colors, wp.vec3)
    bounds = as_argument(torch.full((batch_size, 4), grad_depth.shape[-1], dtype=torch.int32, device=device))
    order, start = (as_argument(t) for t in corners_by_vertex(faces, num_vertices))

    def plan(scratch: Scratch) -> list:
        corners = scratch.empty("corners", (num_faces, 3, 3), torch.float32, wp.vec3)
        edges = scratch.empty("edges", (num_faces, 3, 2, 2), torch.float32, wp.vec2)
        owned = scratch.empty("owned", (num_faces,), torch.int32)
        interior = [scene, rgb, depth, owned, colors_w, corners, edges]
        passes = [(interior_kernels.interior_gradient, (num_faces,), interior)]
        if settings.antialias:
            edge = [scene, rgb, silhouette, owned, colors_w, corners]
            passes.append((antialias_kernels.edge_gradient, (num_faces,), edge))
        else:
            passes += border_passes(scratch, scene, settings.eps, bounds, (rgb, silhouette), owned, edges)
        gather = [order, start, corners, edges, vertices_w]
        return [*passes, (interior_kernels.gather_vertices, (num_vertices,), gather)]

    launch_over_batch(plan, batch_size, face_index.shape[-1], device)
    return grad_vertices, grad_colors


@torch.library.register_fake("s2hand::rasterize_backward")
def _(vertices, faces, face_colors, face_index, *rest):
    return torch.empty_like(vertices), torch.empty_like(face_colors)


def _setup_context(ctx, inputs, output):
    vertices, faces, face_colors, _, numbers = inputs
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)  # zeros for face_index would cost as much as drawing
    ctx.save_for_backward(vertices, faces, face_colors, output[3])
    ctx.numbers = numbers


def _backward(ctx, grad_rgb, grad_silhouette, grad_depth, _):
    vertices, face_index = ctx.saved_tensors[0], ctx.saved_tensors[3]
    size = face_index.shape[-1] // Settings.from_numbers(ctx.numbers).samples
    gradients = ((grad_rgb, (3, size, size)), (grad_silhouette, (size, size)), (grad_depth, (size, size)))
    upstream = [
        vertices.new_zeros((len(vertices), *shape)) if gradient is None else gradient
        for gradient, shape in gradients
    ]
    grad_vertices, grad_colors = rasterize_backward_op(*ctx.saved_tensors, *upstream, ctx.numbers)
    return grad_vertices, None, grad_colors, None, None


def _no_second_derivative(ctx, *_):
    raise RuntimeError("rasterize has no second derivatives: differentiate once, without create_graph")


torch.library.register_autograd("s2hand::rasterize", _backward, setup_context=_setup_context)
torch.library.register_autograd("s2hand::rasterize_backward", _no_second_derivative)


def rasterize(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    image_size: int,
    *,
    background: Sequence[float] = (0, 0, 0),
    near: float = 0.1,
    far: float = 100.0,
    eps: float = 1e-3,
    anti_aliasing: bool = False,
    fill_back: bool = False,
    gradient: str = "nmr",
) -> RenderOutput:
    """Draws meshes of flat-coloured faces, in float32 whatever comes in; the nearest face shows.

    Faces with a corner that is not finite, lies behind the camera or further than 1e5 from the image (NDC)
    are left out, and so are faces without area. They neither show nor receive a gradient.

    Args:
        vertices: (B, V, 3): NDC x (right), y (up), in [-1, 1] between the image's borders, and camera z.
        faces: (F, 3) integer, counter-clockwise as seen from their front.
        face_colors: (B, F, 3), or (B, 2F, 3) with ``fill_back``: back sides after front sides.
        image_size: S, the image's side in pixels.
        background: three numbers, the colour of empty pixels.
        near: only what lies beyond is drawn, in the unit of z.
        far: only what lies before is drawn; also the depth of empty pixels.
        eps: added to the distances that the "nmr" gradient divides by, NDC.
        anti_aliasing: draw at 2S and average 2 x 2 pixels.
        fill_back: draw back sides too.
        gradient: how the image depends on where edges are. "nmr": hard edges, with the neural mesh
            renderer's gradient, which reaches across the whole image but is approximate (Kato et al. 2018).
            "antialias": pixels are blended along edges, and the gradient is the derivative of that image,
            exact but only as wide as the blending (Laine et al. 2020). Where several edges cross about one
            pixel its blended colour and coverage may leave their range.

    Returns:
        The images. rgb and silhouette are differentiable in ``vertices``' x and y (through edges) and rgb
        in ``face_colors``; depth in all of ``vertices``, but not through edges; face_index in nothing.

    Raises:
        TypeError: an argument is not a tensor or has the wrong kind of number, or the size is no integer.
        ValueError: a shape, a device, a setting or (on the CPU) a vertex number does not fit.
    """
    if gradient not in GRADIENTS:
        raise ValueError(f"gradient: expected one of {', '.join(GRADIENTS)}, got {gradient!r}")
    check_inputs(vertices, faces, face_colors, image_size, background, (near, far), eps, fill_back)
    samples = 2 if anti_aliasing else 1
    numbers = Settings(background, near, far, eps, samples, fill_back, gradient == "antialias").numbers()
    return RenderOutput(
        *rasterize_op(vertices.float(), faces.to(torch.int32), face_colors.float(), image_size, numbers)
    )
