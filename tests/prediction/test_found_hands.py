"""Hands that the bundled detector finds in several photos together."""

import dataclasses

import numpy as np
import pytest

import s2hand
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.photos import read_photo, read_photo_header
from s2hand.prediction.found_hands import Searched
from s2hand.prediction.photos import Photo
from s2hand.prediction.sample_photos import sample_photos


@pytest.fixture(scope="module")
def reconstructor():
    return s2hand.HandReconstructor.small(device="cpu", fast=True)


@pytest.fixture(scope="module")
def photos():
    return [
        (Photo(path, path.name, path.stem), read_photo(path), read_photo_header(path))
        for path in sample_photos()
    ]


def test_photos_searched_together_have_the_hands_of_each_alone(reconstructor, photos):
    viewer, finder = reconstructor.viewer(), reconstructor.finder
    photo, _, header = photos[0]
    empty = (photo, np.full((200, 300, 3), 90, np.uint8), dataclasses.replace(header, width=300, height=200))
    together = finder.in_photos(viewer, [photos[0], empty, photos[1]])
    alone = [
        finder.in_image(Searched(viewer, photo.name, pixels, header)) for photo, pixels, header in photos
    ]
    assert [len(views) for views in together] == [1, 0, 1]
    for (found,), (expected,) in zip((together[0], together[2]), alone, strict=True):
        assert (found.name, found.hand) == (expected.name, expected.hand)
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.05)


def test_a_camera_that_fits_no_photo_is_told_for_each(reconstructor, photos):
    finder = reconstructor.finder
    stated = reconstructor.viewer(StatedCamera(K=np.array([[900.0, 0, 9e6], [0, 900, 200], [0, 0, 1]])))
    assert [type(found) for found in finder.in_photos(stated, photos)] == [DatasetError] * 2


def test_a_box_tells_which_hand_of_its_own_photo_is_meant(reconstructor, photos):
    viewer, finder = reconstructor.viewer(), reconstructor.finder
    (photo, pixels, header), other = photos
    boxed = Searched(viewer, photo.name, pixels, header, np.array([0.0, 0, *pixels.shape[1::-1]]), "right")
    whole = Searched(viewer, other[0].name, *other[1:])
    hands = finder.in_images([boxed, whole])
    assert [len(views) for views in hands] == [1, 1]
    assert hands[0][0].hand == "right"  # as stated, whatever the detector says
