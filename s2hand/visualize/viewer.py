"""A mesh on the page that can be turned with the mouse; viewer.js draws it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from s2hand.rendering import split_light
from s2hand.structures import HandPrediction
from s2hand.visualize.embed import image_html
from s2hand.visualize.pixels import to_array, to_image
from s2hand.visualize.views import render_from

STEPS_PER_METRE = 10_000
"""Vertices are rounded to tenths of a millimetre, finer than a screen shows."""

STILL_PX = 640


@dataclass(frozen=True)
class ViewerMesh:
    """A mesh to turn with the mouse.

    Attributes:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        face_colors: (F, 3) RGB in [0, 1], or None for clay only.
        still: image shown where WebGL or scripts are missing.
        caption: text below.
    """

    vertices: ArrayLike | Tensor
    faces: ArrayLike | Tensor
    face_colors: ArrayLike | Tensor | None
    still: np.ndarray
    caption: str = ""


def viewer_mesh(prediction: HandPrediction, index: int, faces: Tensor, caption: str = "") -> ViewerMesh:
    """Prepares one predicted hand for the page.

    The page has its own light. Therefore faces carry their texture times the colour of the predicted light at
    half its directional strength, not the shading of the photo.

    Args:
        prediction: with vertices, and optionally face_textures and light.
        index: which hand of the batch.
        faces: (F, 3) vertex numbers.
        caption: text below the viewer.
    """
    vertices = prediction.vertices[index].detach().float()
    textures = light = colors = None
    if prediction.face_textures is not None:
        textures, light = prediction.face_textures[index].detach(), prediction.light[index].detach()
        lamp = split_light(light[None])
        ambient = lamp.ambient_intensity * lamp.ambient_color
        directional = lamp.directional_intensity * lamp.directional_color
        colors = textures.tanh() * (ambient + directional / 2)
    view = render_from(vertices, torch.as_tensor(faces), STILL_PX, 0.0, textures, light)
    still = to_image(view.smooth)
    return ViewerMesh(vertices, faces, colors, still, caption)


def viewer_html(mesh: ViewerMesh) -> str:
    """The still image, which viewer.js covers with a canvas, and the mesh as JSON for it."""
    content = {
        "vertices": _integers(to_array(mesh.vertices) * STEPS_PER_METRE),
        "faces": _integers(to_array(mesh.faces)),
    }
    if mesh.face_colors is not None:
        content["colors"] = _integers(np.clip(to_array(mesh.face_colors), 0, 1) * 255)
    caption = f"<figcaption>{escape(mesh.caption)}</figcaption>" if mesh.caption else ""
    data = json.dumps(content, separators=(",", ":"))
    return (
        '<div class="viewer"><h2>In three dimensions</h2><figure><div class="stage" id="stage">'
        f"{image_html(mesh.still, mesh.caption or 'predicted hand')}</div>{caption}</figure>"
        f'<script type="application/json" id="mesh">{data}</script></div>'
    )


def _integers(values: np.ndarray) -> list[int]:
    """Values rounded, as a flat list."""
    return np.rint(values).astype(int).ravel().tolist()
