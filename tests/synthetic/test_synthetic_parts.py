"""The parts of the generator, each against a definition or a statistic."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

from s2hand.errors import DatasetError
from s2hand.hand import load_hand_model
from s2hand.synthetic import scene
from s2hand.synthetic.backgrounds import (
    PROCEDURAL,
    find_backgrounds,
    photo_background,
    procedural_background,
)
from s2hand.synthetic.mesh import ArmMesh, boundary_loop, split_triangles
from s2hand.synthetic.photograph import degrade
from s2hand.synthetic.simulated_detector import DetectorNoise, hidden_joints, simulate_detector
from s2hand.synthetic.skin import light_surface


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("generator", [generator for generator, _ in PROCEDURAL])
@pytest.mark.parametrize("size", [32, 100])
def test_backgrounds_are_pictures(generator, size):
    pictures = [generator(rng(seed), size) for seed in range(6)]
    for seed, picture in enumerate(pictures):
        assert picture.shape == (size, size, 3)
        assert np.isfinite(picture).all()
        assert -0.1 < picture.mean() < 1.1
        np.testing.assert_array_equal(picture, generator(rng(seed), size))
    assert len({round(float(picture.mean()), 4) for picture in pictures}) == 6


def test_background_shares_add_up_and_colours_stay_in_range():
    assert sum(share for _, share in PROCEDURAL) == pytest.approx(1)
    for seed in range(10):
        picture = procedural_background(rng(seed), 48)
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_photos_are_found_and_cut(tmp_path):
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "sub" / "a.png"), np.full((40, 60, 3), (0, 0, 255), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    photos = find_backgrounds(tmp_path)
    assert [photo.name for photo in photos] == ["a.png"]
    cut = photo_background(rng(), 32, photos)
    np.testing.assert_allclose(cut, np.broadcast_to([1.0, 0, 0], (32, 32, 3)), atol=1e-6)
    with pytest.raises(DatasetError, match="no folder"):
        find_backgrounds(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no photos there"):
        find_backgrounds(tmp_path / "empty")


def test_camera_changes_a_picture_mildly():
    picture = np.clip(procedural_background(rng(1), 64), 0.2, 0.8)
    taken = np.stack([degrade(picture, rng(seed)) for seed in range(8)]) / 255
    assert not np.array_equal(taken[0], taken[1])
    assert np.abs(taken - picture).mean() < 0.12
    assert np.corrcoef(taken.mean(0).ravel(), picture.ravel())[0, 1] > 0.95


def octahedron():
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    return np.concatenate([np.eye(3), -np.eye(3)])[[0, 3, 1, 4, 2, 5]], np.array(faces)


def directed_edges(faces):
    return [tuple(edge) for face in faces.tolist() for edge in zip(face, face[1:] + face[:1], strict=True)]


def test_split_triangles_keep_the_surface():
    vertices, faces = octahedron()
    fine, ends = split_triangles(faces)
    points = np.concatenate([vertices, vertices[ends].mean(1)])
    assert len(ends) == 12
    assert len(fine) == 32

    def area_vectors(triangles):
        a, b, c = points[triangles.T]
        return np.cross(b - a, c - a)

    quarters = area_vectors(fine).reshape(8, 4, 3)
    np.testing.assert_allclose(quarters, np.repeat(area_vectors(faces)[:, None] / 4, 4, 1), atol=1e-12)


def test_border_of_meshes():
    _, faces = octahedron()
    assert len(boundary_loop(faces)) == 0
    assert sorted(boundary_loop(faces[1:])) == [0, 2, 4]
    with pytest.raises(ValueError, match="6 border edges, 3 around"):
        boundary_loop(np.delete(faces, [0, 6], 0))


def test_forearm_closes_the_wrist_with_the_same_winding():
    """Every edge of hand and arm is shared by two triangles that run along it in opposite directions."""
    model = load_hand_model("generic")
    mesh = ArmMesh(model.faces, len(model.v_template))
    edges = directed_edges(mesh.coarse_faces)
    present = set(edges)
    assert len(edges) == len(present)
    alone = {edge for edge in edges if edge[::-1] not in present}
    assert len(alone) == len(mesh.loop)
    assert not {vertex for edge in alone for vertex in edge} & set(mesh.loop.tolist())
    assert mesh.num_hand_faces == 4 * len(model.faces)
    assert (mesh.ring[: mesh.num_hand_faces] == -1).all()
    assert (mesh.ring[mesh.num_hand_faces :] >= 0).all()


def test_forearm_continues_the_hand():
    model = load_hand_model("generic")
    mesh = ArmMesh(model.faces, len(model.v_template))
    rim = model.v_template[mesh.loop]
    away = rim.mean(0) - model.v_template.mean(0)
    away[2] = 0
    away /= np.linalg.norm(away)
    vertices = mesh.vertices(model.v_template, -away, cuff=1.0)
    np.testing.assert_array_equal(vertices[:778], model.v_template)
    arm = vertices[mesh.faces[mesh.num_hand_faces :]].reshape(-1, 3)
    assert ((arm - rim.mean(0)) @ away).max() == pytest.approx(0.32, abs=0.01)
    centres, normals = vertices[mesh.faces].mean(1), mesh.normals(vertices)[mesh.faces].mean(1)
    on_arm = np.flatnonzero(mesh.ring > 0.3)
    spokes = centres[on_arm] - rim.mean(0)
    spokes -= (spokes @ away)[:, None] * away
    assert ((normals[on_arm] * spokes).sum(-1) > 0).mean() > 0.98


def test_smooth_normals_of_a_round_body():
    vertices, faces = octahedron()
    mesh = ArmMesh(faces, len(vertices))
    points = mesh.vertices(vertices, np.array([0.0, 0, 1]), 1.0)
    np.testing.assert_allclose(
        mesh.normals(points), points / np.linalg.norm(points, axis=-1, keepdims=True), atol=1e-12
    )


def test_light_falls_on_the_side_of_the_lamp():
    lamp = scene.SceneLight(np.array([0.0, 0, -1]), np.full(3, 0.3), np.full(3, 0.6), gloss=0.0)
    normals = np.array([[0.0, 0, -1], [1, 0, 0], [0, 0, 1]])
    lit = light_surface(np.full((3, 3), 0.5), normals, np.tile([0.0, 0, -1], (3, 1)), lamp)
    assert lit[0, 0] == pytest.approx(0.5 * (0.3 + 0.6))
    assert lit[0, 0] > lit[1, 0] > lit[2, 0] == pytest.approx(0.5 * 0.3)


def test_hand_frame_is_right_handed_and_knows_the_palm():
    """Fingers up, thumb to the right: a right hand that shows its palm to the camera."""
    joints = np.zeros((21, 3))
    joints[9], joints[5], joints[17] = (0, -0.1, 0), (0.02, -0.1, 0), (-0.05, -0.09, 0)
    frame = scene.hand_frame(joints)
    np.testing.assert_allclose(frame, scene.PALM_VIEW, atol=1e-12)
    assert np.linalg.det(scene.PALM_VIEW) == pytest.approx(1)
    assert np.linalg.det(scene.BACK_VIEW) == pytest.approx(1)


def test_views_cover_everything_and_prefer_palm_and_back():
    frame = Rotation.from_rotvec([0.3, -0.2, 1.0]).as_matrix()
    random = rng()
    turned = [
        Rotation.from_rotvec(scene.sample_rotation(random, frame)).as_matrix() @ frame for _ in range(2000)
    ]
    palm_towards_camera = -np.array(turned)[:, 2, 2]
    shares = np.histogram(palm_towards_camera, [-1.001, -0.5, 0.5, 1.001])[0] / 2000
    # A uniform rotation gives a quarter, a half, a quarter.
    assert shares[0] > 0.27
    assert shares[2] > 0.33
    assert shares[1] > 0.15


@pytest.mark.parametrize("seed", range(8))
def test_hands_are_placed_inside_the_picture(seed):
    random = rng(seed)
    vertices = random.uniform(-0.1, 0.1, (200, 3)) * (1, random.uniform(0.3, 1), 0.4) + 0.3
    K = scene.sample_camera(random, 128)
    placed = vertices + scene.place_hand(random, vertices, K, 128)
    pixels = (placed @ K.T)[:, :2] / (placed @ K.T)[:, 2:]
    assert pixels.min() > -1
    assert pixels.max() < 129
    fill = np.ptp(pixels, axis=0).max() / 128
    assert scene.FILL_RANGE[0] - 0.02 < fill < scene.FILL_RANGE[1] + 0.02


NO_NOISE = DetectorNoise(
    sigma_px=0, sigma_spread=0, occluded_factor=1, outlier_rate=0, miss_rate=0, failure_rate=0
)


def detect(noise, hidden_share=0.0, count=400, size=224):
    random = rng(5)
    keypoints = random.uniform(0.3, 0.7, (count, 21, 2)) * size
    hidden = random.random((count, 21)) < hidden_share
    pairs = [
        simulate_detector(points, behind, size, noise, random)
        for points, behind in zip(keypoints, hidden, strict=True)
    ]
    found, confidence = (np.stack(part) for part in zip(*pairs, strict=True))
    return np.linalg.norm(found - keypoints, axis=-1), confidence, hidden, found


def test_a_perfect_detector_tells_the_truth():
    error, confidence, _, _ = detect(NO_NOISE)
    assert error.max() == 0
    assert confidence.min() > 0.6


def test_noise_has_the_deviation_asked_for():
    noise = DetectorNoise(**{**vars(NO_NOISE), "sigma_px": 3.0})
    # Rayleigh: the mean length of a 2D normal error is sigma sqrt(pi / 2).
    assert detect(noise)[0].mean() == pytest.approx(3 * np.sqrt(np.pi / 2), rel=0.03)
    assert detect(noise, size=112)[0].mean() == pytest.approx(1.5 * np.sqrt(np.pi / 2), rel=0.03)


def test_confidence_reflects_the_error():
    error, confidence, hidden, found = detect(DetectorNoise(), hidden_share=0.3)
    missed = confidence == 0
    assert (found[missed] == 0).all()
    assert 0.01 < missed.mean() < 0.06
    assert confidence[~missed].min() > 0
    assert confidence.max() <= 1
    assert spearmanr(error[~missed], confidence[~missed]).statistic < -0.25
    assert error[~missed & hidden].mean() > 1.5 * error[~missed & ~hidden].mean()
    assert missed[hidden].mean() > 1.5 * missed[~hidden].mean()


def test_outliers_lie_on_other_fingers_or_in_the_box():
    error, *_, found = detect(DetectorNoise(**{**vars(NO_NOISE), "outlier_rate": 1.0}))
    assert np.median(error) > 10
    assert (found >= 0.29 * 224).all()
    assert (found <= 0.71 * 224).all()


def test_failures_take_whole_pictures():
    confidence = detect(DetectorNoise(**{**vars(NO_NOISE), "failure_rate": 0.2}))[1]
    failed = (confidence == 0).all(1)
    assert failed.mean() == pytest.approx(0.2, abs=0.06)
    assert (confidence[~failed] > 0).all()


def test_impossible_noise_is_refused():
    with pytest.raises(ValueError, match="miss_rate must be in"):
        DetectorNoise(miss_rate=1.5)
    with pytest.raises(ValueError, match="sigma_px must be 0 or more"):
        DetectorNoise(sigma_px=-1)


def test_joints_behind_something_are_hidden():
    depth = np.full((10, 10), 100.0)
    depth[:, :5] = 0.60
    keypoints = np.full((21, 2), 2.5)
    keypoints[7:] = 7.5
    joint_depths = np.full(21, 0.61)
    joint_depths[[0, 3, 6, 8]] = 0.64
    assert np.flatnonzero(hidden_joints(joint_depths, keypoints, depth)).tolist() == [0, 3, 6]


def test_view_variety_narrows_the_views():
    """At 0 fingers point straight up; in between, less aside than at 1."""
    frame = np.eye(3)
    up = [
        Rotation.from_rotvec(scene.sample_rotation(np.random.default_rng(seed), frame, 0.0)).apply(
            frame[:, 1]
        )
        for seed in range(8)
    ]
    np.testing.assert_allclose(up, np.tile([0, -1.0, 0], (8, 1)), atol=1e-6)
    tilts = {
        variety: np.std(
            [
                Rotation.from_rotvec(
                    scene.sample_rotation(np.random.default_rng(seed), frame, variety)
                ).apply(frame[:, 1])[0]
                for seed in range(200)
            ]
        )
        for variety in (0.3, 1.0)
    }
    assert tilts[0.3] < 0.6 * tilts[1.0]


def test_errors_are_shared_by_a_finger():
    noise = DetectorNoise(**{**vars(NO_NOISE), "sigma_px": 2.0, "shared_by_finger": 0.5})
    truth, hidden = np.full((21, 2), 112.0), np.zeros(21, bool)
    generator = np.random.default_rng(0)
    errors = np.stack(
        [simulate_detector(truth, hidden, 224, noise, generator)[0] - truth for _ in range(4000)]
    )
    correlation = np.corrcoef(errors[..., 0].T)
    index, other = [5, 6, 7, 8], [9, 10, 11, 12]
    assert correlation[np.ix_(index, index)][~np.eye(4, dtype=bool)] == pytest.approx(0.5, abs=0.06)
    assert correlation[np.ix_(index, other)] == pytest.approx(0, abs=0.06)
    assert errors.std() == pytest.approx(2, rel=0.05)


def test_a_detectors_points_are_known():
    with pytest.raises(ValueError, match="definition must be one of joints, mediapipe"):
        DetectorNoise(definition="openpose")
