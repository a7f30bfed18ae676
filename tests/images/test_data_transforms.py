import math

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from s2hand.images.transforms import (
    AugmentationConfig,
    apply_colour_transform,
    crop_transform,
    rotate_camera,
    rotation_about_z,
    rotation_transform,
    sample_colour_transform,
    transform_points,
    warp_image,
)


def project(points, K):
    homogeneous = points @ K.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def smooth_picture(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return ((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "transform",
    [
        crop_transform((3.3, 7.8), 40.0, 32),
        crop_transform((-5.0, 10.0), 30.0, 32),
        rotation_transform(0.7, 32) @ crop_transform((3.0, 2.0), 50.0, 32),
    ],
)
def test_warp_samples_where_the_transform_says(transform):
    """Oracle: SciPy's bilinear sampling at the inverse transform of the pixels' centres i + 0.5."""
    picture = smooth_picture(60, 70)
    centres = np.stack(np.meshgrid(np.arange(32), np.arange(32)), -1).reshape(-1, 2) + 0.5
    source = transform_points(np.linalg.inv(transform), centres) - 0.5
    expected = map_coordinates(picture.astype(float), source.T[::-1], order=1, mode="constant")
    inside = ((source >= 0) & (source <= (69, 59))).all(-1)
    assert inside.mean() > 0.5
    # OpenCV samples at 1/32 of a pixel.
    np.testing.assert_allclose(warp_image(picture, transform, 32).ravel()[inside], expected[inside], atol=2)


def test_warp_of_the_whole_picture_is_free():
    picture = smooth_picture(32, 32)
    assert warp_image(picture, crop_transform((0, 0), 32, 32), 32) is picture


def test_rotations_turn_about_the_centre_and_compose():
    turn = rotation_transform(math.pi / 2, 48)
    np.testing.assert_allclose(turn @ (24, 24, 1), (24, 24, 1), atol=1e-12)
    np.testing.assert_allclose(turn @ (34, 24, 1), (24, 34, 1), atol=1e-12)
    for angle_rad in (0.3, -2.0):
        back = rotation_transform(-angle_rad, 48)
        np.testing.assert_allclose(rotation_transform(angle_rad, 48) @ back, np.eye(3), atol=1e-12)


def test_quarter_turn_moves_whole_pixels():
    """x towards y: what was right of the centre is below it after a quarter turn."""
    picture = smooth_picture(32, 32)
    turned = warp_image(picture, rotation_transform(math.pi / 2, 32), 32)
    np.testing.assert_array_equal(turned, np.rot90(picture, -1))


def test_strong_shrinking_averages():
    """Every other column white: shrunk eightfold, all is grey; sampling alone would give stripes."""
    picture = np.zeros((64, 64), np.uint8)
    picture[:, ::2] = 255
    small = warp_image(picture, crop_transform((0, 0), 64, 8), 8)
    np.testing.assert_allclose(small, 128, atol=1)


def test_strong_shrinking_keeps_the_place():
    """Nearest to the same crop's area average where it was asked for, not a fifth of a pixel beside it."""
    picture = smooth_picture(127, 121)
    expected = cv2.resize(picture[4:104, 11:111], (20, 20), interpolation=cv2.INTER_AREA).astype(float)

    def error(left, top):
        return np.abs(warp_image(picture, crop_transform((left, top), 100.0, 20), 20) - expected).mean()

    beside = min(error(10.0, 4.0), error(12.0, 4.0), error(11.0, 3.0), error(11.0, 5.0))
    assert error(11.0, 4.0) < min(2.5, 0.6 * beside)


@pytest.mark.parametrize("angle_rad", [-2.9, -0.4, 0.0, 1.3, math.pi])
def test_turned_joints_project_onto_turned_keypoints(angle_rad):
    random = np.random.default_rng(1)
    joints = random.uniform((-0.08, -0.1, 0.5), (0.12, 0.1, 0.7), (21, 3))
    K = np.array([[240.0, 0, 70], [0, 240.0, 60], [0, 0, 1]])
    turn = rotation_transform(angle_rad, 128)
    seen = project(joints @ rotation_about_z(angle_rad).T, rotate_camera(K, turn))
    np.testing.assert_allclose(seen, transform_points(turn, project(joints, K)), atol=1e-9)
    if angle_rad:
        assert np.abs(seen - project(joints, K)).max() > 10


def test_unequal_focal_lengths_err_by_their_difference():
    """Within a per mille as FreiHAND's, the published rule is off by less than a twentieth of a pixel."""
    joints = np.random.default_rng(1).uniform((-0.1, -0.1, 0.5), (0.1, 0.1, 0.7), (21, 3))
    K = np.array([[240.0, 0, 64], [0, 240.24, 64], [0, 0, 1]])
    turn = rotation_transform(math.pi / 2, 128)
    error = project(joints @ rotation_about_z(math.pi / 2).T, rotate_camera(K, turn)) - transform_points(
        turn, project(joints, K)
    )
    assert 1e-4 < np.abs(error).max() < 0.1


def test_colour_transform_by_hand():
    """Each amount alone, against its definition."""
    image = np.random.default_rng(2).integers(60, 180, (5, 4, 3), np.uint8)
    colours = image.astype(float)
    grey = colours @ (0.299, 0.587, 0.114)

    def drawn(**amounts):
        random = np.random.default_rng(3)
        return apply_colour_transform(image, sample_colour_transform(AugmentationConfig(**amounts), random))

    brightness, contrast, saturation = 1 + 0.3 * np.random.default_rng(3).uniform(-1, 1, 3)
    np.testing.assert_allclose(drawn(brightness=0.3), colours * brightness, atol=0.51)
    np.testing.assert_allclose(drawn(contrast=0.3), 127.5 + contrast * (colours - 127.5), atol=0.51)
    expected = grey[..., None] + saturation * (colours - grey[..., None])
    np.testing.assert_allclose(drawn(saturation=0.3), expected, atol=0.51)
    np.testing.assert_array_equal(drawn(), image)


def test_hue_turns_and_keeps_brightness():
    image = np.random.default_rng(2).integers(100, 150, (5, 4, 3), np.uint8)
    colour = sample_colour_transform(AugmentationConfig(hue_deg=90), np.random.default_rng(0))
    turned = apply_colour_transform(image, colour)
    luma = (0.299, 0.587, 0.114)
    np.testing.assert_allclose(turned @ luma, image @ luma, atol=0.6)
    assert np.abs(turned.astype(int) - image).max() > 5


def test_negative_amounts_are_refused():
    with pytest.raises(ValueError, match="brightness must be 0 or more"):
        AugmentationConfig(brightness=-0.1)
