"""JSON and .npz read back: the same numbers, and what they mean."""

import json

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from s2hand.export import write_hand_json, write_hand_npz
from s2hand.hand import ManoLayer, load_hand_model

VERSIONS = {"s2hand": "1", "checkpoint_sha256": "ab"}


def test_json_states_numbers_units_and_frames(left_hand, tmp_path):
    content = json.loads(write_hand_json(tmp_path / "a.json", left_hand, VERSIONS).read_text())
    for name in ("vertices", "joints", "keypoints_2d", "K", "light"):
        np.testing.assert_allclose(content[name], getattr(left_hand, name), atol=6e-8)
    for name, value in left_hand.parameters.items():
        np.testing.assert_allclose(content["parameters"][name], value, atol=6e-8)
    assert (content["image"], content["width"], content["height"]) == ("trip/a.jpg", 320, 240)
    assert (content["hand"], content["focal_source"], content["refined"]) == ("left", "EXIF", True)
    assert content["units"]["vertices"] == content["units"]["translation"] == "metres"
    assert "y down" in content["frames"]["vertices, joints, translation, light"]
    assert "y up" in content["frames"][".glb"]
    assert content["versions"] == VERSIONS
    projected = np.array(content["joints"]) @ np.array(content["K"]).T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], content["keypoints_2d"], atol=1e-3)


def test_npz_holds_plain_arrays(left_hand, tmp_path):
    with np.load(write_hand_npz(tmp_path / "a.npz", left_hand, VERSIONS), allow_pickle=False) as arrays:
        content = dict(arrays)
    for name in ("vertices", "joints", "keypoints_2d", "K", "light", "faces", "face_colors"):
        assert np.array_equal(content[name], getattr(left_hand, name))
    assert np.array_equal(content["betas"], left_hand.parameters["betas"])
    assert (str(content["hand"]), str(content["image"])) == ("left", "trip/a.jpg")
    about = json.loads(str(content["about"]))
    assert (about["versions"], about["units"]["joints"]) == (VERSIONS, "metres")


def test_parameters_give_the_vertices_as_the_note_says(left_hand, tmp_path):
    content = json.loads(write_hand_json(tmp_path / "a.json", left_hand, VERSIONS).read_text())
    values = {name: torch.tensor([value]) for name, value in content["parameters"].items()}
    layer = ManoLayer(load_hand_model("generic"))
    hand = layer(values["hand_pose"], values["betas"], values["rotation"])
    right = values["translation"] + values["scale"] * hand.vertices[0]
    np.testing.assert_allclose(right * torch.tensor([-1, 1, 1]), content["vertices"], atol=1e-6)


def usual_mano_layer(model, betas, global_orient, hand_pose):
    """Vertices as smplx and manopth compute them with flat_hand_mean: skinning, turned about the wrist."""
    shaped = model.v_template + model.shapedirs @ betas
    joints = model.J_regressor @ shaped
    turns = Rotation.from_rotvec(np.concatenate([global_orient[None], hand_pose])).as_matrix()
    posed = shaped + model.posedirs @ (turns[1:] - np.eye(3)).ravel()
    transforms = np.zeros((16, 4, 4))
    for joint, parent in enumerate(model.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        transforms[joint] = local if parent < 0 else transforms[parent] @ local
    transforms[:, :3, 3] -= (transforms[:, :3, :3] @ joints[..., None])[..., 0]
    homogeneous = np.column_stack([posed, np.ones(len(posed))])
    return np.einsum("vj,jab,vb->va", model.lbs_weights, transforms[:, :3], homogeneous), joints[0]


def test_parameters_give_the_vertices_in_the_usual_layers_as_the_note_says(left_hand, tmp_path):
    content = json.loads(write_hand_json(tmp_path / "a.json", left_hand, VERSIONS).read_text())
    assert "global_orient is R(rotation) R(row 0 of pose_axis_angle)" in content["model"]
    assert "layer(betas, global_orient, hand_pose) + R(rotation) J - J" in content["model"]
    values = {name: np.array(value) for name, value in content["parameters"].items()}
    turn, pose = Rotation.from_rotvec(values["rotation"]), values["pose_axis_angle"]
    global_orient = (turn * Rotation.from_rotvec(pose[0])).as_rotvec()
    vertices, wrist = usual_mano_layer(load_hand_model("generic"), values["betas"], global_orient, pose[1:])
    right = values["translation"] + values["scale"] * (vertices + turn.apply(wrist) - wrist)
    np.testing.assert_allclose(right * [-1, 1, 1], content["vertices"], atol=1e-5)
