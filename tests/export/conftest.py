"""A left hand to write, posed and coloured face by face."""

import numpy as np
import pytest
import torch

from s2hand.export import Hand
from s2hand.geometry.mirror import mirror_faces, mirror_points
from s2hand.hand import ManoLayer, load_hand_model

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
