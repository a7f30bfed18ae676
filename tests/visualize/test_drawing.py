import numpy as np
import pytest
import torch

from s2hand.skeleton import BONES, FINGERS, WRIST
from s2hand.visualize.drawing import FINGER_COLORS, draw_keypoints
from s2hand.visualize.pixels import composite, resize, to_image

GREY = np.full((128, 128, 3), 127, np.uint8)


def spread_keypoints() -> np.ndarray:
    """Joints on a grid, at least 12 px apart, so that none hides another."""
    return np.array([(16.5 + 12 * (joint % 7), 20.5 + 30 * (joint // 7)) for joint in range(21)])


def only(joint: int) -> np.ndarray:
    return np.where(np.arange(21) == joint, 1.0, 0.0)


@pytest.mark.parametrize("position", [(60.5, 40.5), (60.0, 40.25), (33.8, 77.1)])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_joint_lies_where_its_pixel_coordinates_say(position, scale):
    keypoints = np.zeros((21, 2))
    keypoints[4] = position
    drawn = draw_keypoints(np.zeros_like(GREY), keypoints, only(4), scale)
    assert drawn.shape == (round(128 * scale), round(128 * scale), 3)
    weight = drawn.sum(-1).astype(float)
    rows, columns = np.indices(weight.shape) + 0.5
    centre = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(centre, np.array(position) * scale, atol=0.05)


def test_each_finger_has_its_color_at_its_joints():
    drawn = draw_keypoints(GREY, spread_keypoints())
    for finger, chain in FINGERS.items():
        for joint in chain:
            x, y = spread_keypoints()[joint].astype(int)
            assert tuple(drawn[y, x]) == FINGER_COLORS[finger], (finger, joint)


@pytest.mark.parametrize("how", ["confidence", "zero", "nan"])
def test_a_missed_joint_and_its_bones_are_not_drawn(how):
    keypoints, confidence = spread_keypoints(), np.ones(21)
    if how == "confidence":
        confidence[6] = 0
    else:
        keypoints[6] = 0 if how == "zero" else np.nan
    drawn = draw_keypoints(GREY, keypoints, confidence)
    kept = np.ones(21)
    kept[6] = 0
    expected = draw_keypoints(GREY, spread_keypoints(), kept)
    np.testing.assert_array_equal(drawn, expected)
    x, y = spread_keypoints()[6].astype(int)
    assert tuple(drawn[y, x]) == (127, 127, 127)
    assert (5, 6) in BONES
    assert (6, 7) in BONES


def test_nothing_is_drawn_when_every_joint_is_missed():
    np.testing.assert_array_equal(draw_keypoints(GREY, np.zeros((21, 2)), np.zeros(21)), GREY)


def test_less_confident_joints_are_fainter():
    keypoints = spread_keypoints()
    changes = [
        np.abs(draw_keypoints(GREY, keypoints, only(WRIST) * confidence).astype(int) - GREY).sum()
        for confidence in (0.05, 0.3, 0.6, 0.8)
    ]
    assert changes == sorted(changes)
    assert changes[0] > 0
    assert changes[-1] > 2 * changes[0]


@pytest.mark.parametrize("far", [1e6, 1e12, 1e19, 1e30, 1e300])
def test_joints_far_outside_leave_the_picture_whole(far):
    np.testing.assert_array_equal(draw_keypoints(GREY, np.full((21, 2), far)), GREY)


@pytest.mark.parametrize("far", [1e6, 1e19, -1e30, 1e300])
def test_a_bone_to_a_joint_far_outside_is_drawn_as_far_as_it_is_inside(far):
    keypoints = np.full((21, 2), np.nan)
    keypoints[[0, 1]] = [[20, 20], [20, far]]
    drawn = draw_keypoints(GREY, keypoints)
    column = np.flatnonzero((drawn != GREY).any(-1)[:, 20])
    assert column[-1] == len(GREY) - 1 if far > 0 else column[0] == 0


def test_the_given_picture_is_not_changed():
    image = GREY.copy()
    draw_keypoints(image, spread_keypoints())
    np.testing.assert_array_equal(image, GREY)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(21, 2\).*\(2, 21, 2\)"):
        draw_keypoints(GREY, np.zeros((2, 21, 2)))
    with pytest.raises(ValueError, match="21 confidences, got 3"):
        draw_keypoints(GREY, spread_keypoints(), np.ones(3))
    with pytest.raises(ValueError, match="pick one sample"):
        to_image(torch.zeros(2, 3, 8, 8))


def test_composite_leaves_no_fringe_of_the_background():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    hand, alpha, background = rng.random((9, 9, 3)), rng.random((9, 9)), np.array([1.0, 0.5, 0.0])
    alpha[0], alpha[1] = 0, 1
    rendered = alpha[..., None] * hand + (1 - alpha[..., None]) * background
    expected = alpha[..., None] * hand * 255 + (1 - alpha[..., None]) * image
    result = composite(image, rendered, alpha, background)
    np.testing.assert_allclose(result, expected, atol=0.5 + 1e-6)
    np.testing.assert_array_equal(result[0], image[0])


def test_resize_keeps_a_constant_and_the_pixel_convention():
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 3, -1).repeat(64, 0)
    assert abs(resize(ramp, 16, 16)[8, 8, 0] - 33.5) <= 0.5
    assert (resize(np.full((5, 7, 3), 93, np.uint8), 20, 30) == 93).all()
