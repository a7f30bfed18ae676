"""Meshes that keep the hand model's vertices and their numbers: .obj and .ply, in the camera frame."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from s2hand.export.hand import CAMERA_FRAME, Hand, color_atlas
from s2hand.files import write_text_whole, written_whole

DECIMALS = 7
"""Coordinates are written to a tenth of a micrometre: float32's own resolution at a hand's distance."""


def write_obj(path: str | Path, hand: Hand) -> tuple[Path, Path, Path]:
    """Writes a Wavefront .obj with its material and texture beside it.

    The vertices are the model's, in its order; each face has one texture coordinate, in the middle of its
    block of the texture.

    Args:
        path: the .obj; .mtl and .png get its stem, if that is one word that all programs can read in them.
        hand: what to write.

    Returns:
        The three paths, .obj first.
    """
    path = Path(path)
    beside = path.with_name(_one_word(path.stem))
    material, texture = (beside.with_name(beside.name + suffix) for suffix in (".mtl", ".png"))
    image, uv = color_atlas(hand.colors())
    with written_whole(texture) as partial:
        Image.fromarray(image).save(partial)
    write_text_whole(material, f"newmtl skin\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture.name}\n")
    corners = hand.faces + 1  # .obj counts from 1
    lines = [
        f"# a {hand.hand} hand; metres; {CAMERA_FRAME}",
        f"mtllib {material.name}",
        *(f"v {x:.{DECIMALS}f} {y:.{DECIMALS}f} {z:.{DECIMALS}f}" for x, y, z in hand.vertices),
        *(f"vt {u:.{DECIMALS}f} {v:.{DECIMALS}f}" for u, v in uv),
        "usemtl skin",
        *(f"f {a}/{face} {b}/{face} {c}/{face}" for face, (a, b, c) in enumerate(corners, start=1)),
    ]
    write_text_whole(path, "\n".join(lines) + "\n")
    return path, material, texture


def _one_word(stem: str) -> str:
    """The stem, or one like it, without what ends a name in .obj and .mtl: most programs stop at a blank."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).lstrip("-")
    # With its checksum, two stems do not become one.
    return stem if word == stem else f"{word}_{zlib.crc32(stem.encode('utf-8', 'surrogateescape')):08x}"


def write_ply(path: str | Path, hand: Hand) -> Path:
    """Writes a binary .ply with a colour at each of the model's vertices, the mean of its faces' colours."""
    path = Path(path)
    mesh = trimesh.Trimesh(
        hand.vertices,
        hand.faces,
        vertex_colors=np.rint(vertex_colors(hand) * 255).astype(np.uint8),
        process=False,
    )
    with written_whole(path) as partial:
        partial.write_bytes(mesh.export(file_type="ply"))
    return path


def vertex_colors(hand: Hand) -> np.ndarray:
    """(V, 3) in [0, 1]: the mean colour of the faces at each vertex."""
    corners = hand.faces.ravel()
    count = np.bincount(corners, minlength=len(hand.vertices))
    sums = [np.bincount(corners, np.repeat(channel, 3), len(count)) for channel in hand.colors().T]
    return np.stack(sums, -1) / np.maximum(count, 1)[:, None]
