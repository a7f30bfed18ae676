"""Skinned .glb files read back by libraries of others, and skinned as the standard says."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from s2hand.export import to_gltf_frame, write_skinned_glb
from s2hand.export.rig import forward_kinematics

pygltflib = pytest.importorskip("pygltflib")

DTYPES = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def values(file, number: int) -> np.ndarray:
    """An accessor's (N, width)."""
    accessor = file.accessors[number]
    view = file.bufferViews[accessor.bufferView]
    content = file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(content, DTYPES[accessor.componentType]).reshape(
        accessor.count, WIDTHS[accessor.type]
    )


def global_matrices(file) -> np.ndarray:
    """(N, 4, 4) of all nodes."""
    matrices = np.tile(np.eye(4), (len(file.nodes), 1, 1))

    def place(number, parent):
        node, own = file.nodes[number], np.eye(4)
        if node.rotation is not None:
            own[:3, :3] = Rotation.from_quat(node.rotation).as_matrix()
        if node.translation is not None:
            own[:3, 3] = node.translation
        matrices[number] = parent @ own
        for child in node.children or ():
            place(child, matrices[number])

    for root in file.scenes[file.scene].nodes:
        place(root, np.eye(4))
    return matrices


def skinned(file, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The vertices (N, 3) of a skinned mesh and its triangles (F, 3)."""
    node = next(node for node in file.nodes if node.mesh == number)
    skin, (primitive,) = file.skins[node.skin], file.meshes[number].primitives
    unbound = values(file, skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
    joints = global_matrices(file)[skin.joints] @ unbound
    attributes = primitive.attributes
    points = values(file, attributes.POSITION).astype(float)
    points = np.column_stack([points, np.ones(len(points))])
    weights, influences = values(file, attributes.WEIGHTS_0), values(file, attributes.JOINTS_0)
    moved = np.einsum("vk,vkij,vj->vi", weights, joints[influences], points)
    return moved[:, :3], values(file, primitive.indices).reshape(-1, 3)


def test_a_photos_hand_is_skinned_to_its_vertices(rig, left_hand, tmp_path):
    file = pygltflib.GLTF2().load(write_skinned_glb(tmp_path / "sub/a.glb", [rig]))
    vertices, faces = skinned(file)
    expected = to_gltf_frame(left_hand.vertices)[left_hand.faces]
    np.testing.assert_allclose(vertices[faces], expected, atol=1e-6)
    assert not file.animations
    (skin,) = file.skins
    assert len(skin.joints) == 16
    assert [file.nodes[joint].name for joint in skin.joints[:4]] == [
        *("wrist", "index_mcp", "index_pip", "index_dip")
    ]
    places = global_matrices(file)[skin.joints, :3, 3]
    np.testing.assert_allclose(places[:4], to_gltf_frame(left_hand.joints)[[0, 5, 6, 7]], atol=1e-6)
    assert file.asset.extras["hands"] == ["left"]
    assert "licence" not in file.asset.extras


def test_weights_add_up_and_name_no_joint_in_vain(rig, tmp_path):
    file = pygltflib.GLTF2().load(write_skinned_glb(tmp_path / "a.glb", [rig]))
    attributes = file.meshes[0].primitives[0].attributes
    weights, influences = values(file, attributes.WEIGHTS_0), values(file, attributes.JOINTS_0)
    np.testing.assert_allclose(weights.sum(1, dtype=float), 1, atol=2e-7)
    assert (influences[weights == 0] == 0).all()


def test_its_bind_mesh_has_the_hands_colours(rig, left_hand, tmp_path):
    (mesh,) = trimesh.load_scene(write_skinned_glb(tmp_path / "a.glb", [rig])).geometry.values()
    texture = np.asarray(mesh.visual.material.baseColorTexture)
    u, v = mesh.visual.uv[mesh.faces].mean(1).T
    height, width = texture.shape[:2]
    found = texture[((1 - v) * height).astype(int), (u * width).astype(int), :3] / 255
    np.testing.assert_allclose(found, left_hand.face_colors, atol=0.51 / 255)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], rig.bind_vertices[rig.faces], atol=1e-7)


def test_a_video_has_keyframes_at_its_own_times(moving_rig, motion, tmp_path):
    path = write_skinned_glb(tmp_path / "clip.glb", [moving_rig, replace(moving_rig, hand="right")])
    file = pygltflib.GLTF2().load(path)
    assert [mesh.name for mesh in file.meshes] == ["left_hand", "right_hand"]
    (animation,) = file.animations
    assert len(animation.channels) == 2 * 17
    for frame in range(len(motion.times_s)):
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            np.testing.assert_allclose(values(file, sampler.input)[:, 0], motion.times_s, rtol=1e-6)
            node = file.nodes[channel.target.node]
            setattr(node, channel.target.path, values(file, sampler.output)[frame].tolist())
        skin = file.skins[0]
        places = global_matrices(file)[skin.joints, :3, 3]
        expected = to_gltf_frame(motion.joints[frame])[
            [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3]
        ]
        np.testing.assert_allclose(places, expected, atol=1e-5)


def test_a_licensed_hand_model_is_named(rig, tmp_path):
    path = write_skinned_glb(tmp_path / "a.glb", [replace(rig, hand_model="MANO_RIGHT.pkl")], unlit=True)
    file = pygltflib.GLTF2().load(path)
    assert "licence of that hand model" in file.asset.extras["licence"]
    assert file.extensionsUsed == ["KHR_materials_unlit"]
    assert file.materials[0].extensions == {"KHR_materials_unlit": {}}


def test_poses_between_frames_and_beyond_them(moving_rig):
    times = moving_rig.times_s
    positions, rotations = moving_rig.sampled(np.array([0.0, times[2], times[-1] + 1]))
    np.testing.assert_allclose(positions, moving_rig.positions[[0, 2, -1]], atol=1e-12)
    turned = (
        Rotation.from_quat(rotations.reshape(-1, 4))
        * Rotation.from_quat(moving_rig.rotations[[0, 2, -1]].reshape(-1, 4)).inv()
    )
    assert turned.magnitude().max() < 1e-9


def test_kinematics_place_a_chain():
    quarter = Rotation.from_rotvec([[0, 0, np.pi / 2]] * 3).as_matrix()[None]
    bones = np.array([[0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]])
    places, turns = forward_kinematics(np.array([[5.0, 0, 0]]), quarter, bones, (-1, 0, 1))
    np.testing.assert_allclose(places[0], [[5, 0, 0], [5, 1, 0], [4, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(turns[0, 2], quarter[0, 0].T, atol=1e-12)
