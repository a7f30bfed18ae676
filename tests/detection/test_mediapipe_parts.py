"""The steps between MediaPipe's networks: squares, sampling, anchors, suppression, looks, confidence."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2hand.detection.mediapipe.confidence import confidence_of_looks, confidence_of_one_look
from s2hand.detection.mediapipe.looks import LOOKS, PLAIN_LOOK, Look, combine, world_spread
from s2hand.detection.mediapipe.palms import (
    anchor_centres,
    decode_palms,
    iou,
    merge_palms,
    palms_in_photo,
)
from s2hand.detection.mediapipe.records import (
    BOX_MARGIN,
    HandReadings,
    boxes_of_keypoints,
    without_repetitions,
)
from s2hand.detection.mediapipe.sampling import sample_squares
from s2hand.detection.mediapipe.searches import FIRST_SEARCH, PalmSearch, squares_of_whole_photo
from s2hand.detection.mediapipe.squares import (
    photo_from_square,
    rotate,
    square_of_photo,
    squares_of_landmarks,
    squares_of_palms,
    transform,
    upright_rotation,
)

WRIST_BELOW = np.array([[0.0, 1.0]])
ORIGIN = np.zeros((1, 2))


def open_hand(centre=(100.0, 100.0), size=80.0):
    """(1, 21, 2) px: a hand with its fingers up, as a fan."""
    angles = np.radians([-50, -20, 0, 20, 40])
    reach = np.array([0.4, 0.6, 0.8, 1.0])
    fingers = np.stack([np.sin(angles)[:, None] * reach, -np.cos(angles)[:, None] * reach], axis=-1)
    points = np.concatenate([[[0.0, 0.0]], fingers.reshape(-1, 2)])
    return (points - (points.min(0) + points.max(0)) / 2)[None] * size + centre


def readings(keypoints, presence=None):
    count = len(keypoints)
    return HandReadings(
        keypoints=keypoints,
        depth=np.zeros((count, 21)),
        world=np.zeros((count, 21, 3)),
        presence=np.ones(count) if presence is None else presence,
        right=np.ones(count),
        squares=np.tile([100.0, 100.0, 200.0, 0.0], (count, 1)),
    )


@pytest.mark.parametrize(
    ("direction", "degrees"), [((0, -1), 0), ((1, 0), 90), ((-1, 0), -90), ((0, 1), -180), ((1, -1), 45)]
)
def test_rotation_takes_the_squares_up_to_the_fingers_direction(direction, degrees):
    rotation = upright_rotation(ORIGIN, np.array([direction], float))
    assert math.degrees(rotation[0]) == pytest.approx(degrees)
    up = rotate(np.array([[[0.0, -1.0]]]), rotation)[0, 0]
    np.testing.assert_allclose(up, np.array(direction) / np.linalg.norm(direction), atol=1e-12)


def test_rotation_keeps_depth():
    points = np.arange(6.0).reshape(1, 2, 3)
    turned = rotate(points, np.array([np.pi / 2]))
    np.testing.assert_allclose(turned, [[[-1, 0, 2], [-4, 3, 5]]], atol=1e-12)


def test_palm_square_is_larger_and_farther_along_the_fingers():
    palm = np.zeros((1, 18))
    palm[0, :4] = 50, 60, 20, 30
    palm[0, 4:6], palm[0, 8:10] = (50, 70), (50, 50)
    np.testing.assert_allclose(squares_of_palms(palm), [[50, 60 - 15, 2.6 * 30, 0]], atol=1e-12)


def test_tracked_square_contains_the_hand_and_turns_with_it():
    hand = open_hand()
    square = squares_of_landmarks(hand)
    turned = rotate(hand - 100, np.array([0.7])) + 100
    expected = square + np.array([[0, 0, 0, 0.7]])
    expected[:, :2] = rotate(square[:, None, :2] - 100, np.array([0.7]))[:, 0] + 100
    np.testing.assert_allclose(squares_of_landmarks(turned), expected, atol=1e-9)
    half = square[0, 2] / 2
    assert (np.abs(hand - square[0, :2]) < half).all()


def test_map_from_square_to_photo_by_hand():
    squares = np.array([[10.0, 20.0, 8.0, np.pi / 2]])
    points = np.array([[[2.0, 2.0], [4.0, 2.0], [2.0, 0.0]]])
    mapped = transform(points, photo_from_square(squares, 4))
    np.testing.assert_allclose(mapped, [[[10, 20], [10, 24], [14, 20]]], atol=1e-12)


@pytest.mark.parametrize("rotation", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("side", [40.0, 90.0, 400.0])
def test_sampled_square_shows_what_the_map_says(rotation, side):
    """Of a picture whose colours are its coordinates each pixel tells where it came from."""
    size, photo_size = 32, 300
    ramp = np.linspace(0, 255, photo_size)
    photo = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 0), axis=-1).round().astype(np.uint8)
    squares = np.array([[160.0, 140.0, side, rotation]])
    crop = sample_squares(photo, squares, size, beyond="edge")[0].astype(float)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(1, -1, 2)
    source = transform(grid, photo_from_square(squares, size))[0]
    inside = ((source > side / size) & (source < photo_size - side / size)).all(axis=1)
    expected = (source - 0.5) * 255 / (photo_size - 1)
    assert inside.sum() > size
    np.testing.assert_allclose(crop[..., :2].reshape(-1, 2)[inside], expected[inside], atol=1.5)


def test_large_photos_are_averaged_before_they_are_read():
    chessboard = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    photo = np.repeat(chessboard[..., None], 3, axis=2)
    crop = sample_squares(photo, np.array([[200.0, 200.0, 320.0, 0.3]]), 32, beyond="edge")
    assert np.abs(crop.astype(float) - 127.5).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (900, 2, 3), (37, 53, 3)])
def test_photos_of_any_shape_are_letterboxed(shape):
    photo = np.full(shape, 200, np.uint8)
    view = sample_squares(photo, square_of_photo(shape[1], shape[0]), 16, beyond="black")
    assert view.shape == (1, 16, 16, 3)
    assert view.max() > 0


def test_what_lies_beyond_the_photo():
    photo = np.full((10, 10, 3), 77, np.uint8)
    far = np.array([[500.0, 500.0, 10.0, 0.0]])
    assert (sample_squares(photo, far, 8, beyond="edge") == 77).all()
    assert (sample_squares(photo, far, 8, beyond="black") == 0).all()


def test_anchors_are_the_cells_centres_row_by_row():
    centres = anchor_centres()
    assert centres.shape == (2016, 2)
    np.testing.assert_allclose(centres[[0, 1, 2]], [[4, 4], [4, 4], [12, 4]])
    np.testing.assert_allclose(
        centres[[48, 1151, 1152, 1158, 2015]], [[4, 12], [188, 188], [8, 8], [24, 8], [184, 184]]
    )


def test_decoded_palms_come_best_first_and_lie_at_their_anchors():
    boxes, logits = np.zeros((2016, 18), np.float32), np.full(2016, -1e6, np.float32)
    boxes[3, :6] = 1, 2, 30, 40, 5, 6
    logits[[3, 1152]] = 0.5, 200
    palms, scores = decode_palms(boxes, logits, 0.5)
    np.testing.assert_allclose(scores, [1, 1 / (1 + math.exp(-0.5))])
    np.testing.assert_allclose(palms[1, :6], [13, 6, 30, 40, 17, 10])
    np.testing.assert_allclose(palms[0, :6], [8, 8, 0, 0, 8, 8])


def test_palms_that_overlap_are_averaged_by_their_probability():
    palms = np.zeros((3, 18))
    palms[:, :4] = (50, 50, 20, 20), (52, 50, 20, 20), (150, 50, 20, 20)
    merged, scores = merge_palms(palms, np.array([0.9, 0.6, 0.5]))
    np.testing.assert_allclose(merged[:, 0], [(50 * 0.9 + 52 * 0.6) / 1.5, 150])
    np.testing.assert_allclose(scores, [0.9, 0.5])


def test_no_palms_stay_none():
    merged, scores = merge_palms(np.empty((0, 18)), np.empty(0))
    assert merged.shape == (0, 18)
    assert scores.shape == (0,)


def test_palms_without_extent_are_kept_apart():
    palms = np.zeros((2, 18))
    assert len(merge_palms(palms, np.array([0.9, 0.8]))[0]) == 2


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(0, 15)] * 2), min_size=1, max_size=5),
)
def test_iou_counts_cells(rectangles):
    masks = np.zeros((len(rectangles), 50, 50), bool)
    for mask, (left, top, width, height) in zip(masks, rectangles, strict=True):
        mask[top : top + height, left : left + width] = True
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rectangles], float)
    shared = (masks[:, None] & masks[None]).sum(axis=(2, 3))
    union = (masks[:, None] | masks[None]).sum(axis=(2, 3))
    np.testing.assert_allclose(iou(boxes, boxes), shared / np.maximum(union, 1))


def test_palms_are_placed_in_the_photo():
    palm = np.full((1, 18), 96.0)
    placed = palms_in_photo(palm, square_of_photo(400, 200)[0])[0]
    # The middle of the letterboxed picture is the photo's, which counts from its edge.
    np.testing.assert_allclose(placed[[0, 1, 4, 5]], [200.5, 100.5, 200.5, 100.5])
    np.testing.assert_allclose(placed[2:4], 96 * 400 / 192)


def test_boxes_have_a_margin():
    hand = open_hand()
    size = np.ptp(hand[0], axis=0).max()
    box = boxes_of_keypoints(hand)[0]
    np.testing.assert_allclose(hand[0].min(axis=0) - box[:2], BOX_MARGIN * size)
    np.testing.assert_allclose(box[2:] - hand[0].max(axis=0), BOX_MARGIN * size)


def test_a_hand_that_was_read_twice_stays_once():
    keypoints = np.concatenate([open_hand(), open_hand((106, 100)), open_hand((300, 100))])
    np.testing.assert_array_equal(without_repetitions(keypoints, np.array([0.8, 0.9, 0.7])), [1, 2])


def test_plain_look_is_first_and_changes_nothing():
    squares = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert LOOKS[0] == PLAIN_LOOK
    np.testing.assert_allclose(PLAIN_LOOK.squares(squares), squares)
    np.testing.assert_allclose(Look(90, scale=0.5).squares(squares), [[1, 2, 6, 4 + np.pi / 2]])


def test_looks_are_combined_by_their_median():
    hand = open_hand()
    looks = [readings(hand), readings(hand + 1), readings(hand + np.array([50, 0]))]
    combined, spread = combine(looks)
    np.testing.assert_allclose(combined.keypoints, hand + np.array([1, 0]))
    size = np.ptp(hand[0], axis=0).max()
    np.testing.assert_allclose(spread, (1 + 1 + 49) / 3 / size, rtol=1e-6)


@pytest.mark.parametrize("rows", [[0], [1], [0, 1]])
def test_looks_that_see_the_other_side_do_not_count(rows):
    """Three looks of five see a right hand; the other two its mirror image, a left one at the same place."""
    hand = np.concatenate([open_hand(), open_hand(size=50.0)])[rows]
    middle = np.array([100.0, 100.0])
    other = middle + (hand - middle) * (-1, 1)
    world = np.random.default_rng(0).normal(size=(len(rows), 21, 3))
    seen = [(hand, 0.9), (other, 0.1), (hand + 1, 0.7), (other, 0.2), (hand + 2, 0.95)]
    looks = [
        replace(readings(points), right=np.full(len(rows), right), world=np.sign(right - 0.5) * world)
        for points, right in seen
    ]
    combined, spread = combine(looks)
    np.testing.assert_allclose(combined.keypoints, hand + 1)
    np.testing.assert_allclose(combined.world, world)
    np.testing.assert_allclose(combined.right, 0.57)
    # Their disagreement is told all the same.
    apart = np.linalg.norm(other - hand - 1, axis=-1)
    size = np.ptp(hand, axis=1).max(axis=1)[:, None]
    np.testing.assert_allclose(spread, (2 * 2**0.5 + 2 * apart) / 5 / size)
    np.testing.assert_allclose(
        world_spread(looks, combined.world), 2 / 5 * np.linalg.norm(2 * world, axis=-1)
    )


@pytest.mark.parametrize("right", [[0.5, 0.5, 0.5], [0.2, 0.5, 0.8], [1.0, 0.0], [0.0, 0.0, 0.0]])
def test_looks_in_doubt_of_the_side_leave_a_hand(right):
    looks = [replace(readings(open_hand()), right=np.array([value])) for value in right]
    np.testing.assert_allclose(combine(looks)[0].keypoints, open_hand())


def test_confidence_falls_with_spread():
    spreads = np.tile(np.linspace(0, 0.5, 501)[:, None], (1, 21))
    confidence = confidence_of_looks(spreads)
    assert ((confidence > 0) & (confidence < 1)).all()
    assert (np.diff(confidence, axis=0) <= 1e-12).all()
    assert (confidence[0] - confidence[-1] > 0.5).all()


def test_confidence_of_one_look_is_between_those_of_agreeing_and_disagreeing_looks():
    one = confidence_of_one_look(2)
    assert one.shape == (2, 21)
    assert (one < confidence_of_looks(np.zeros((1, 21)))).all()
    assert (one > confidence_of_looks(np.full((1, 21), 0.2))).all()


def test_turned_square_shows_the_turned_photo():
    """OpenCV's own quarter turn of a picture is the picture of the square turned by a quarter."""
    photo = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8), (7, 7), 0)
    square = np.array([[32.5, 32.5, 64.0, 0.0]])
    upright = sample_squares(photo, square, 64, beyond="edge")[0]
    np.testing.assert_array_equal(upright[1:, 1:], photo[1:, 1:])
    turned = sample_squares(photo, square + np.array([[0, 0, 0, -np.pi / 2]]), 64, beyond="edge")[0]
    expected = cv2.rotate(upright[1:, 1:], cv2.ROTATE_90_CLOCKWISE)
    assert np.abs(turned[1:, 1:].astype(int) - expected).max() <= 1


