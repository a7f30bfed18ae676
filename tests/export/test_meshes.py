"""Mesh files read back by a library of others: places, colours, sides, frames."""

import json
import re
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from s2hand.export import color_atlas, to_gltf_frame, write_glb, write_obj, write_ply
from s2hand.export.hand import BARE_COLOR
from s2hand.export.meshes import vertex_colors

COLOR_STEP = 0.51 / 255
"""Half a step of 8 bits, and rounding."""


def face_colors_of(mesh):
    """The colour that a viewer finds at each face's middle, (F, 3) in [0, 1]: nearest texel."""
    texture = np.asarray(
        getattr(mesh.visual.material, "baseColorTexture", None) or mesh.visual.material.image
    )
    u, v = mesh.visual.uv[mesh.faces].mean(1).T
    height, width = texture.shape[:2]
    return texture[((1 - v) * height).astype(int), (u * width).astype(int), :3] / 255


def read_gltf_json(path):
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length])


@pytest.fixture(params=[False, True], ids=["lit", "unlit"])
def glb(request, left_hand, tmp_path):
    return write_glb(tmp_path / "sub" / "hand.glb", left_hand, unlit=request.param), request.param


def test_glb_holds_the_hand_in_gltfs_frame(glb, left_hand):
    (mesh,) = trimesh.load_scene(glb[0]).geometry.values()
    corners = to_gltf_frame(left_hand.vertices)[left_hand.faces]
    np.testing.assert_allclose(mesh.vertices[mesh.faces], corners, atol=1e-7)
    assert (mesh.vertices[:, 2] < 0).all()  # before a camera that looks along -z
    np.testing.assert_allclose(face_colors_of(mesh), left_hand.face_colors, atol=COLOR_STEP)
    smooth = trimesh.Trimesh(to_gltf_frame(left_hand.vertices), left_hand.faces, process=False)
    np.testing.assert_allclose(
        mesh.vertex_normals[mesh.faces], smooth.vertex_normals[left_hand.faces], atol=1e-4
    )
    assert smooth.volume > 0  # seen from outside, faces are counter-clockwise


def test_glb_says_how_it_is_lit(glb):
    path, unlit = glb
    tree = read_gltf_json(path)
    (material,) = tree["materials"]
    assert ("KHR_materials_unlit" in tree.get("extensionsUsed", ())) == unlit
    assert ("KHR_materials_unlit" in material.get("extensions", {})) == unlit
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert tree["samplers"][tree["textures"][0]["sampler"]]["magFilter"] == 9728
    assert tree["asset"]["extras"]["hand"] == "left"
    assert tree["asset"]["extras"]["units"] == "metres"


def test_obj_keeps_the_models_vertices(left_hand, tmp_path):
    paths = write_obj(tmp_path / "hand.obj", left_hand)
    assert [path.name for path in paths] == ["hand.obj", "hand.mtl", "hand.png"]
    lines = [line.split() for line in paths[0].read_text().splitlines()]
    vertices = np.array([line[1:] for line in lines if line[0] == "v"], float)
    faces = np.array([[part.split("/")[0] for part in line[1:]] for line in lines if line[0] == "f"], int) - 1
    np.testing.assert_allclose(vertices, left_hand.vertices, atol=6e-8)
    assert np.array_equal(faces, left_hand.faces)
    mesh = trimesh.load_mesh(paths[0], process=False)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], left_hand.vertices[left_hand.faces], atol=6e-8)
    np.testing.assert_allclose(face_colors_of(mesh), left_hand.face_colors, atol=COLOR_STEP)


@pytest.mark.parametrize("stem", ["my hand (1)", "Hände", "-bm", "a#b", "tab\there", "my_hand_1_"])
def test_obj_names_its_files_in_words_that_every_program_reads(left_hand, tmp_path, stem):
    obj, material, texture = write_obj(tmp_path / f"{stem}.obj", left_hand)
    assert obj.name == f"{stem}.obj"
    (named,) = (line.split()[1:] for line in obj.read_text().splitlines() if line.startswith("mtllib"))
    (mapped,) = (line.split()[1:] for line in material.read_text().splitlines() if line.startswith("map_Kd"))
    assert (named, mapped) == ([material.name], [texture.name])
    assert re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._-]*", material.name)
    mesh = trimesh.load_mesh(obj, process=False)
    np.testing.assert_allclose(face_colors_of(mesh), left_hand.face_colors, atol=COLOR_STEP)


def test_stems_that_differ_keep_files_of_their_own(left_hand, tmp_path):
    stems = ("a b", "a  b", "a_b", "a(b")
    files = {path for stem in stems for path in write_obj(tmp_path / f"{stem}.obj", left_hand)}
    assert len(files) == 3 * len(stems)


def test_ply_keeps_the_models_vertices(left_hand, tmp_path):
    mesh = trimesh.load_mesh(write_ply(tmp_path / "hand.ply", left_hand), process=False)
    np.testing.assert_allclose(mesh.vertices, left_hand.vertices, atol=1e-7)
    assert np.array_equal(mesh.faces, left_hand.faces)
    np.testing.assert_allclose(
        mesh.visual.vertex_colors[:, :3] / 255, vertex_colors(left_hand), atol=COLOR_STEP
    )
    at_first = left_hand.face_colors[(left_hand.faces == 0).any(1)].mean(0)
    np.testing.assert_allclose(vertex_colors(left_hand)[0], at_first)


def test_a_hand_without_texture_is_bare(left_hand, tmp_path):
    mesh = trimesh.load_mesh(write_obj(tmp_path / "a.obj", replace(left_hand, face_colors=None))[0])
    np.testing.assert_allclose(face_colors_of(mesh), np.tile(BARE_COLOR, (1538, 1)), atol=COLOR_STEP)


@pytest.mark.parametrize("count", [1, 2, 1538])
def test_blocks_are_of_one_colour_all_about_their_middle(count):
    colors = np.random.default_rng(1).uniform(0, 1, (count, 3))
    texture, uv = color_atlas(colors)
    side = len(texture)
    assert side & (side - 1) == 0
    for column, row in ((-1.4, -1.4), (1.4, 1.4)):  # as far as bilinear filtering reaches
        x = (uv[:, 0] * side + column).astype(int)
        y = ((1 - uv[:, 1]) * side + row).astype(int)
        np.testing.assert_allclose(texture[y, x] / 255, colors, atol=COLOR_STEP)
