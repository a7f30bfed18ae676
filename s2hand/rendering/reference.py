"""The rasterizer again, slowly, in plain PyTorch and any precision: what the kernels are tested against.

The forward pass is differentiable tensor algebra over all faces and pixels, so autograd gives the gradients
of depth and colours; the visibility gradient of rgb and silhouette (Kato et al. 2018) is a plain loop over
faces, edges and scan lines. Time and memory grow with faces times pixels: small images only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from s2hand.structures import RenderOutput


def rasterize_reference(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    image_size: int,
    *,
    background=(0, 0, 0),
    near: float = 0.1,
    far: float = 100.0,
    anti_aliasing: bool = False,
    fill_back: bool = False,
) -> RenderOutput:
    """Draws like :func:`~s2hand.rendering.rasterize`; autograd through it knows nothing of moving edges.

    Args and returns: see :func:`~s2hand.rendering.rasterize`; computes in the vertices' own precision.
    """
    if fill_back:
        faces = torch.cat([faces, faces.flip(1)])
    corners = vertices[:, faces.long()]
    samples = 2 if anti_aliasing else 1
    size = image_size * samples
    depths = _depth_of_faces(corners, size, near, far)
    depth, face_index = depths.min(1)
    covered = depth.isfinite()
    face_index = face_index.where(covered, torch.full_like(face_index, -1))
    depth = depth.where(covered, torch.full_like(depth, far))
    rgb = pixel_colors(face_index, face_colors, background)[:, :3]
    return RenderOutput(
        rgb=_average(rgb, samples),
        silhouette=_average(covered.to(depth), samples),
        depth=_average(depth, samples),
        face_index=face_index.to(torch.int32),
    )


def _average(images: Tensor, samples: int) -> Tensor:
    return images.unflatten(-1, (-1, samples)).unflatten(-3, (-1, samples)).mean((-3, -1))


def _depth_of_faces(corners: Tensor, size: int, near: float, far: float) -> Tensor:
    """(B, F, R, R): each face's depth at each pixel, infinite where it does not cover it. Top row first."""
    centres = (2 * torch.arange(size, device=corners.device, dtype=corners.dtype) + 1 - size) / size
    px, py = centres, -centres[:, None]
    x, y, z = (component[..., None, None] for component in corners.unbind(-1))
    edges = []
    for a, b in ((1, 2), (2, 0), (0, 1)):
        along = (x[:, :, b] - x[:, :, a]) * (py - y[:, :, a])
        edges.append(along - (y[:, :, b] - y[:, :, a]) * (px - x[:, :, a]))
    edges = torch.stack(edges)
    inside = (edges >= 0).all(0) & (edges.sum(0) > 0)
    # Elsewhere harmless numbers take over, so that autograd meets no infinity.
    edges = edges.where(inside, torch.ones_like(edges))
    depth = 1 / (edges / edges.sum(0) / z.movedim(2, 0)).sum(0)
    drawn = inside & (depth > near) & (depth < far)
    return depth.where(drawn, torch.full_like(depth, math.inf))


def pixel_colors(face_index: Tensor, face_colors: Tensor, background) -> Tensor:
    """(B, 4, R, R): the RGB and alpha that each raster pixel shows."""
    empty = face_colors.new_tensor([*background, 0.0]).expand(len(face_colors), 1, 4)
    opaque = torch.cat([face_colors, torch.ones_like(face_colors[..., :1])], -1)
    palette = torch.cat([empty, opaque], 1)
    items = torch.arange(len(face_index), device=face_index.device)[:, None, None]
    return palette[items, face_index.long() + 1].movedim(-1, 1)


