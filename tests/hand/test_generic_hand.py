"""The shipped hand: a drop-in for MANO, sound as a mesh, and still a hand when it bends."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from s2hand.hand import ManoLayer, sample_poses
from s2hand.hand.assets import MANO_PARENTS
from s2hand.skeleton import BONES, FINGERS, FINGERTIP_VERTICES, SCALE_BONE

SCRIPTS = Path(__file__).parents[2] / "scripts"
MANO_WRIST = (0.0957, 0.0064, 0.0062)


def directed_edges(faces):
    return [(int(f[k]), int(f[(k + 1) % 3])) for f in faces for k in range(3)]


def area_vectors(vertices, faces):
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return np.cross(b - a, c - a) / 2


def layer_output(model, pose=None, betas=None):
    """Vertices and joints (FreiHAND order) in the model's own frame; ``pose`` is 45 axis-angles."""
    layer = ManoLayer(model, 45).double()
    pose = np.zeros(45) if pose is None else pose
    coefficients = model.hands_components @ (pose - model.hands_mean)
    betas = np.zeros(10) if betas is None else betas
    undo_root = torch.tensor([[-np.pi, 0.0, 0.0]], dtype=torch.float64)
    output = layer(torch.from_numpy(coefficients)[None], torch.as_tensor(betas).double()[None], undo_root)
    # The root turns about the wrist, the rotation about the origin: what is left is a shift.
    wrist = model.J_regressor[0] @ (model.v_template + model.shapedirs @ betas)
    vertices, joints = output.vertices[0].numpy(), output.joints[0].numpy()
    return vertices - joints[0] + wrist, joints - joints[0] + wrist


def fist():
    degrees = np.zeros((5, 3, 3))
    degrees[:4, :, 2] = 82, 97, 62
    degrees[4] = (32, -22, -12), (0, 0, 15), (0, 0, 55)
    return np.deg2rad(degrees).ravel()


def test_is_one_disc_with_a_sixteen_edge_wrist(generic_model):
    edges = directed_edges(generic_model.faces)
    assert len(set(edges)) == len(edges), "an edge is used twice in one sense: not an oriented manifold"
    used = set(edges)
    boundary = {u: v for u, v in edges if (v, u) not in used}
    assert len(boundary) == 16
    start = vertex = next(iter(boundary))
    loop = [vertex := boundary[vertex] for _ in range(16)]
    assert loop[-1] == start
    assert len(set(loop)) == 16
    assert len(set(generic_model.faces.ravel().tolist())) == 778
    undirected = {tuple(sorted(edge)) for edge in edges}
    assert 778 - len(undirected) + 1538 == 1  # Euler characteristic of a disc
    wrist = generic_model.v_template[loop]
    assert wrist[:, 0].min() > MANO_WRIST[0], "the opening lies behind the wrist joint"


def test_triangles_are_even_and_face_outward(generic_model):
    vertices, faces = generic_model.v_template, generic_model.faces
    sides = np.stack([vertices[faces[:, k]] - vertices[faces[:, (k + 1) % 3]] for k in range(3)], 1)
    areas = np.linalg.norm(area_vectors(vertices, faces), axis=1)
    quality = 4 * np.sqrt(3) * areas / (sides**2).sum((1, 2))
    assert quality.min() > 0.5
    assert np.median(quality) > 0.93
    centred = vertices - vertices.mean(0)
    volume = np.einsum("fc,fc->", area_vectors(centred, faces), centred[faces].mean(1)) / 3
    assert 150e-6 < volume < 450e-6  # cubic metres; negative if faces looked inward


