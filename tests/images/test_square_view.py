"""Views of squares: the picture's side and the camera's side of each tell the same story."""

import numpy as np
import pytest

from s2hand.geometry.mirror import mirror_points
from s2hand.images.square_view import view_square

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
    np.testing.assert_allclose(view.picture_pixels(seen), project(points, camera), atol=1e-8)
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
