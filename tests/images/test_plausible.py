"""Numbers that look like something else than pixels, and those that only seem so."""

import numpy as np
import pytest

from s2hand.errors import DatasetError
from s2hand.images.plausible import check_boxes, check_cameras, check_confidence, check_keypoints

SIZES = np.tile([640, 480], (3, 1))
ONES = np.ones((3, 21))


def where(row):
    return f"row {row}"


@pytest.fixture
def keypoints():
    return np.random.default_rng(0).uniform((200, 100), (400, 300), (3, 21, 2))


def test_pixels_pass(keypoints):
    check_keypoints(keypoints, ONES, SIZES, where)
    check_keypoints(keypoints - 300, ONES, SIZES, where)  # partly outside
    check_confidence(np.full((3, 21), 1.2), where)
    check_boxes(np.array([[190.0, 90, 220, 220]] * 3), SIZES, where, keypoints, ONES)
    missed = keypoints.copy()
    missed[0], confidence = 0, ONES.copy()
    confidence[0] = 0
    check_keypoints(missed, confidence, SIZES, where)


def test_joints_at_one_place_or_a_hand_in_a_tiny_image_are_no_shares(keypoints):
    check_keypoints(np.full((3, 21, 2), 0.5), ONES, SIZES, where)
    check_keypoints(keypoints / 400, ONES, np.full((3, 2), 8), where)


@pytest.mark.parametrize("sizes", [SIZES, None])
@pytest.mark.parametrize("change", [lambda x: x / (640, 480), lambda x: x / (320, 240) - 1])
def test_shares_of_the_image_are_refused(keypoints, sizes, change):
    with pytest.raises(DatasetError, match=r"row 0: keypoints look like shares of the image"):
        check_keypoints(change(keypoints), ONES, sizes, where)


@pytest.mark.parametrize("shift", [(5000, 0), (0, 5000), (-5000, 0), (0, -1200)])
def test_keypoints_far_outside_are_refused(keypoints, shift):
    keypoints[1] += shift
    with pytest.raises(
        DatasetError, match=r"row 1: all keypoints are .* px outside of an image of 640 x 480"
    ):
        check_keypoints(keypoints, ONES, SIZES, where)


def test_keypoints_beyond_any_image_are_refused_where_sizes_are_unknown(keypoints):
    check_keypoints(keypoints + 5000, ONES, None, where)
    with pytest.raises(DatasetError, match="row 2: all keypoints are"):
        check_keypoints(np.where(np.arange(3)[:, None, None] == 2, 2.0**70, keypoints), ONES, None, where)


@pytest.mark.parametrize(
    ("value", "message"),
    [(95.0, "got 95; they look like per cent"), (5e30, "got 5e.30; scale"), (-0.1, "got -0.1; scale")],
)
def test_other_confidences_are_refused(value, message):
    confidence = ONES.copy()
    confidence[2, 5] = value
    with pytest.raises(DatasetError, match=f"row 2: .*{message}"):
        check_confidence(confidence, where)


@pytest.mark.parametrize("sizes", [SIZES, None])
def test_boxes_in_shares_are_refused(sizes):
    boxes = np.array([[np.nan] * 4, [0.3, 0.2, 0.3, 0.4], [0.1, 0.1, 0.2, 0.2]])
    with pytest.raises(DatasetError, match=r"row 1: the box \[0.3, 0.2, 0.3, 0.4\] looks like shares"):
        check_boxes(boxes, sizes, where)


def test_boxes_of_two_corners_are_refused(keypoints):
    outside = np.array([[100.0, 90, 250, 200], [400, 300, 600, 450], [20, 10, 90, 80]])
    with pytest.raises(DatasetError, match=r"row 1: the box .* looks like left, top, right and bottom"):
        check_boxes(outside, SIZES, where)
    inside = np.concatenate([keypoints.min(1) - 5, keypoints.max(1) + 5], -1)
    with pytest.raises(DatasetError, match="looks like left, top, right and bottom"):
        check_boxes(inside, np.full((3, 2), 900), where, keypoints, ONES)


def test_boxes_that_only_seem_to_be_corners_pass(keypoints):
    wide = np.array([[300.0, 200, 340, 280], [0, 0, 640, 480], [10, 10, 60, 60]])
    check_boxes(wide, SIZES, where)
    reaching_out = np.array([[500.0, 100, 300, 300]] * 3)  # more than half outside, but no corners
    check_boxes(reaching_out, SIZES, where)


@pytest.mark.parametrize(
    "entries", [(1e300, 1e300, 320, 240), (1.2, 1.6, 0.5, 0.5), (500, 500, 1e9, 240), (500, 1e-9, 320, 240)]
)
def test_cameras_of_no_such_image_are_refused(entries):
    fx, fy, cx, cy = entries
    K = np.array([[[500.0, 0, 320], [0, 500, 240], [0, 0, 1]], [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]])
    check_cameras(K[:1], SIZES[:1], where)
    with pytest.raises(DatasetError, match="row 1: no camera of an image of 640 x 480 px"):
        check_cameras(K, SIZES[:2], where)
    K[1] = np.nan
    check_cameras(K, SIZES[:2], where)


@pytest.mark.parametrize("place", [(1e30, 5), (20, -9000), (7100, 300)])
def test_a_single_keypoint_far_away_is_refused(keypoints, place):
    keypoints[1, 7] = (6900, 300)  # as a network may guess of a hand that is out of view
    check_keypoints(keypoints, ONES, SIZES, where)
    keypoints[2, 7] = place
    with pytest.raises(DatasetError, match=r"row 2: a keypoint is .* px outside of the image"):
        check_keypoints(keypoints, ONES, SIZES, where)
    confidence = ONES.copy()
    confidence[2, 7] = 0
    check_keypoints(keypoints, confidence, SIZES, where)


@pytest.mark.parametrize("sizes", [SIZES, None])
@pytest.mark.parametrize("box", [(1, 2, 1e30, 4), (1, 2, 30, 1e9), (-2e6, 0, 40, 40)])
def test_boxes_far_larger_than_their_image_are_refused(sizes, box):
    boxes = np.array([[10.0, 10, 60, 60], box, [np.nan] * 4])
    with pytest.raises(DatasetError, match=r"row 1: the box .* reaches .* px over the image's border"):
        check_boxes(boxes, sizes, where)
    boxes[1] = (-600, -500, 2000, 1500)
    check_boxes(boxes, sizes, where)
