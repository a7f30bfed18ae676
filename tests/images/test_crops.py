"""The square about a hand."""

import numpy as np
import pytest

from s2hand.errors import DatasetError
from s2hand.images.crops import DEFAULT_SQUARES, WHOLE, square_around_box, square_around_keypoints


def test_the_box_lies_in_the_middle_of_its_square():
    left, top, side = square_around_box(np.array([100, 50, 40, 80]), 0.25)
    assert (left, top, side) == (60, 30, 120)
    assert square_around_box([0, 0, 10, 10], 0.0) == (0, 0, 10)


def test_a_square_may_leave_the_picture():
    left, top, side = square_around_box([0, 0, 10, 20], 1.0)
    assert (left, top, side) == (-25, -20, 60)


def test_only_certain_keypoints_count():
    keypoints = np.array([[10, 10], [30, 20], [500, 500], [0, 0]])
    confidence = np.array([0.9, 0.5, 0.2, 0.0])
    assert square_around_keypoints(keypoints, confidence, 0.5, 0.3) == (0, -5, 40)
    assert square_around_keypoints(keypoints, confidence, 0.0, 0.0)[2] == 490  # missed ones never count


def test_the_hand_is_where_it_was_if_the_picture_is_moved_or_enlarged():
    random = np.random.default_rng(0)
    keypoints, confidence = random.uniform(0, 200, (21, 2)), random.uniform(0, 1, 21)
    square = np.array(square_around_keypoints(keypoints, confidence, 0.3, 0.1))
    moved = square_around_keypoints(3 * keypoints + [7, -5], confidence, 0.3, 0.1)
    np.testing.assert_allclose(moved, 3 * square + [7, -5, 0])


def test_keypoints_on_a_line_have_a_square():
    assert square_around_keypoints([[5, 5], [5, 25]], [1, 1], 0.0)[2] == 20


@pytest.mark.parametrize(
    ("keypoints", "confidence"),
    [([[1, 1], [9, 9]], [0.9, 0.1]), ([[4, 4], [4, 4]], [0.9, 0.9]), ([[1, 1], [9, 9]], [0, 0])],
    ids=["one is certain", "at one place", "all missed"],
)
def test_no_square_without_two_places(keypoints, confidence):
    with pytest.raises(DatasetError, match="expected two or more at different places"):
        square_around_keypoints(keypoints, confidence, 0.3, 0.1)


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [0, 0, 5, -1], [0, np.nan, 5, 5], [0, 0, np.inf, 5]])
def test_boxes_without_extent_are_refused(box):
    with pytest.raises(DatasetError, match="width and height > 0"):
        square_around_box(box, 0.3)


def test_many_keypoints_at_one_place_are_no_hand_whatever_the_box():
    keypoints, box = np.full((21, 2), 50.0), np.array([30.0, 30, 60, 60])
    for rule in (DEFAULT_SQUARES.square, DEFAULT_SQUARES.square_or_whole):
        for known in (box, None):
            with pytest.raises(
                DatasetError, match=r"its 21 keypoints more certain than 0.1 are all at one place"
            ):
                rule(known, keypoints, np.ones(21), (200, 200))
    few = np.where(np.arange(21) < 3, 1.0, 0.0)  # a detector may put a few upon one pixel
    assert DEFAULT_SQUARES.square_or_whole(box, keypoints, few, (200, 200))[1] == "box"
    assert DEFAULT_SQUARES.square_or_whole(None, keypoints, few, (200, 200))[1] == WHOLE
