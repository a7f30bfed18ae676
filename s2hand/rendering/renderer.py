"""A renderer for meshes seen by a pinhole camera: projection, light and rasterization in one module."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from s2hand.geometry.cameras import MIN_DEPTH, camera_to_ndc
from s2hand.rendering.checks import check_mesh
from s2hand.rendering.lighting import face_normals, shade
from s2hand.rendering.rasterize import rasterize
from s2hand.structures import RenderOutput

S2HAND_NEAR, S2HAND_MAX_DEPTH = 0.1, 1.0
"""Metres. S2HAND draws what lies beyond the first, and its depth images are 0 from the second on."""


class MeshRenderer(nn.Module):
    """Renders meshes of one topology. Nothing but settings is stored: what is drawn comes as arguments.

    Args:
        faces: (F, 3) integer, counter-clockwise as seen from their front.
        image_size: S, the image's side in pixels.
        anti_aliasing: draw at 2S and average 2 x 2 pixels.
        background: colour of empty pixels.
        near: metres; only what lies beyond is drawn. Hands in close-ups may seem to be some centimetres away.
        far: metres; only what lies before is drawn; also the depth of empty pixels.
        fill_back: draw back sides too, each side lit by its own normal.
        gradient: visibility gradient, see :func:`~s2hand.rendering.rasterize`.
        max_depth: metres; depths from here on, empty pixels among them, become 0. None leaves them.

    Raises:
        ValueError: if ``faces`` is not (F, 3) of non-negative integers.
    """

    faces: Tensor

    def __init__(
        self,
        faces: Tensor,
        image_size: int,
        *,
        anti_aliasing: bool = True,
        background: tuple[float, float, float] = (1, 1, 1),
        near: float = 0.01,
        far: float = 100.0,
        fill_back: bool = True,
        gradient: str = "nmr",
        max_depth: float | None = None,
    ):
        super().__init__()
        faces = torch.as_tensor(faces)
        if faces.ndim != 2 or faces.shape[-1] != 3 or faces.is_floating_point() or (faces < 0).any():
            raise ValueError(
                f"faces: expected (F, 3) vertex numbers, got {faces.dtype} of shape {tuple(faces.shape)}"
            )
        self.register_buffer("faces", faces.to(torch.int32).contiguous(), persistent=False)
        self.image_size = image_size
        self.max_depth = max_depth
        self.fill_back = fill_back
        self.settings: dict[str, Any] = {
            "background": tuple(background),
            "near": near,
            "far": far,
            "anti_aliasing": anti_aliasing,
            "fill_back": fill_back,
            "gradient": gradient,
        }

    @classmethod
    def for_s2hand(cls, faces: Tensor, image_size: int = 224, **overrides) -> MeshRenderer:
        """The settings of the paper: anti-aliased, white background, both sides, depth from 0.1 to 1 m."""
        return cls(faces, image_size, **{"near": S2HAND_NEAR, "max_depth": S2HAND_MAX_DEPTH, **overrides})

    def forward(
        self, vertices: Tensor, K: Tensor, face_textures: Tensor, light: Tensor | None = None
    ) -> RenderOutput:
        """Renders a batch, in float32 whatever autocast says.

        Args:
            vertices: (B, V, 3) metres, camera frame.
            K: (B or 1, 3, 3) pixels of the S x S image.
            face_textures: (B or 1, F, 3) colours before light; they pass through tanh, as in the published
                renderer. Without ``light`` they are drawn as they are.
            light: (B, 11), see :mod:`s2hand.rendering.lighting`.

        Returns:
            The images; depth in metres.

        Raises:
            ValueError: if a shape does not fit.
        """
        check_mesh(vertices, K, face_textures, self.faces.shape[0])
        with torch.autocast(vertices.device.type, enabled=False):
            vertices, colors = vertices.float(), face_textures.float()
            if light is None:
                colors = colors.expand(len(vertices), -1, -1)
                colors = torch.cat([colors, colors], 1) if self.fill_back else colors
            else:
                colors = self._light_sides(vertices, colors.tanh(), light.float())
            ndc = self._project(vertices, K.float())
            output = rasterize(ndc, self.faces, colors, self.image_size, **self.settings)
        if self.max_depth is None:
            return output
        return replace(output, depth=output.depth * (output.depth < self.max_depth))

    def _light_sides(self, vertices: Tensor, colors: Tensor, light: Tensor) -> Tensor:
        normals = face_normals(vertices, self.faces)
        front = shade(colors, normals, light)
        return torch.cat([front, shade(colors, -normals, light)], 1) if self.fill_back else front

    def _project(self, vertices: Tensor, K: Tensor) -> Tensor:
        # A point in the camera's plane has no projection. Its z goes to the rasterizer as it is, which leaves
        # its faces out; its x and y are those of a harmless point, so that no division poisons the gradient.
        valid = (vertices.isfinite().all(-1) & (vertices[..., 2] > MIN_DEPTH)).unsqueeze(-1)
        ndc = camera_to_ndc(torch.where(valid, vertices, torch.ones_like(vertices)), K, self.image_size)
        return torch.where(valid, ndc, torch.full_like(ndc, -1.0))