def test_frame_and_size_are_manos(generic_model):
    _, joints = layer_output(generic_model)
    np.testing.assert_allclose(joints[0], MANO_WRIST, atol=1e-4)
    fingers = joints[[FINGERS[f][-1] for f in ("index", "middle", "ring", "little")]]
    assert (fingers[:, 0] < -0.03).all(), "fingers point along -x"
    assert (np.diff(fingers[:, 2]) < 0).all(), "index to little finger go towards -z"
    thumb_tip = joints[FINGERS["thumb"][-1]]
    assert thumb_tip[2] > 0.07, "the thumb points to +z"
    bone = np.linalg.norm(joints[SCALE_BONE[0]] - joints[SCALE_BONE[1]])
    assert 0.028 < bone < 0.032
    assert 0.155 < joints[0, 0] - generic_model.v_template[:, 0].min() < 0.19


def test_the_skeleton_is_that_of_manos_mean_hand(generic_model):
    """Lengths of MANO's bones, millimetres, thumb to little finger, wrist to tip."""
    mano = [38.6, 30.8, 27.1, 35.4, 90.6, 33.0, 22.2, 25.2, 94.7, 31.7, 23.3, 26.5]
    mano += [86.1, 28.8, 24.8, 25.7, 81.8, 21.1, 19.0, 20.3]
    _, joints = layer_output(generic_model)
    lengths = [1000 * np.linalg.norm(joints[end] - joints[start]) for start, end in BONES]
    np.testing.assert_allclose(lengths, mano, atol=1.2)
    knuckles = joints[[5, 9, 13, 17]]
    gaps = 1000 * np.linalg.norm(np.diff(knuckles, axis=0), axis=1)
    np.testing.assert_allclose(gaps, [25.2, 26.8, 21.8], atol=1.0)


@pytest.mark.parametrize(
    ("place", "side", "mano_mm", "tolerance_mm"),
    [
        ("wrist", "back", 25.0, 2),
        ("wrist", "palm", 20.4, 2),
        ("wrist", "thumb", 34.6, 2),
        ("wrist", "little", 29.6, 2),
        ("middle of the palm", "back", 16.5, 2.5),
        ("middle of the palm", "palm", 11.9, 4.5),  # hollow; the source has 28
        ("index knuckle", "back", 15.0, 2),
        ("index knuckle", "palm", 11.2, 2),
    ],
)
def test_the_skin_lies_about_the_joints_as_manos(generic_model, place, side, mano_mm, tolerance_mm):
    """Distances that MANO hands have from points of the skeleton to the skin on one side."""
    vertices, joints = layer_output(generic_model)
    wrist, index, middle, little = (
        joints[j] for j in (0, *(FINGERS[f][0] for f in ("index", "middle", "little")))
    )
    along = (middle - wrist) / np.linalg.norm(middle - wrist)
    thumb = (index - little) - (index - little) @ along * along
    thumb /= np.linalg.norm(thumb)
    back = np.cross(along, thumb)
    direction = {"back": back, "palm": -back, "thumb": thumb, "little": -thumb}[side]
    start = {"wrist": wrist, "middle of the palm": (wrist + middle) / 2, "index knuckle": index}[place]
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    skin = np.einsum("sk,fkc->fsc", shares, vertices[generic_model.faces] - start).reshape(-1, 3)
    ahead = skin @ direction
    beside = np.linalg.norm(skin - ahead[:, None] * direction, axis=1)
    found_mm = 1000 * ahead[(ahead > 0) & (beside < 0.005)].mean()
    np.testing.assert_allclose(found_mm, mano_mm, atol=tolerance_mm)


def test_axes_are_manos(generic_model):
    """Positive z bends a finger to the palm (-y), y turns it to the thumb (+z); x turns the thumb in."""
    _, rest = layer_output(generic_model)
    for number, finger in enumerate(("index", "middle", "little", "ring")):
        for component, axis, sign in ((2, 1, -1), (1, 2, 1)):
            pose = np.zeros((5, 3, 3))
            pose[number, 0, component] = 0.3
            _, joints = layer_output(generic_model, pose.ravel())
            moved = joints - rest
            assert sign * moved[FINGERS[finger][-1], axis] > 0.01
            others = [j for name, chain in FINGERS.items() if name != finger for j in chain]
            assert np.abs(moved[others]).max() < 1e-3
    pose = np.zeros((5, 3, 3))
    pose[4, 0, 0] = np.deg2rad(70)
    _, joints = layer_output(generic_model, pose.ravel())
    tip = FINGERS["thumb"][-1]
    assert joints[tip, 1] < rest[tip, 1] - 0.01
    assert joints[tip, 2] < rest[tip, 2] - 0.02


