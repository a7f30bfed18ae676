"""Rigs against the hand layer: linear skinning gives its vertices, whatever the model does besides."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.export import Hand, HandMotion
from s2hand.geometry.mirror import mirror_faces, mirror_points
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.prediction.rigging import rig_motion

K = np.array([[300.0, 0, 160], [0, 305, 118], [0, 0, 1]])
TO_GLTF = (1, -1, -1)


@pytest.fixture(scope="module")
def generic():
    return load_hand_model("generic")


@pytest.fixture(scope="module")
def like_mano(generic):
    """Larger pose correctives than MANO's, and every joint blended into every vertex."""
    random = np.random.default_rng(0)
    return replace(
        generic,
        posedirs=random.normal(0, 0.002, generic.posedirs.shape),
        lbs_weights=0.9 * generic.lbs_weights + 0.1 / 16,
        name="/home/someone/MANO_RIGHT.pkl",
    )


def hands_of(model, side, count, spread=0.2, image="a.jpg") -> list[Hand]:
    """One hand in several poses, sizes and places."""
    random = torch.Generator().manual_seed(1)

    def draw(size, sigma):
        return sigma * torch.randn(count, size, generator=random, dtype=torch.float64)

    pose, betas, rotation = draw(45, spread), draw(10, 0.3), draw(3, 0.7)
    posed = ManoLayer(model, num_pca=45).double().plain(pose, betas, rotation)
    scale = (0.9 + draw(1, 0.05)[:, 0]).numpy()
    places = np.array([0.03, -0.02, 0.5]) + draw(3, 0.02).numpy()
    mirror = mirror_points if side == "left" else lambda points: points
    hands = []
    for row in range(count):
        vertices, joints = (
            mirror(places[row] + scale[row] * points[row].numpy())
            for points in (posed.vertices, posed.joints)
        )
        projected = joints @ K.T
        hands.append(
            Hand(
                image=image,
                image_size=(320, 240),
                hand=side,
                K=K,
                focal_source="given",
                looked_at="box",
                vertices=vertices,
                joints=joints,
                keypoints_2d=projected[:, :2] / projected[:, 2:],
                faces=mirror_faces(model.faces) if side == "left" else model.faces,
                parameters={
                    "hand_pose": pose[row].numpy(),
                    "pose_axis_angle": posed.pose_axis_angle[row].numpy(),
                    "betas": betas[row].numpy(),
                    "rotation": rotation[row].numpy(),
                    "translation": places[row],
                    "scale": np.array(scale[row]),
                },
            )
        )
    return hands


def skinned(rig, frame=0) -> np.ndarray:
    """(V, 3) of linear blend skinning, joint after joint, as an animation program does it."""
    transforms = np.zeros((16, 4, 4))
    for joint, parent in enumerate(rig.parents):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_quat(rig.rotations[frame, joint]).as_matrix()
        local[:3, 3] = (
            rig.positions[frame] if parent < 0 else rig.bind_joints[joint] - rig.bind_joints[parent]
        )
        transforms[joint] = local if parent < 0 else transforms[parent] @ local
    for joint in range(16):
        transforms[joint, :3, 3] -= transforms[joint, :3, :3] @ rig.bind_joints[joint]
    result = np.zeros_like(rig.bind_vertices)
    for place in range(4):
        moves = transforms[rig.influences[:, place]]
        moved = (moves[:, :3, :3] @ rig.bind_vertices[..., None])[..., 0] + moves[:, :3, 3]
        result += rig.weights[:, place, None] * moved
    return result


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["generic", "like_mano"])
def test_the_skinned_hand_of_a_photo_is_the_predicted_one(request, name, side):
    model = request.getfixturevalue(name)
    for hand in hands_of(model, side, 3):
        rig = rig_motion(HandMotion.of_photo(hand), model)
        np.testing.assert_allclose(skinned(rig), hand.vertices * TO_GLTF, atol=5e-8)
        assert rig.skinning_error_mm < 1e-5
        np.testing.assert_allclose(rig.weights.sum(1), 1)
        assert rig.hand_model in ("generic", "MANO_RIGHT.pkl")


def test_a_vertex_that_skinning_flattens_stays_with_the_hand(like_mano):
    """Fingers bent by half a turn: some blends of rotations have no inverse."""
    (hand,) = hands_of(like_mano, "right", 1)
    pose = hand.parameters["pose_axis_angle"].copy()
    pose[1:] = (0, 0, np.pi)
    bent = replace(hand, parameters=hand.parameters | {"pose_axis_angle": pose})
    rig = rig_motion(HandMotion.of_photo(bent), like_mano)
    assert np.abs(rig.bind_vertices).max() < 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_moving_hand_keeps_its_size_and_stays_where_it_is_seen(generic, side):
    hands = hands_of(generic, side, 70)  # more than are computed at once
    rig = rig_motion(HandMotion.of_frames(hands, range(70), np.arange(70) / 30), generic)
    errors = []
    sizes = np.array([hand.parameters["scale"] for hand in hands])
    size = np.exp(np.log(sizes).mean())
    for frame, hand in enumerate(hands):
        nearer = size / hand.parameters["scale"]  # the same image at another distance
        errors.append(skinned(rig, frame) * TO_GLTF - hand.vertices * nearer)
    # The mean shape stands for the shapes of all frames.
    assert np.linalg.norm(errors, axis=-1).mean() < 0.003
    bones = np.linalg.norm(rig.bones[1:], axis=1)
    betas = np.mean([hand.parameters["betas"] for hand in hands], 0)
    joints = size * generic.J_regressor @ (generic.v_template + generic.shapedirs @ betas)
    expected = np.linalg.norm(joints[1:] - joints[list(generic.parents[1:])], axis=1)
    np.testing.assert_allclose(bones, expected)
    assert (np.einsum("tjq,tjq->tj", rig.rotations[1:], rig.rotations[:-1]) > 0).all()


def test_the_stated_error_is_the_mean_over_vertices_and_frames(like_mano):
    """With one shape and size the hand layer itself says what skinning should give."""
    hands = hands_of(like_mano, "right", 5)
    first = hands[0].parameters
    pose, rotation = (
        torch.tensor(np.stack([hand.parameters[name] for hand in hands]))
        for name in ("hand_pose", "rotation")
    )
    betas = torch.tensor(first["betas"]).expand(5, -1)
    posed = ManoLayer(like_mano, num_pca=45).double().plain(pose, betas, rotation)
    same = [
        replace(
            hand,
            vertices=hand.parameters["translation"] + first["scale"] * posed.vertices[row].numpy(),
            joints=hand.parameters["translation"] + first["scale"] * posed.joints[row].numpy(),
            parameters=hand.parameters | {"betas": first["betas"], "scale": first["scale"]},
        )
        for row, hand in enumerate(hands)
    ]
    rig = rig_motion(HandMotion.of_frames(same, range(5), range(5)), like_mano)
    errors = [skinned(rig, row) * TO_GLTF - hand.vertices for row, hand in enumerate(same)]
    assert rig.skinning_error_mm == pytest.approx(1000 * np.sqrt(np.square(errors).sum(-1).mean()), rel=1e-6)
    # No other bind mesh is better: a step in any direction makes it worse.
    for step in np.eye(3):
        moved = replace(rig, bind_vertices=rig.bind_vertices + 1e-4 * step)
        worse = [skinned(moved, row) * TO_GLTF - hand.vertices for row, hand in enumerate(same)]
        assert np.square(worse).sum() > np.square(errors).sum()
