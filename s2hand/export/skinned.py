"""Hands with a skeleton for animation programs and engines: binary glTF 2.0 with skins and keyframes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from s2hand.export.glb_file import VERTEX_DATA, VERTEX_NUMBERS, GlbBuffer
from s2hand.export.gltf import NEAREST, SKIN_ROUGHNESS, UNLIT
from s2hand.export.hand import GLTF_FRAME, color_atlas
from s2hand.export.rig import Rig
from s2hand.hand_names import GENERIC_HANDS

LICENCE_NOTE = (
    "skeleton, skinning weights and mesh are those of {model}; whoever made this file answers for keeping to "
    "the licence of that hand model"
)
"""Stands in files made with a hand model that is not this project's own."""


def write_skinned_glb(path: str | Path, rigs: Sequence[Rig], *, unlit: bool = False) -> Path:
    """Writes hands as skinned meshes in one .glb, in glTF's frame, metres.

    Each hand is a mesh with a skeleton of 16 joints, posed as in its first frame. Hands with several frames
    have keyframes at the frames' own times, all in one animation.

    Args:
        path: the file.
        rigs: the hands of a photo or a video.
        unlit: show the albedo as it is; otherwise the viewer lights it.
    """
    buffer, path = GlbBuffer(), Path(path)
    tree: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "s2hand", "extras": _about(rigs)},
        "scene": 0,
        "scenes": [{"nodes": []}],
        **{
            name: [] for name in ("nodes", "meshes", "skins", "materials", "textures", "images", "animations")
        },
        "samplers": [{"magFilter": NEAREST, "minFilter": NEAREST}],
    }
    channels: list[dict] = []
    samplers: list[dict] = []
    for name, rig in zip(_names(rigs), rigs, strict=True):
        first_joint = _add_hand(tree, buffer, rig, name, unlit)
        if len(rig.times_s) > 1:
            _add_motion(channels, samplers, buffer, rig, first_joint)
    if channels:
        tree["animations"].append({"name": rigs[0].source, "channels": channels, "samplers": samplers})
    if unlit:
        tree["extensionsUsed"] = [UNLIT]
    buffer.write(path, {name: value for name, value in tree.items() if value or name == "scene"})
    return path


def _about(rigs: Sequence[Rig]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "source": rigs[0].source,
        "hands": [rig.hand for rig in rigs],
        "units": "metres",
        "frame": GLTF_FRAME,
        "hand_model": rigs[0].hand_model,
        "skinning_error_mm": [round(rig.skinning_error_mm, 4) for rig in rigs],
    }
    if rigs[0].hand_model not in GENERIC_HANDS:
        about["licence"] = LICENCE_NOTE.format(model=rigs[0].hand_model)
    return about


def _names(rigs: Sequence[Rig]) -> list[str]:
    """ "right_hand"; several hands of one side are numbered."""
    sides = [rig.hand for rig in rigs]
    return [
        f"{side}_hand" + (f"_{sides[: place + 1].count(side)}" if sides.count(side) > 1 else "")
        for place, side in enumerate(sides)
    ]


def _add_hand(tree: dict[str, Any], buffer: GlbBuffer, rig: Rig, name: str, unlit: bool) -> int:
    """Adds mesh, skin and skeleton in the pose of the first frame; returns the number of the wrist's node."""
    mesh_node, armature, wrist = (len(tree["nodes"]) + place for place in range(3))
    # Each skeleton has a parent of its own, without which Blender makes one of those of all hands.
    tree["nodes"] += [
        {"name": f"{name}_mesh", "mesh": len(tree["meshes"]), "skin": len(tree["skins"])},
        {"name": name, "children": [wrist]},
    ]
    tree["scenes"][0]["nodes"] += [mesh_node, armature]
    for joint, (joint_name, bone) in enumerate(zip(rig.joint_names, rig.bones, strict=True)):
        node = {
            "name": joint_name,
            "translation": (rig.positions[0] if joint == 0 else bone).tolist(),
            "rotation": rig.rotations[0, joint].tolist(),
        }
        children = [wrist + child for child, parent in enumerate(rig.parents) if parent == joint]
        tree["nodes"].append(node | ({"children": children} if children else {}))
    unbound = np.tile(np.eye(4, dtype=np.float32), (len(rig.joint_names), 1, 1))
    unbound[:, 3, :3] = -rig.bind_joints  # column after column, so the translation is the last row here
    joints = list(range(wrist, wrist + len(rig.joint_names)))
    tree["skins"].append(
        {"name": name, "joints": joints, "skeleton": wrist, "inverseBindMatrices": buffer.add(unbound)}
    )
    tree["meshes"].append(
        {"name": name, "primitives": [_primitive(buffer, rig) | {"material": len(tree["materials"])}]}
    )
    _add_material(tree, buffer, rig, unlit)
    return wrist


def _primitive(buffer: GlbBuffer, rig: Rig) -> dict[str, Any]:
    """The bind mesh: three corners of its own for each face, as faces differ in colour."""
    corners = rig.faces.ravel()
    smooth = trimesh.Trimesh(rig.bind_vertices, rig.faces, process=False).vertex_normals
    _, uv = color_atlas(rig.colors())
    weights = rig.weights.astype(np.float32)
    weights[:, 0] += 1 - weights.sum(1, dtype=np.float64)  # rounding must not change the sum
    # A joint without weight is named 0, as the standard asks.
    influences = np.where(weights > 0, rig.influences, 0).astype(np.uint8)
    attributes = {
        "POSITION": buffer.add(rig.bind_vertices[corners].astype(np.float32), VERTEX_DATA, bounds=True),
        "NORMAL": buffer.add(smooth[corners].astype(np.float32), VERTEX_DATA),
        "TEXCOORD_0": buffer.add((uv * (1, -1) + (0, 1)).repeat(3, 0).astype(np.float32), VERTEX_DATA),
        "JOINTS_0": buffer.add(influences[corners], VERTEX_DATA),
        "WEIGHTS_0": buffer.add(weights[corners], VERTEX_DATA),
    }
    return {
        "attributes": attributes,
        "indices": buffer.add(np.arange(len(corners), dtype=np.uint16), VERTEX_NUMBERS),
    }


def _add_material(tree: dict[str, Any], buffer: GlbBuffer, rig: Rig, unlit: bool) -> None:
    """The skin's own colour as a texture, as in :func:`s2hand.export.write_glb`."""
    image = io.BytesIO()
    Image.fromarray(color_atlas(rig.colors())[0]).save(image, "PNG")
    view = buffer.add_bytes(image.getvalue())
    tree["images"].append({"bufferView": view, "mimeType": "image/png"})
    tree["textures"].append({"sampler": 0, "source": len(tree["images"]) - 1})
    material = {
        "name": "skin",
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": len(tree["textures"]) - 1},
            "metallicFactor": 0.0,
            "roughnessFactor": SKIN_ROUGHNESS,
        },
        "doubleSided": True,  # the wrist is open
    }
    tree["materials"].append(material | ({"extensions": {UNLIT: {}}} if unlit else {}))


def _add_motion(
    channels: list[dict], samplers: list[dict], buffer: GlbBuffer, rig: Rig, first_joint: int
) -> None:
    """Adds a keyframe for each frame: every joint's rotation, and the wrist's place."""
    times = buffer.add(rig.times_s.astype(np.float32), bounds=True)

    def animate(node: int, path: str, values: np.ndarray) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        output = buffer.add(values.astype(np.float32))
        samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})

    animate(first_joint, "translation", rig.positions)
    for joint in range(len(rig.joint_names)):
        animate(first_joint + joint, "rotation", rig.rotations[:, joint])
