"""Reads the rigged hand of the WebXR input profiles from its binary glTF file."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADER_BYTES = 12
CHUNK_HEADER_BYTES = 8
COMPONENT_TYPES = {5126: "<f4", 5121: "<u1", 5123: "<u2"}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

MERGE_DIGITS = 6
"""Vertices that agree to the micrometre are one vertex, split in the file at texture seams."""

GLTF_TO_MANO = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The file's fingers point along -y, its back along +x, its thumb along -z; MANO's along -x, +y, +z."""


@dataclass(frozen=True)
class RiggedMesh:
    """A skinned mesh in MANO's axes: fingers along -x, back of the hand +y, thumb +z; metres.

    Attributes:
        vertices: (N, 3).
        faces: (F, 3), counter-clockwise from outside.
        weights: (N, J) skinning weights, rows sum to one.
        joints: (J, 3).
        joint_names: J names.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    joint_names: tuple[str, ...]


def read_rigged_mesh(path: Path) -> RiggedMesh:
    """Reads the file's one mesh and skin, merges duplicate vertices and turns all into MANO's axes."""
    content = path.read_bytes()
    (json_bytes,) = struct.unpack_from("<I", content, HEADER_BYTES)
    json_start = HEADER_BYTES + CHUNK_HEADER_BYTES
    scene = json.loads(content[json_start : json_start + json_bytes])
    binary = content[json_start + json_bytes + CHUNK_HEADER_BYTES :]

    primitive = scene["meshes"][0]["primitives"][0]
    attributes = {name: _accessor(scene, binary, i) for name, i in primitive["attributes"].items()}
    corners = _accessor(scene, binary, primitive["indices"]).reshape(-1, 3).astype(np.int64)
    skin = scene["skins"][0]
    inverse_bind = _accessor(scene, binary, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)

    rounded = attributes["POSITION"].astype(np.float64).round(MERGE_DIGITS)
    vertices, first, merged = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    weights = np.zeros((len(vertices), len(skin["joints"])))
    for joint, weight in zip(attributes["JOINTS_0"][first].T, attributes["WEIGHTS_0"][first].T, strict=True):
        np.add.at(weights, (np.arange(len(vertices)), joint), weight)
    return RiggedMesh(
        vertices=vertices @ GLTF_TO_MANO.T,
        faces=merged.reshape(-1)[corners],
        weights=weights / weights.sum(1, keepdims=True),
        joints=np.linalg.inv(inverse_bind.astype(np.float64))[:, :3, 3] @ GLTF_TO_MANO.T,
        joint_names=tuple(scene["nodes"][node]["name"] for node in skin["joints"]),
    )


def _accessor(scene: dict, binary: bytes, index: int) -> np.ndarray:
    """One typed array of the file, (count, components)."""
    accessor = scene["accessors"][index]
    view = scene["bufferViews"][accessor["bufferView"]]
    columns = COMPONENTS[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(
        binary, COMPONENT_TYPES[accessor["componentType"]], accessor["count"] * columns, start
    )
    return values.reshape(accessor["count"], columns)