@pytest.mark.parametrize(("choice", "reach"), [("freihand", 0.004), ("s2hand", 0.010)])
def test_fingertip_vertices_are_the_tips(generic_model, choice, reach):
    rest_joints = generic_model.J_regressor @ generic_model.v_template
    for tip, last_joint in zip(FINGERTIP_VERTICES[choice], (15, 3, 6, 12, 9), strict=True):
        on_bone = generic_model.lbs_weights[:, last_joint] > 0.5
        assert on_bone[tip]
        distance = np.linalg.norm(generic_model.v_template - rest_joints[last_joint], axis=1)
        assert distance[tip] > distance[on_bone].max() - reach


def test_weights_and_regressor(generic_model):
    for name in ("lbs_weights", "J_regressor"):
        matrix = getattr(generic_model, name)
        assert matrix.min() >= 0, name
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6, err_msg=name)
        assert (matrix > 0).any(0).sum() > 10
    assert (generic_model.J_regressor > 0).sum(1).max() <= 32
    assert (generic_model.J_regressor > 0).sum(1).min() >= 8, "a joint hangs on few vertices"
    edges = np.array(directed_edges(generic_model.faces))
    jumps = np.abs(generic_model.lbs_weights[edges[:, 0]] - generic_model.lbs_weights[edges[:, 1]])
    assert jumps.max() < 0.65, "weights jump along an edge"


def test_shape_modes_are_realistic_and_independent(generic_model):
    modes = generic_model.shapedirs.reshape(-1, 10)
    rms_mm = 1e3 * np.linalg.norm(modes, axis=0) / np.sqrt(778)
    assert (rms_mm > 0.3).all()
    assert (rms_mm < 8).all()
    unit = modes / np.linalg.norm(modes, axis=0)
    correlation = unit.T @ unit - np.eye(10)
    assert np.abs(correlation).max() < 0.6
    assert np.linalg.cond(unit) < 6


@pytest.mark.parametrize("mode", range(10))
@pytest.mark.parametrize("value", [-2.5, 2.5])
def test_shapes_stay_sound(generic_model, mode, value):
    vertices, faces = generic_model.v_template, generic_model.faces
    shaped = vertices + value * generic_model.shapedirs[..., mode]
    before, after = area_vectors(vertices, faces), area_vectors(shaped, faces)
    cosine = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert cosine.min() > 0.7
    assert len(crossing_edges(shaped, faces)) == 0


def crossing_edges(vertices, faces):
    """Edges that pass through a triangle that they share no vertex with (Moeller and Trumbore 1997)."""
    edges = np.unique(np.sort(np.array(directed_edges(faces)), 1), axis=0)
    near = cKDTree(vertices[edges].mean(1)).query_ball_tree(cKDTree(vertices[faces].mean(1)), 0.016)
    edge = np.repeat(np.arange(len(edges)), [len(n) for n in near])
    face = np.concatenate([np.array(n, int) for n in near])
    apart = ~(edges[edge][:, :, None] == faces[face][:, None]).any((1, 2))
    edge, face = edge[apart], face[apart]
    start, end = vertices[edges[edge]].transpose(1, 0, 2)
    a, b, c = vertices[faces[face]].transpose(1, 0, 2)
    direction, u, v = end - start, b - a, c - a
    across = np.cross(direction, v)
    determinant = (u * across).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = ((start - a) * across).sum(1) / determinant
        around = np.cross(start - a, u)
        t, along = (direction * around).sum(1) / determinant, (v * around).sum(1) / determinant
        hit = (s >= 0) & (t >= 0) & (s + t <= 1) & (along >= 0) & (along <= 1)
    return edges[edge[hit]]