def test_palms_seen_from_farther_away_have_larger_squares():
    boxes, logits = np.zeros((2016, 18), np.float32), np.full(2016, -9.0, np.float32)
    boxes[1152 + 6 * 12 * 6, :4] = 5, 3, 30, 30
    boxes[1152 + 6 * 12 * 6, 4:6], boxes[1152 + 6 * 12 * 6, 8:10] = (5, 20), (5, -20)
    logits[1152 + 6 * 12 * 6] = 0.0
    photo = np.zeros((100, 160, 3), np.uint8)
    near, far = (
        PalmSearch(scale, "edge", ((0.5, 0.5),)).squares_of_hands(photo, boxes, logits, 0.4)[0]
        for scale in (1, 2)
    )
    middle = square_of_photo(160, 100)[0, :2]
    np.testing.assert_allclose(far[:2] - middle, 2 * (near[:2] - middle))
    np.testing.assert_allclose(far[2:], near[2:] * (2, 1))
    assert not len(FIRST_SEARCH.squares_of_hands(photo, boxes, logits, 0.6))


def test_a_hand_may_fill_a_photo_in_any_direction():
    squares = squares_of_whole_photo(np.zeros((100, 160, 3), np.uint8))
    np.testing.assert_allclose(squares[:, :2], square_of_photo(160, 100)[:, :2].repeat(8, axis=0))
    assert {(round(side), round(np.degrees(turn))) for _, _, side, turn in squares} == {
        (side, turn) for side in (160, 136) for turn in (0, 90, 180, 270)
    }
