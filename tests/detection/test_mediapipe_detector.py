"""The bundled detector as a whole, against what the published solution found in drawn photos."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.detection.mediapipe import DetectionError, HandDetector, squares_of_landmarks
from s2hand.detection.mediapipe.looks import LOOKS, PLAIN_LOOK
from s2hand.detection.mediapipe.squares import rotate
from s2hand.models.mediapipe import load_landmark_net, load_palm_net

RECORDED = Path(__file__).parents[1] / "fixtures" / "mediapipe_photos.npz"
PHOTOS = 7
SOLUTIONS_ORIGIN = 0.5
NEAR = 0.015
"""Of the hand's size."""


@pytest.fixture(scope="module")
def recorded():
    return np.load(RECORDED)


@pytest.fixture(scope="module")
def photos(recorded):
    return [recorded[f"photo{index}"] for index in range(PHOTOS)]


@pytest.fixture(scope="module")
def plain():
    return HandDetector.bundled("cpu", looks=[PLAIN_LOOK])


@pytest.fixture(scope="module")
def found(plain, photos):
    return plain(photos)


@pytest.fixture(scope="module")
def looked(photos):
    """The hands of a photo with one and of one with two, by all looks."""
    return HandDetector.bundled("cpu")([photos[0], photos[-1]])


def size_of(hand):
    return np.ptp(hand.keypoints, axis=0).max()


def apart(keypoints, others):
    """Mean distance in sizes of the second hand."""
    return np.linalg.norm(keypoints - others, axis=1).mean() / np.ptp(others, axis=0).max()


@pytest.mark.parametrize("index", range(PHOTOS))
def test_hands_are_those_of_the_published_solution(found, recorded, index):
    points, right = recorded[f"points{index}"], recorded[f"right{index}"]
    assert len(found[index]) == len(points) > 0
    for hand in found[index]:
        distances = [apart(hand.keypoints, of_one[:, :2] + SOLUTIONS_ORIGIN) for of_one in points]
        nearest = int(np.argmin(distances))
        assert distances[nearest] < NEAR
        assert (hand.handedness == "right") == right[nearest]
        np.testing.assert_allclose(hand.depth, points[nearest][:, 2], atol=0.06 * size_of(hand))
        np.testing.assert_allclose(hand.world, recorded[f"world{index}"][nearest], atol=5e-3)


def test_records_are_complete(found, photos):
    hand = found[0][0]
    assert [hand.keypoints.shape, hand.depth.shape, hand.world.shape] == [(21, 2), (21,), (21, 3)]
    assert 0.5 < hand.presence <= 1
    assert 0.5 <= hand.handedness_score <= 1
    assert hand.confidence.shape == (21,)
    assert (hand.box[:2] < hand.keypoints.min(axis=0)).all()
    assert (hand.box[2:] > hand.keypoints.max(axis=0)).all()
    assert hand.square.shape == (4,)


def test_batches_change_nothing(plain, found, photos):
    alone = plain(photos[2:3])[0][0]
    np.testing.assert_allclose(alone.keypoints, found[2][0].keypoints, atol=1e-3)


def test_packed_convolutions_answer_as_plain_ones(found, photos):
    detector = HandDetector(load_palm_net(), load_landmark_net(), looks=[PLAIN_LOOK])
    hand = detector(photos[1:2])[0][0]
    np.testing.assert_allclose(hand.keypoints, found[1][0].keypoints, atol=1e-2)


def test_looks_stay_near_the_plain_one_and_disagree_somewhere(looked, found):
    assert [len(hands) for hands in looked] == [1, 2]
    hand = looked[0][0]
    assert apart(hand.keypoints, found[0][0].keypoints) < 0.1
    assert hand.handedness == found[0][0].handedness
    assert np.ptp(hand.confidence) > 0.1


def test_every_look_is_undone(plain, photos, found):
    """Turned, mirrored and smaller looks give the hand in the photo's frame again."""
    hand = found[4][0]
    readings = plain.read(photos[4:5], np.zeros(1, int), hand.square[None], LOOKS)
    assert len(readings) == len(LOOKS)
    for reading in readings:
        assert apart(reading.keypoints[0], hand.keypoints) < 0.03
        assert np.linalg.norm(reading.world[0] - hand.world, axis=1).mean() < 0.012
        assert (reading.right[0] > 0.5) == (hand.handedness == "right")


