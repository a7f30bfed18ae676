"""Meshes for viewers and engines: binary glTF 2.0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from s2hand.export.hand import GLTF_FRAME, Hand, color_atlas, to_gltf_frame
from s2hand.files import written_whole

SKIN_ROUGHNESS = 0.85
UNLIT = "KHR_materials_unlit"
NEAREST = 9728
"""GL_NEAREST: texels are not mixed."""


def write_glb(path: str | Path, hand: Hand, *, unlit: bool = False) -> Path:
    """Writes a .glb in glTF's frame, metres.

    The base colour is the albedo, as a texture with a block of texels for each face. Faces of different
    colours share no corner there, so the file holds 3 F vertices; normals are the smooth ones of the hand's
    own vertices.

    Args:
        path: the file.
        hand: what to write.
        unlit: show the albedo as it is; otherwise the viewer lights it.
    """
    path = Path(path)
    texture, uv = color_atlas(hand.colors())
    vertices = to_gltf_frame(hand.vertices)
    smooth = trimesh.Trimesh(vertices, hand.faces, process=False)
    material = trimesh.visual.material.PBRMaterial(
        name="skin",
        baseColorTexture=Image.fromarray(texture),
        metallicFactor=0.0,
        roughnessFactor=SKIN_ROUGHNESS,
        doubleSided=True,  # the wrist is open
    )
    corners = hand.faces.ravel()
    mesh = trimesh.Trimesh(
        vertices[corners],
        np.arange(len(corners)).reshape(-1, 3),
        vertex_normals=smooth.vertex_normals[corners],
        visual=trimesh.visual.TextureVisuals(uv=uv.repeat(3, 0), material=material),
        process=False,
    )

    def complete(tree: dict) -> None:
        tree["asset"]["extras"] = {"hand": hand.hand, "units": "metres", "frame": GLTF_FRAME}
        tree["samplers"] = [{"magFilter": NEAREST, "minFilter": NEAREST}]
        for texture in tree["textures"]:
            texture["sampler"] = 0
        if unlit:
            tree["extensionsUsed"] = [*tree.get("extensionsUsed", []), UNLIT]
            for entry in tree["materials"]:
                entry["extensions"] = {UNLIT: {}}

    scene = trimesh.Scene({f"{hand.hand}_hand": mesh})
    with written_whole(path) as partial:
        content = trimesh.exchange.gltf.export_glb(scene, include_normals=True, tree_postprocessor=complete)
        partial.write_bytes(content)
    return path
