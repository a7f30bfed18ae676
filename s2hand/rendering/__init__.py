"""A differentiable mesh renderer: Warp kernels for CPU and CUDA behind PyTorch operators. Knows no hands."""

from s2hand.rendering.lighting import face_normals, shade, split_light
from s2hand.rendering.rasterize import rasterize
from s2hand.rendering.renderer import MeshRenderer

__all__ = ["MeshRenderer", "face_normals", "rasterize", "shade", "split_light"]