def test_crossing_edges_finds_a_crossing():
    """The check above can fail."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.2, -1], [0.2, 0.2, 1], [5, 5, 0]]) * 0.01
    assert len(crossing_edges(vertices, np.array([[0, 1, 2], [3, 4, 5]]))) == 1


def turned_area_vectors(model, pose):
    """The rest triangles' area vectors as their vertices' mean skinning transform turns them."""
    world = [np.eye(3)]
    local = Rotation.from_rotvec(pose.reshape(15, 3)).as_matrix()
    for joint in range(1, 16):
        world.append(world[MANO_PARENTS[joint]] @ local[joint - 1])
    blend = np.einsum("fj,jab->fab", model.lbs_weights[model.faces].mean(1), np.array(world))
    return np.einsum("fab,fb->fa", blend, area_vectors(model.v_template, model.faces))


def test_fist_neither_tears_nor_flips(generic_model):
    pose = fist()
    vertices, _ = layer_output(generic_model, pose)
    posed, rest = (area_vectors(v, generic_model.faces) for v in (vertices, generic_model.v_template))
    ratio = np.linalg.norm(posed, axis=1) / np.linalg.norm(rest, axis=1)
    assert ratio.min() > 0.04
    assert ratio.max() < 2
    assert np.percentile(ratio, 5) > 0.3
    assert ((posed * turned_area_vectors(generic_model, pose)).sum(1) < 0).sum() == 0


def test_sampled_poses_hardly_flip(generic_model):
    flipped = []
    for pose in sample_poses(5, 60):
        vertices, _ = layer_output(generic_model, pose)
        posed = area_vectors(vertices, generic_model.faces)
        flipped.append(((posed * turned_area_vectors(generic_model, pose)).sum(1) < 0).sum())
        ratio = np.linalg.norm(posed, axis=1) / np.linalg.norm(
            area_vectors(generic_model.v_template, generic_model.faces), axis=1
        )
        assert ratio.max() < 3
    # A few triangles may fold deep inside the crease of an extreme bend.
    assert np.mean(flipped) < 1.5
    assert max(flipped) <= 15


def test_pose_basis_is_orthonormal_and_ordered(generic_model):
    components = generic_model.hands_components
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-6)
    spread = ((sample_poses(7, 4000) - generic_model.hands_mean) @ components.T).std(0)
    assert (np.diff(spread) < 0.05).all()
    assert 0.8 < spread[0] < 2
    bends = components[0].reshape(15, 3)[:12, 2]
    assert (bends > 0.05).all(), "the first direction bends all four fingers"
    assert (spread[:30] ** 2).sum() / (spread**2).sum() > 0.99


@pytest.fixture(scope="module")
def remesh():
    """The build's remeshing module, which lives beside the scripts."""
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("generic_hand.remesh")
    sys.path.remove(str(SCRIPTS))


def test_simplifier_keeps_a_disc(remesh):
    side = 12
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    vertices = np.stack([x, y, 0.3 * (x**2 - y**2)], -1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + side], 1),
            np.stack([corner + 1, corner + side + 1, corner + side], 1),
        ]
    )
    results = []
    for _ in range(2):
        simplifier = remesh.Simplifier(vertices, faces, np.ones(len(vertices)))
        simplifier.simplify_boundary(20)
        simplifier.simplify(60)
        results.append(simplifier.mesh())
    (points, triangles), again = results
    assert len(points) == 60
    assert len(triangles) == 2 * 60 - 2 - 20
    assert len(remesh.boundary_loop(triangles)) == 20
    assert (area_vectors(points, triangles)[:, 2] > 0).all(), "a triangle turned over"
    assert np.abs(points[:, 2] - 0.3 * (points[:, 0] ** 2 - points[:, 1] ** 2)).max() < 0.06
    np.testing.assert_array_equal(points, again[0])
    np.testing.assert_array_equal(triangles, again[1])
