"""The mirror is its own inverse, and points, cameras and faces agree about it."""

import numpy as np
import pytest
import torch
import trimesh

from s2hand.geometry.cameras import project_points
from s2hand.geometry.mirror import mirror_camera, mirror_faces, mirror_keypoints, mirror_points

WIDTH = 480
SKEWED = np.array([[500.0, 3.0, 230.0], [0, 510.0, 170.0], [0, 0, 1]])


def as_numpy(array):
    return array


@pytest.mark.parametrize("convert", [as_numpy, torch.from_numpy], ids=["numpy", "torch"])
def test_twice_is_once_more_the_same(convert):
    random = np.random.default_rng(0)
    keypoints, points = convert(random.uniform(0, WIDTH, (2, 21, 2))), convert(random.normal(size=(2, 21, 3)))
    K, faces = convert(np.stack([SKEWED, SKEWED])), convert(random.integers(0, 50, (30, 3)))
    widths = convert(np.array([480.0, 300.0]))
    cases = (
        (lambda x: mirror_keypoints(x, WIDTH), keypoints),
        (lambda x: mirror_keypoints(x, widths[:, None]), keypoints),
        (lambda x: mirror_camera(x, WIDTH), K),
        (lambda x: mirror_camera(x, widths), K),
        (mirror_points, points),
        (mirror_faces, faces),
    )
    for mirror, original in cases:
        before = np.array(original)
        once = mirror(original)
        assert type(once) is type(original)
        assert once.dtype == original.dtype
        assert not np.allclose(once, before)
        np.testing.assert_array_equal(original, before)  # the argument is left as it is
        np.testing.assert_allclose(mirror(once), before, atol=1e-12)


def test_projecting_and_mirroring_commute():
    points = torch.rand(1, 21, 3, dtype=torch.float64) - torch.tensor([0.5, 0.5, -1])
    K = torch.from_numpy(SKEWED)[None]
    mirrored = project_points(mirror_points(points), mirror_camera(K, WIDTH))
    torch.testing.assert_close(mirrored, mirror_keypoints(project_points(points, K), WIDTH))


def test_keypoints_go_with_the_pixels():
    """Pixel i covers [i, i + 1): the middle of the first column becomes the middle of the last one."""
    assert mirror_keypoints(np.array([0.5, 7.0]), WIDTH).tolist() == [WIDTH - 0.5, 7.0]


def test_mirrored_meshes_keep_their_inside():
    box = trimesh.creation.box((1, 2, 3))
    mirrored = trimesh.Trimesh(mirror_points(box.vertices), mirror_faces(box.faces), process=False)
    assert mirrored.volume == pytest.approx(6)
    assert trimesh.Trimesh(mirror_points(box.vertices), box.faces, process=False).volume == pytest.approx(-6)


def test_gradients_pass():
    keypoints = torch.rand(3, 2, requires_grad=True)
    mirror_keypoints(keypoints, WIDTH).sum().backward()
    assert keypoints.grad.tolist() == [[-1, 1]] * 3
