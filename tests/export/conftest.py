"""A left hand to write, posed and coloured face by face; and the same hand as it moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.export import Hand, HandMotion
from s2hand.geometry.mirror import mirror_faces, mirror_points
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.prediction.rigging import rig_motion

K = np.array([[300.0, 0, 160], [0, 305, 118], [0, 0, 1]])


@pytest.fixture(scope="session")
def left_hand():
    model = load_hand_model("generic")
    random = torch.Generator().manual_seed(0)
    pose, betas, rotation = (torch.randn(1, size, generator=random) for size in (30, 10, 3))
    posed = ManoLayer(model)(0.3 * pose, 0.3 * betas, 0.5 * rotation)
    place = torch.tensor([0.03, -0.02, 0.55])
    vertices, joints = (
        mirror_points(place + 0.9 * points[0]).double().numpy() for points in (posed.vertices, posed.joints)
    )
    projected = joints @ K.T
    return Hand(
        image="trip/a.jpg",
        image_size=(320, 240),
        hand="left",
        K=K,
        focal_source="EXIF",
        looked_at="box",
        vertices=vertices,
        joints=joints,
        keypoints_2d=projected[:, :2] / projected[:, 2:],
        faces=mirror_faces(model.faces),
        parameters={
            "hand_pose": 0.3 * pose[0].numpy(),
            "pose_axis_angle": posed.pose_axis_angle[0].numpy(),
            "betas": 0.3 * betas[0].numpy(),
            "rotation": 0.5 * rotation[0].numpy(),
            "translation": place.numpy(),
            "scale": np.array(0.9),
        },
        face_colors=np.random.default_rng(0).uniform(0, 1, (len(model.faces), 3)),
        light=np.arange(11) / 10,
        refined=True,
    )


UNEVEN_S = np.array([0.1, 0.14, 0.3, 0.33, 0.5])


@pytest.fixture(scope="session")
def rig(left_hand):
    """The left hand with its skeleton."""
    return rig_motion(HandMotion.of_photo(left_hand), load_hand_model("generic"))


@pytest.fixture(scope="session")
def motion(left_hand):
    """The left hand as it turns and opens, at uneven times."""
    model = load_hand_model("generic")
    parameters, hands = left_hand.parameters, []
    for step in range(len(UNEVEN_S)):
        pose = (1 - 0.2 * step) * parameters["hand_pose"]
        rotation = parameters["rotation"] + np.array([0, 0.3 * step, 0])
        given = (torch.tensor(value)[None].float() for value in (pose, parameters["betas"], rotation))
        posed = ManoLayer(model)(*given)
        place = parameters["translation"] + np.array([0.01 * step, 0, 0])
        vertices, joints = (
            mirror_points(place + 0.9 * points[0].double().numpy())
            for points in (posed.vertices, posed.joints)
        )
        changed = {"hand_pose": pose, "rotation": rotation, "translation": place}
        changed["pose_axis_angle"] = posed.pose_axis_angle[0].double().numpy()
        hands.append(
            replace(
                left_hand, image="clip.mp4", vertices=vertices, joints=joints, parameters=parameters | changed
            )
        )
    return HandMotion.of_frames(hands, [3, 4, 7, 8, 10], UNEVEN_S, track=2)


@pytest.fixture(scope="session")
def moving_rig(motion):
    """The moving hand with its skeleton."""
    return rig_motion(motion, load_hand_model("generic"))
