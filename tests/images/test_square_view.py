"""Views of squares: what the image shows and what the camera sees tell the same story."""

import cv2
import numpy as np
import pytest

from s2hand.geometry.mirror import mirror_points
from s2hand.images.square_view import turn_to_axis, view_square
from s2hand.images.transforms import transform_points

K = np.array([[500.0, 0, 310], [0, 520, 250], [0, 0, 1]])
SQUARE_PIXELS = np.array([[500.0, 0, 310], [0, 500, 250], [0, 0, 1]])
WIDTH, HEIGHT, SIZE = 640, 480, 96
SQUARE = (420.0, 60.0, 150.0)


def project(points, camera):
    projected = points @ camera.T
    return projected[:, :2] / projected[:, 2:]


def points_about_the_square(camera):
    left, top, side = SQUARE
    pixels = np.random.default_rng(0).uniform((left, top), (left + side, top + side), (50, 2))
    depths = np.random.default_rng(1).uniform(0.4, 1, (50, 1))
    return depths * np.column_stack([pixels, np.ones(50)]) @ np.linalg.inv(camera).T


@pytest.mark.parametrize("angle_rad", [0.0, 0.8])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("look_at", [False, True])
def test_points_are_seen_where_their_pixels_are(look_at, mirrored, angle_rad):
    camera = K if look_at else SQUARE_PIXELS  # crops keep fx and fy: they turn exactly if these are equal
    view = view_square(SQUARE, camera, WIDTH, SIZE, look_at=look_at, mirrored=mirrored).turned(angle_rad)
    points = points_about_the_square(camera)
    seen = view.pixels(project(points, camera))
    np.testing.assert_allclose(project(view.points(points), view.K), seen, atol=1e-8)
    np.testing.assert_allclose(view.source_pixels(seen), project(points, camera), atol=1e-8)
    back = view.points(points) @ view.rotation
    np.testing.assert_allclose(mirror_points(back) if mirrored else back, points, atol=1e-12)
    np.testing.assert_allclose(seen.mean(0), SIZE / 2, atol=0.1 * SIZE)


@pytest.mark.parametrize("look_at", [False, True])
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)])
def test_the_mirror_image_of_a_picture_gives_the_same_view(look_at, shape):
    picture = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    left, top, side = SQUARE
    mirrored_K = np.array([[500.0, 0, WIDTH - 310], [0, 520, 250], [0, 0, 1]])
    right = view_square((WIDTH - left - side, top, side), mirrored_K, WIDTH, SIZE, look_at=look_at)
    left_view = view_square(SQUARE, K, WIDTH, SIZE, look_at=look_at, mirrored=True)
    np.testing.assert_array_equal(left_view.K, right.K)
    np.testing.assert_array_equal(left_view.image(picture), right.image(picture[:, ::-1]))


def test_a_smaller_copy_of_the_picture_gives_the_same_view():
    """A wave of 24 pixels, sampled at whole pixels and at the means of four by four."""
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    picture = 128 + 90 * np.sin(2 * np.pi * rows / 48) * np.cos(2 * np.pi * columns / 48)
    small = picture.reshape(HEIGHT // 4, 4, WIDTH // 4, 4).mean((1, 3))
    view = view_square((200.0, 20.0, 400.0), K, WIDTH, SIZE, look_at=True, mirrored=True)
    whole, shrunk = (view.image(np.float32(one), factor) for one, factor in ((picture, 1), (small, 4)))
    assert np.ptp(whole) > 100
    np.testing.assert_allclose(shrunk, whole, atol=4)


def looking_at(square, size=SIZE):
    return view_square(square, K, WIDTH, size, look_at=True)


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


@pytest.mark.parametrize("square", [(246.0, 186.0, 128.0), (20.0, 300.0, 90.0), (560.0, -30.0, 250.0)])
def test_points_seen_by_both_cameras_are_one_homography_apart(square):
    view = looking_at(square)
    points = np.random.default_rng(0).uniform((-0.4, -0.3, 0.8), (0.4, 0.3, 2), (50, 3))
    expected = project(points @ view.rotation.T, view.K)
    np.testing.assert_allclose(transform_points(view.homography, project(points, K)), expected, atol=1e-8)
    left, top, side = square
    middle = transform_points(view.homography, np.array([[left + side / 2, top + side / 2]]))
    np.testing.assert_allclose(middle, [[SIZE / 2, SIZE / 2]], atol=1e-9)
    # The square fills the picture, up to the stretch away from the optical axis.
    corners = transform_points(view.homography, np.array([[left, top], [left + side, top + side]]))
    assert np.abs(corners - [[0, 0], [SIZE, SIZE]]).max() < 0.2 * SIZE


def test_a_square_about_the_principal_point_is_a_plain_crop():
    view = view_square((310 - 64, 250 - 64, 128), SQUARE_PIXELS, WIDTH, 128, look_at=True)
    np.testing.assert_allclose(view.rotation, np.eye(3), atol=1e-12)
    photo = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    seen = view.image(photo)
    assert np.array_equal(seen, photo[186:314, 246:374])


def test_shrinking_passes_over_nothing():
    """A fine chequerboard becomes grey, not black or white."""
    photo = np.indices((480, 640)).sum(0)[..., None].repeat(3, -1) % 2 * np.uint8(255)
    view = looking_at((10.0, 5.0, 470.0), 64)
    seen = view.image(photo.astype(np.uint8))
    assert np.abs(seen[8:-8, 8:-8].astype(int) - 128).max() < 8


def test_what_is_seen_is_where_the_points_are():
    photo = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(photo, (559, 99), 6, (255, 255, 255), -1)
    view = looking_at((500.0, 40.0, 150.0))
    seen = view.image(photo)
    rows, columns = np.nonzero(seen[..., 0] > 127)
    expected = transform_points(view.homography, np.array([559.5, 99.5]))
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], expected, atol=0.3)
