"""The benchmark's columns for other renderers, with stand-ins that have their interfaces and our pictures."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from meshes import octahedron

from s2hand.rendering import rasterize

SIZE = 16
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


class Meshes:
    """As pytorch3d.structures.Meshes: padded vertices (B, V, 3) and faces (B, F, 3)."""

    def __init__(self, verts, faces):
        assert faces.shape[0] == verts.shape[0]
        self.verts, self.faces = verts, faces


def draw(vertices, faces, size):
    """Each pixel's face, -1 where none, and its depth."""
    colors = torch.zeros(len(vertices), 2 * len(faces), 3)
    output = rasterize(vertices, faces, colors, size, fill_back=True, far=100.0)
    face = output.face_index.long()
    return torch.where(face >= 0, face % len(faces), face), output.depth


def rasterize_meshes(
    meshes, image_size=256, blur_radius=0.0, faces_per_pixel=8, bin_size=None, perspective_correct=False
):
    """As pytorch3d.renderer.mesh.rasterize_meshes: faces are counted through the whole batch."""
    face, depth = draw(meshes.verts, meshes.faces[0], image_size)
    first = torch.arange(len(face))[:, None, None] * meshes.faces.shape[1]
    packed = torch.where(face >= 0, face + first, face)[..., None]
    depth = torch.where(face >= 0, depth, -torch.ones_like(depth))[..., None]
    return packed, depth, depth.expand(*depth.shape[:-1], 3), depth


def nvdiffrast_rasterize(glctx, pos, tri, resolution, ranges=None, grad_db=True):
    """As nvdiffrast.torch.rasterize: (u, v, z/w, face + 1), the lowest row first."""
    assert pos.is_contiguous()
    assert tri.dtype == torch.int32
    w = pos[..., 3]
    ndc = torch.stack([pos[..., 0] / w, pos[..., 1] / w, w], -1)
    face, depth = draw(ndc, tri, resolution[0])
    zero = torch.zeros_like(depth)
    raster = torch.stack([zero, zero, depth, face + 1.0], -1).flip(1)
    return raster, torch.zeros_like(raster)


@pytest.fixture
def rivals(monkeypatch):
    """benchmarks/rivals.py beside both stand-ins."""
    names = ("pytorch3d", "pytorch3d.renderer", "pytorch3d.renderer.mesh", "pytorch3d.structures")
    modules = {name: ModuleType(name) for name in (*names, "nvdiffrast", "nvdiffrast.torch")}
    modules["pytorch3d.renderer.mesh"].rasterize_meshes = rasterize_meshes
    modules["pytorch3d.structures"].Meshes = Meshes
    operators = modules["nvdiffrast"].torch = modules["nvdiffrast.torch"]
    operators.RasterizeCudaContext = object
    operators.rasterize = nvdiffrast_rasterize
    operators.interpolate = lambda attr, rast, tri: (rast[..., 2:3], None)
    operators.antialias = lambda color, rast, pos, tri: color
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("rivals")


@pytest.mark.parametrize("name", ["PyTorch3D", "nvdiffrast"])
def test_pictures_are_ours(rivals, name):
    vertices, faces, colors = octahedron(batch=2)
    faces = faces.int()
    renderer = {"PyTorch3D": rivals._pytorch3d, "nvdiffrast": rivals._nvdiffrast}[name]()
    both_sides = torch.cat([colors[:, :8], colors[:, :8]], 1)  # rivals give both sides one colour
    ours = rasterize(
        *(vertices, faces, both_sides, SIZE), background=(1, 1, 1), anti_aliasing=True, fill_back=True
    )
    rgb, silhouette, depth = renderer(vertices, faces, colors, SIZE)
    if name == "nvdiffrast":
        rgb, silhouette, depth = (picture.flip(-2) for picture in (rgb, silhouette, depth))
    torch.testing.assert_close(rgb, ours.rgb)
    torch.testing.assert_close(silhouette, ours.silhouette)
    full = silhouette == 1
    torch.testing.assert_close(depth[full], ours.depth[full])
    for run in importlib.import_module("rasterize").cases(renderer, (vertices, faces, colors), SIZE).values():
        run()


def test_columns_appear_where_a_rival_is_importable(rivals):
    assert set(rivals.available("cpu")) == {"PyTorch3D"}
    assert set(rivals.available("cuda")) == {"PyTorch3D", "nvdiffrast"}
