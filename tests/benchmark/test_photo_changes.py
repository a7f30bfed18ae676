"""Changed photos show the hand that is changed alike, through cameras adapted alike."""

import numpy as np
import pytest

from s2hand.benchmark.photo_changes import CHANGES, changes_of, differences_mm

WIDTH, HEIGHT = 60, 40
K = np.array([[50.0, 0, 31], [0, 54, 18], [0, 0, 1]])
KEYPOINTS = np.array([[30.0, 12], [36, 22]])

PIXELS = {
    "mirrored": lambda x, y: (WIDTH - x, y),
    "turned": lambda x, y: (y, WIDTH - x),
    "half size": lambda x, y: (x / 2, y / 2),
    "cropped": lambda x, y: (x - 25, y - 7),
}
"""Where a point (x, y) px of the photo lies in the changed one; the crop's border is 5 px."""


@pytest.fixture
def photo():
    """A light square of 4 x 4 px about (34, 18) on black."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[16:20, 32:36] = 200
    return pixels


@pytest.mark.parametrize("name", CHANGES)
def test_pixels_and_cameras_change_alike(photo, name):
    changed = changes_of(photo, K, KEYPOINTS)[name]
    row, column = np.nonzero(changed.photo[..., 0] > 100)
    middle = column.mean() + 0.5, row.mean() + 0.5
    np.testing.assert_allclose(middle, PIXELS[name](34, 18))
    joints = np.random.default_rng(0).normal((0, 0, 0.5), 0.05, (21, 3))  # of the changed photo's camera
    of_changed, of_photo = (
        points @ camera.T for points, camera in ((joints, changed.K), (changed.back(joints), K))
    )
    x, y = (of_photo[:, :2] / of_photo[:, 2:]).T
    np.testing.assert_allclose((of_changed[:, :2] / of_changed[:, 2:]).T, PIXELS[name](x, y), rtol=1e-9)


def test_a_crop_keeps_inside_of_the_photo(photo):
    changed = changes_of(photo, K, np.array([[1.0, 2], [58, 39]]))["cropped"]
    np.testing.assert_array_equal(changed.photo, photo)
    np.testing.assert_array_equal(changed.K, K)


def test_differences_with_and_without_place():
    joints = np.random.default_rng(0).normal(0, 0.05, (21, 3))
    moved = joints + np.array([0.003, 0, 0.004])
    assert differences_mm(moved, joints) == pytest.approx((0, 5))
    moved[::3, 1] += 0.021
    apart, placed = differences_mm(moved, joints)
    assert apart == pytest.approx(2 * 21 / 3 * 2 / 3)  # 7 joints are 14 mm from their middle, 14 are 7 mm
    assert placed > apart
