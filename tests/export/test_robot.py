"""Joints for robots: the frame of the wrist, and the way back to the camera."""

import json

import numpy as np

from s2hand.export import HandMotion, write_robot_json
from s2hand.export.robot import wrist_frame
from s2hand.hand import load_hand_model
from s2hand.skeleton import JOINT_NAMES


def test_joints_lead_back_to_the_camera(motion, left_hand, tmp_path):
    path = write_robot_json(
        tmp_path / "sub/a.json", [motion, HandMotion.of_photo(left_hand)], {"s2hand": "1"}
    )
    content = json.loads(path.read_text())
    assert tuple(content["joint_names"]) == JOINT_NAMES
    assert (content["source"], content["versions"]) == ("clip.mp4", {"s2hand": "1"})
    assert [(hand["hand"], hand["track"]) for hand in content["hands"]] == [("left", 2), ("left", None)]
    frames = content["hands"][0]["frames"]
    assert [frame["frame"] for frame in frames] == [3, 4, 7, 8, 10]
    np.testing.assert_allclose([frame["time_s"] for frame in frames], motion.times_s)
    for frame, joints in zip(frames, motion.joints, strict=True):
        turned = np.array(frame["joints"]) @ np.array(frame["wrist_rotation"]).T
        np.testing.assert_allclose(turned + frame["wrist_position"], joints, atol=5e-7)
        np.testing.assert_allclose(frame["joints"][0], 0, atol=1e-7)


def test_the_wrists_frame_is_a_rotation_and_turns_with_the_hand(motion):
    axes = wrist_frame(motion.joints)
    np.testing.assert_allclose(axes.swapaxes(1, 2) @ axes, np.tile(np.eye(3), (5, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(axes), 1)
    # The plane through wrist and two knuckles, found another way: its normal is y.
    triangle = motion.joints[:, [0, 5, 9]] - motion.joints[:, [0, 5, 9]].mean(1, keepdims=True)
    normal = np.linalg.svd(triangle)[2][:, 2]
    np.testing.assert_allclose(np.abs((normal * axes[..., 1]).sum(-1)), 1)


def test_its_axes_are_those_of_the_hand_model_at_rest():
    model = load_hand_model("generic")
    rest = model.J_regressor @ model.v_template
    joints = np.zeros((21, 3))
    joints[[0, 5, 9]] = rest[[0, 1, 4]]
    assert (np.diagonal(wrist_frame(joints)) > 0.9).all()
    left = wrist_frame(joints * (-1, 1, 1))
    np.testing.assert_allclose(left[:, 0], wrist_frame(joints)[:, 0] * (-1, 1, 1))
    assert left[1, 1] < -0.9  # out of the palm