def test_mirrored_photo_shows_the_mirrored_hand(plain, found, photos):
    hand = found[2][0]
    mirrored = plain([np.ascontiguousarray(photos[2][:, ::-1])])[0][0]
    assert mirrored.handedness != hand.handedness
    keypoints = mirrored.keypoints * (-1, 1) + (photos[2].shape[1], 0)
    assert apart(keypoints, hand.keypoints) < 0.06


def test_the_next_frames_square_finds_the_hand_again(plain, photos, found):
    hand = found[0][0]
    moved = np.roll(photos[0], 6, axis=1)
    square = squares_of_landmarks(hand.keypoints[None])
    reading = plain.read([moved], np.zeros(1, int), square)[0]
    assert reading.presence[0] > 0.5
    assert apart(reading.keypoints[0], hand.keypoints + np.array([6, 0])) < 0.08


def test_photos_without_hands(plain):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    assert plain([np.zeros((50, 80, 3), np.uint8), noise]) == [[], []]
    assert plain([]) == []


def test_second_look_tries_fainter_palms(photos):
    """In a corner of a large photo a palm is small and less sure."""
    large = np.zeros((700, 700, 3), np.uint8)
    large[:240, :180] = photos[3]
    once = HandDetector.bundled("cpu", looks=[PLAIN_LOOK], second_look=False)([photos[2], large])
    twice = HandDetector.bundled("cpu", looks=[PLAIN_LOOK])([photos[2], large])
    assert [len(hands) for hands in once] == [1, 0]
    assert [len(hands) for hands in twice] == [1, 1]


def close_up(photo, hand, margin):
    """The part of a photo about a hand, and where it begins in px."""
    around = margin * size_of(hand)
    low = np.maximum(np.floor(hand.keypoints.min(axis=0) - around), 0).astype(int)
    high = np.ceil(hand.keypoints.max(axis=0) + around).astype(int)
    return np.ascontiguousarray(photo[low[1] : high[1], low[0] : high[0]]), low


def test_close_ups_are_searched_from_farther_away(plain, photos, found):
    hand = found[0][0]
    photo, low = close_up(photos[0], hand, 0.02)
    once = HandDetector.bundled("cpu", looks=[PLAIN_LOOK], second_look=False)
    assert once([photo, photos[2]])[0] == []
    readings, photo_of = plain.find([photo, photos[2]], filling=False)
    assert sorted(photo_of) == [0, 1]
    assert apart(readings.keypoints[photo_of == 0][0] + low, hand.keypoints) < 0.08


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("index", [1, 2, 4])
def test_hands_without_palms_are_found_where_they_fill_the_photo(
    plain, photos, found, index, quarters, monkeypatch
):
    monkeypatch.setattr("s2hand.detection.mediapipe.detector.SEARCHES", ())
    hand = found[index][0]
    photo, low = close_up(photos[index], hand, 0.1)
    turned = np.ascontiguousarray(np.rot90(photo, quarters))
    readings, photo_of = plain.find([turned, np.zeros_like(turned)])
    assert photo_of.tolist() == [0]
    middle = np.array(photo.shape[1::-1]) / 2
    turns = rotate(readings.keypoints - np.array(turned.shape[1::-1]) / 2, np.array([quarters * np.pi / 2]))
    assert apart(turns[0] + middle + low, hand.keypoints) < 0.03
    assert not len(plain.find([turned], filling=False)[1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"image 1: expected a uint8 RGB array \(H, W, 3\), got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 3)), "got float64"),
        ([[1]], "got list"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_what_is_no_photo_is_refused(plain, image, message):
    with pytest.raises(DetectionError, match=message):
        plain([np.zeros((4, 4, 3), np.uint8), image])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_cuda_finds_the_same(found, photos):
    hands = HandDetector.bundled("cuda", looks=[PLAIN_LOOK])(photos)
    for of_photo, expected in zip(hands, found, strict=True):
        assert len(of_photo) == len(expected)
        assert apart(of_photo[0].keypoints, expected[0].keypoints) < 1e-3