def visibility_gradient_reference(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    face_index: Tensor,
    grad_rgb: Tensor,
    grad_silhouette: Tensor,
    *,
    background=(0, 0, 0),
    eps: float = 1e-3,
    fill_back: bool = False,
) -> Tensor:
    """The neural mesh renderer's gradient of rgb and silhouette, edge by edge and pixel by pixel.

    Args:
        vertices: (B, V, 3), see :func:`~s2hand.rendering.rasterize`.
        faces: (F, 3) integer.
        face_colors: (B, F or 2F, 3).
        face_index: (B, R, R) as drawn.
        grad_rgb: (B, 3, S, S) upstream gradient.
        grad_silhouette: (B, S, S) upstream gradient.
        background: three numbers.
        eps: NDC.
        fill_back: whether ``face_index`` counts back sides.

    Returns:
        (B, V, 3) gradient; nothing in z.
    """
    if fill_back:
        faces = torch.cat([faces, faces.flip(1)])
    samples = face_index.shape[-1] // grad_rgb.shape[-1]
    upstream = torch.cat([grad_rgb, grad_silhouette[:, None]], 1) / samples**2
    upstream = upstream.repeat_interleave(samples, -1).repeat_interleave(samples, -2)
    shown = pixel_colors(face_index, face_colors, background)
    gradient = torch.zeros_like(vertices)
    for item in range(len(vertices)):
        # From here on row y counts from the bottom, like NDC's y.
        sides, colors, g = (t[item].flip(-2) for t in (face_index, shown, upstream))
        for side in sides.unique().tolist():
            if side >= 0:
                corners = faces[side].long()
                points = vertices[item, corners]
                for axis in (0, 1):
                    pulls = _scan_face(points, axis, side, sides, colors, g, eps)
                    gradient[item].index_add_(0, corners, pulls)
    return gradient


def _scan_face(points, axis, side, sides, colors, upstream, eps) -> Tensor:
    """(3, 3): one axis's gradient of a face's corners. Axis 0 scans along y at integer columns."""
    if axis == 0:  # buffers are [y, x]: put the scanned coordinate last
        sides, colors, upstream = (t.transpose(-1, -2) for t in (sides, colors, upstream))
    size = sides.shape[-1]
    pixels = (0.5 * (points[:, :2] * size + size - 1)).tolist()
    gradient = torch.zeros_like(points)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        ends = [(pixels[k][axis], pixels[k][1 - axis]) for k in (a, b, c)]
        for corner, pull in zip(
            (a, b), _scan_edge(*ends, axis, side, sides, colors, upstream, eps), strict=True
        ):
            gradient[corner, 1 - axis] -= pull
    return gradient


def _scan_edge(a, b, c, axis, side, sides, colors, upstream, eps) -> tuple[float, float]:
    """The pulls on both ends of the edge a -> b; points are (across, along) the scan lines, in pixels."""
    (a0, a1), (b0, b1), (c0, c1) = a, b, c
    size = sides.shape[-1]
    totals = [0.0, 0.0]
    if a0 == b0:
        return tuple(totals)
    outward = (-1 if a0 < b0 else 1) * (1 if axis == 0 else -1)
    # As published, the last line is truncated towards zero: an edge that ends in (-1, 0) counts on line 0.
    for line in range(max(math.ceil(min(a0, b0)), 0), min(math.trunc(max(a0, b0)), size - 1) + 1):
        crossing = a1 + (b1 - a1) / (b0 - a0) * (line - a0)
        inner = math.floor(crossing) if outward > 0 else math.ceil(crossing)
        outer = inner + outward
        if not (0 <= inner < size and 0 <= outer < size):
            continue
        gains = []
        if sides[line, inner] == side:
            for d in range(outer, size if outward > 0 else -1, outward):
                gain = ((colors[:, line, d] - colors[:, line, inner]) * upstream[:, line, d]).sum()
                gains.append((d, gain))
        if (line - a0) * (line - c0) < 0:
            leaving = a1 + (c1 - a1) / (c0 - a0) * (line - a0)
        else:
            leaving = b1 + (c1 - b1) / (c0 - b0) * (line - b0)
        limit = math.ceil(leaving) if outward > 0 else math.floor(leaving)
        for d in range(max(min(inner, limit), 0), min(max(inner, limit), size - 1) + 1):
            if sides[line, d] == side:
                gain = ((colors[:, line, d] - colors[:, line, outer]) * upstream[:, line, d]).sum()
                gains.append((d, gain))
        for d, gain in gains:
            if gain > 0:
                for end, far_end in enumerate((b0 - line, line - a0)):
                    if far_end != 0:
                        distance = (b0 - a0) / far_end * (d - crossing) * 2 / size
                        totals[end] += float(gain) / (distance + (eps if distance > 0 else -eps))
    return tuple(totals)
