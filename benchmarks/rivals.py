"""Other differentiable rasterizers behind the benchmark's interface, where they are installed.

Each takes NDC vertices (B, V, 3), faces, colours of both sides and the image's size, and returns rgb,
silhouette and depth of an image drawn at twice the size and averaged.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

NEAR, FAR = 0.1, 100.0


def available(device: str) -> dict[str, Callable]:
    """The rivals that can be imported and run on ``device``."""
    renderers = {"PyTorch3D": _pytorch3d()}
    if device == "cuda":
        renderers["nvdiffrast"] = _nvdiffrast()
    return {name: renderer for name, renderer in renderers.items() if renderer is not None}


def _shade(face: Tensor, colors: Tensor) -> tuple[Tensor, Tensor]:
    """rgb (B, 3, R, R) on white and coverage (B, R, R) from each pixel's face of its item, -1 where none."""
    covered = face >= 0
    items = torch.arange(len(face), device=face.device)[:, None, None]
    rgb = colors[items, face.clamp(min=0)].where(covered[..., None], torch.ones_like(colors[0, 0]))
    return rgb.movedim(-1, 1), covered.float()


def _pytorch3d() -> Callable | None:
    try:
        from pytorch3d.renderer.mesh import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError:
        return None

    def render(vertices: Tensor, faces: Tensor, colors: Tensor, size: int):
        meshes = Meshes(vertices, faces.long().expand(len(vertices), -1, -1))
        face, depth, _, _ = rasterize_meshes(
            meshes, 2 * size, blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
        )
        offset = torch.arange(len(vertices), device=face.device)[:, None, None] * len(faces)
        face, depth = face[..., 0], depth[..., 0]
        rgb, silhouette = _shade((face - offset).where(face >= 0, face), colors)
        return avg_pool2d(rgb, 2), avg_pool2d(silhouette, 2), avg_pool2d(depth, 2)

    return render


def _nvdiffrast() -> Callable | None:
    try:
        import nvdiffrast.torch as dr
    except ImportError:
        return None
    context = dr.RasterizeCudaContext()

    def render(vertices: Tensor, faces: Tensor, colors: Tensor, size: int):
        x, y, z = vertices.unbind(-1)
        clip = torch.stack(
            [x * z, y * z, ((FAR + NEAR) * z - 2 * FAR * NEAR) / (FAR - NEAR), z], -1
        ).contiguous()
        raster, _ = dr.rasterize(context, clip, faces, (2 * size, 2 * size))
        rgb, silhouette = _shade(raster[..., 3].long() - 1, colors)
        depth, _ = dr.interpolate(z[..., None].contiguous(), raster, faces)
        images = torch.cat([rgb.movedim(1, -1), silhouette[..., None], depth], -1).contiguous()
        images = avg_pool2d(dr.antialias(images, raster, clip, faces).movedim(-1, 1), 2)
        return images[:, :3], images[:, 3], images[:, 4]

    return render
