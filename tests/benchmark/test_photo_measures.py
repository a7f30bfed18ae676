"""What is measured of a hand, on hands and photos made for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.benchmark.photo_measures import drawn_hand, folds, plausibility
from s2hand.geometry.cameras import project_points
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.spheres import HandSpheres
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.rendering import MeshRenderer

SIZE = 160
K = torch.tensor([[200.0, 0, 80], [0, 200, 80], [0, 0, 1]])
LIGHT = torch.tensor([1.0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1])
SKIN = (0.8, 0.5, 0.4)


@pytest.fixture(scope="module")
def model():
    return load_hand_model("generic")


@pytest.fixture(scope="module")
def hands(model):
    """A right hand of one colour before the camera, and its mirror image as a left one."""
    layer = ManoLayer(model, num_pca=1)
    posed = layer(torch.zeros(1, 1), torch.zeros(1, 10), torch.zeros(1, 3))
    shift = torch.tensor([0, 0, 0.35]) - posed.joints.mean(1)
    vertices, joints = posed.vertices + shift, posed.joints + shift
    mirror = torch.tensor([-1.0, 1, 1])
    vertices, joints = (torch.cat([points, points * mirror]) for points in (vertices, joints))
    return Reconstruction(
        vertices=vertices,
        joints=joints,
        keypoints_2d=project_points(joints, K.expand(2, 3, 3)),
        pose_axis_angle=posed.pose_axis_angle.expand(2, -1, -1),
        face_textures=torch.tensor(SKIN).atanh().expand(2, len(model.faces), 3),
        light=LIGHT.expand(2, -1),
        K=K.expand(2, 3, 3),
        hands=("right", "left"),
        right_faces=torch.from_numpy(model.faces),
    )


def photo_of(hands, index):
    """A photo of a hand before green, and its silhouette."""
    renderer = MeshRenderer(hands.faces(index), SIZE, background=(0, 0.6, 0), fill_back=False)
    drawn = renderer(
        hands.vertices[index][None], hands.K[:1], hands.face_textures[index][None], hands.light[index][None]
    )
    photo = (drawn.rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return photo, np.where(drawn.silhouette[0].numpy() > 0.5, np.uint8(255), np.uint8(0))


def test_every_joint_is_left_out_once():
    parts = folds(np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(21))
    assert [len(part) for part in parts] == [7, 7, 7]
    assert not np.array_equal(parts, folds(np.random.default_rng(1)))


@pytest.mark.parametrize("index", [0, 1])
def test_a_hand_that_made_its_photo_fits_it(hands, index):
    photo, silhouette = photo_of(hands, index)
    landmarks = hands.keypoints_2d[index].double().numpy()
    scores = drawn_hand(hands, index, photo, landmarks, silhouette)
    assert scores["iou"] > 0.96  # what is left are borders on another raster
    assert scores["tone"] < 0.01
    assert scores["colour"] < 0.01


def test_a_hand_beside_its_photo_does_not(hands):
    photo, silhouette = photo_of(hands, 0)
    landmarks = hands.keypoints_2d[0].double().numpy()
    beside = replace(hands, vertices=hands.vertices + torch.tensor([0.01, 0, 0]))
    assert drawn_hand(beside, 0, photo, landmarks, silhouette)["iou"] < 0.85
    paler = replace(hands, face_textures=torch.tensor([0.9, 0.6, 0.5]).atanh().expand_as(hands.face_textures))
    scores = drawn_hand(paler, 0, photo, landmarks, None)
    assert "iou" not in scores
    assert scores["tone"] == pytest.approx(0.1, abs=0.01)
    assert scores["colour"] == pytest.approx(0.1, abs=0.01)


def test_without_texture_there_are_no_colours(hands):
    photo, silhouette = photo_of(hands, 0)
    plain = replace(hands, face_textures=None, light=None)
    scores = drawn_hand(plain, 0, photo, hands.keypoints_2d[0].double().numpy(), silhouette)
    assert list(scores) == ["iou"]


def test_what_does_not_lie_in_the_box_does_not_count(hands):
    photo, silhouette = photo_of(hands, 0)
    landmarks = hands.keypoints_2d[0].double().numpy()
    arm = silhouette.copy()
    beyond = int(np.ceil(landmarks[:, 1].max())) + 1
    arm[beyond:] = 255
    assert beyond < SIZE
    scores = [drawn_hand(hands, 0, photo, landmarks, mask)["iou"] for mask in (silhouette, arm)]
    assert scores[0] == pytest.approx(scores[1])


def test_plausible_and_impossible_hands(hands, model):
    spheres = HandSpheres(model)
    good = plausibility(hands, 0, spheres)
    assert good["beyond_limits"] == 0
    assert good["penetration_mm"] < 1
    pose = hands.pose_axis_angle.clone()
    pose[0, 1] = torch.deg2rad(torch.tensor([0.0, 45, 80]))  # bent, and spread beyond any range
    bad = plausibility(replace(hands, pose_axis_angle=pose), 0, spheres)
    assert bad["beyond_limits"] == pytest.approx(1 / 45)
    assert bad["spread_deg"] == pytest.approx(good["spread_deg"] + 40 / 4, abs=1)
    joints = hands.joints.clone()
    joints[0, 9:13] = joints[0, 5:9]  # the middle finger inside of the index finger
    assert plausibility(replace(hands, joints=joints), 0, spheres)["penetration_mm"] > 20
