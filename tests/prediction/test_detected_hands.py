"""The hands that a detections file has of a video."""

import numpy as np
import pytest

from s2hand.datasets.detection_files import write_versioned_detections
from s2hand.datasets.detections import Detections
from s2hand.images.crops import DEFAULT_SQUARES
from s2hand.images.photos import PhotoHeader
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.hand_views import Viewer
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.photos import Photo

SIZE = 64


@pytest.mark.parametrize("tracks", [(3, 1, 3), None])
def test_views_know_the_numbers_of_followed_hands(tmp_path, tracks):
    keypoints = np.random.default_rng(0).uniform(10, 50, (3, 21, 2)).astype(np.float32)
    names = ("v.mp4#000000", "v.mp4#000000", "v.mp4#000001")
    detections = Detections(
        keypoints,
        np.ones((3, 21), np.float32),
        names,
        np.full((3, 2), SIZE),
        hands=("left",) * 3,
        tracks=tracks,
    )
    write_versioned_detections(tmp_path / "d.json", detections)
    (tmp_path / "v.mp4").write_bytes(b"")
    video = Photo(tmp_path / "v.mp4", "v.mp4", "v")
    hands = DetectedHands(PredictOptions(detections=str(tmp_path / "d.json")))
    assert hands.match([video]) == []
    viewer = Viewer(32, DEFAULT_SQUARES, hands.stated)
    pixels, header = np.zeros((SIZE, SIZE, 3), np.uint8), PhotoHeader(SIZE, SIZE, None)
    seen = [[view.track for view in hands.views(viewer, video, pixels, header, frame)] for frame in (0, 1)]
    assert seen == ([[3, 1], [3]] if tracks else [[None, None], [None]])


def test_a_folder_written_in_two_ways_is_one(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    sizes = np.full((1, 2), SIZE)
    detections = Detections(
        np.full((1, 21, 2), 9, np.float32), np.ones((1, 21), np.float32), ("a.jpg",), sizes
    )
    write_versioned_detections(tmp_path / "photos" / "d.json", detections)
    roundabout = tmp_path / "elsewhere" / ".." / "photos"
    hands = DetectedHands(PredictOptions(detections=str(tmp_path / "photos" / "d.json")))
    assert hands.match([Photo(roundabout / "a.jpg", "a.jpg", "a")]) == []
    assert hands.doubts == []


def test_photos_that_were_searched_in_vain_have_no_hand(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    detections = Detections(
        np.random.default_rng(0).uniform(10, 50, (1, 21, 2)).astype(np.float32),
        np.ones((1, 21), np.float32),
        ("a.jpg",),
        np.full((1, 2), SIZE),
        without_hands=("b.jpg",),
    )
    write_versioned_detections(tmp_path / "d.json", detections)
    hands = DetectedHands(PredictOptions(hand="right", detections=str(tmp_path / "d.json")))
    photos = [Photo(tmp_path / name, name, name[0]) for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert hands.match(photos) == photos[2:]
    viewer = Viewer(32, DEFAULT_SQUARES, hands.stated)
    pixels, header = np.zeros((SIZE, SIZE, 3), np.uint8), PhotoHeader(SIZE, SIZE, None)
    # Nobody looked at the last one, so the network sees it whole.
    assert [len(hands.views(viewer, photo, pixels, header)) for photo in photos] == [1, 0, 1]
