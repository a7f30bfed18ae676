"""Persons and copies of one photo are never on both sides of the split."""

import pytest

from s2hand.benchmark.photo_split import held_out, in_fit_half, without_copies


@pytest.mark.parametrize(
    ("fitted", "kept"),
    [
        ("letters/A12_0f3c.jpg", "letters/B12_0f3c.jpg"),
        ("digits/3/IMG_1118.jpg", "digits/3/IMG_4946.jpg"),
        ("gestures/2_pic00354_0.jpg", "gestures/5_pic00017_0.jpg"),
        ("people/26_pic00044.jpg", "people/3_pic00025.jpg"),
    ],
)
def test_half_of_letters_persons_and_recordings_is_held_out(fitted, kept):
    assert in_fit_half(fitted)
    assert not in_fit_half(kept)


@pytest.mark.parametrize(
    "name", ["green/rock/0A.jpg", "holiday/2_pic00001.jpg", "digits/one.jpg", "A1_b.jpg"]
)
def test_whatever_else_there_is_is_held_out(name):
    assert not in_fit_half(name)


def test_of_augmented_copies_the_first_stays():
    names = ["letters/B7_2.jpg", "letters/B7_1.jpg", "letters/B70_1.jpg", "green/B7_2.jpg", "green/B7_1.jpg"]
    assert without_copies(names) == [
        "green/B7_1.jpg",
        "green/B7_2.jpg",
        "letters/B70_1.jpg",
        "letters/B7_1.jpg",
    ]


def test_held_out_photos_have_neither():
    names = ["letters/A1_1.jpg", "letters/B1_1.jpg", "letters/B1_2.jpg", "people/2_pic1.jpg"]
    assert held_out(names) == ["letters/B1_1.jpg"]
