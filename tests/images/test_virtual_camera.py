"""The camera that looks at a square: a rotation, a homography, and pictures that agree with both."""

import cv2
import numpy as np
import pytest

from s2hand.images.transforms import transform_points
from s2hand.images.virtual_camera import look_at_square, turn_to_axis, warp_by_homography

K = np.array([[500.0, 0, 310], [0, 520, 250], [0, 0, 1]])
SIZE = 128


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (0.3, -0.2, 1.0), (-2.0, 1.0, 0.5), (1e-9, 0, 1)])
def test_directions_are_turned_to_the_axis_without_roll(direction):
    unit = np.array(direction) / np.linalg.norm(direction)
    rotation = turn_to_axis(unit)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ unit, [0, 0, 1], atol=1e-12)
    # The shortest turn leaves the line about which it turns, which is at right angles to the axis, as it is.
    line = np.array([-unit[1], unit[0], 0])
    np.testing.assert_allclose(rotation @ line, line, atol=1e-12)


def project(points, camera):
    projected = points @ camera.T
    return projected[:, :2] / projected[:, 2:]


@pytest.mark.parametrize("square", [(246.0, 186.0, 128.0), (20.0, 300.0, 90.0), (560.0, -30.0, 250.0)])
def test_points_seen_by_both_cameras_are_one_homography_apart(square):
    camera = look_at_square(square, K, SIZE)
    points = np.random.default_rng(0).uniform((-0.4, -0.3, 0.8), (0.4, 0.3, 2), (50, 3))
    expected = project(points @ camera.rotation.T, camera.K)
    np.testing.assert_allclose(transform_points(camera.homography, project(points, K)), expected, atol=1e-8)
    left, top, side = square
    middle = transform_points(camera.homography, np.array([[left + side / 2, top + side / 2]]))
    np.testing.assert_allclose(middle, [[SIZE / 2, SIZE / 2]], atol=1e-9)
    # The square fills the picture, up to the stretch away from the optical axis.
    corners = transform_points(camera.homography, np.array([[left, top], [left + side, top + side]]))
    assert np.abs(corners - [[0, 0], [SIZE, SIZE]]).max() < 0.2 * SIZE


def test_a_square_about_the_principal_point_is_a_plain_crop():
    square_pixels = np.array([[500.0, 0, 310], [0, 500, 250], [0, 0, 1]])
    camera = look_at_square((310 - 64, 250 - 64, 128), square_pixels, SIZE)
    np.testing.assert_allclose(camera.rotation, np.eye(3), atol=1e-12)
    photo = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    seen = warp_by_homography(photo, camera.homography, SIZE, camera.scale)
    assert np.array_equal(seen, photo[186:314, 246:374])


def test_shrinking_passes_over_nothing():
    """A fine chequerboard becomes grey, not black or white."""
    photo = np.indices((480, 640)).sum(0)[..., None].repeat(3, -1) % 2 * np.uint8(255)
    camera = look_at_square((10.0, 5.0, 470.0), K, 64)
    seen = warp_by_homography(photo.astype(np.uint8), camera.homography, 64, camera.scale)
    assert np.abs(seen[8:-8, 8:-8].astype(int) - 128).max() < 8


def test_what_is_seen_is_where_the_points_are():
    photo = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(photo, (559, 99), 6, (255, 255, 255), -1)
    camera = look_at_square((500.0, 40.0, 150.0), K, SIZE)
    seen = warp_by_homography(photo, camera.homography, SIZE, camera.scale)
    rows, columns = np.nonzero(seen[..., 0] > 127)
    expected = transform_points(camera.homography, np.array([559.5, 99.5]))
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], expected, atol=0.3)
