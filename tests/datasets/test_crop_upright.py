"""Crops about the detected hand, fingers up: as an encoder of upright hands expects them."""

import numpy as np
import pytest

from s2hand.datasets import AugmentationConfig, FreiHandDataset
from s2hand.skeleton import FINGERS, WRIST

BASES = [chain[0] for name, chain in FINGERS.items() if name != "thumb"]


@pytest.fixture(scope="module")
def datasets(synthetic_root):
    return [
        FreiHandDataset(
            synthetic_root,
            labels=("joints",),
            image_size=128,
            key="synthetic_base_path",
            crop_upright=upright,
        )
        for upright in (False, True)
    ]


def tilt_deg(sample) -> float:
    """Degrees between up and the way from the wrist to the finger bases that were detected."""
    found = [base for base in BASES if sample["confidence"][base] > 0]
    x, y = sample["keypoints_2d"][found].mean(0) - sample["keypoints_2d"][WRIST]
    return float(np.degrees(np.arctan2(x, -y)))


def whole(sample) -> bool:
    return bool((sample["confidence"] > 0).all())


def test_fingers_point_up_and_fill_the_crop(datasets):
    plain, upright = datasets
    numbers = [number for number in range(len(plain)) if whole(plain[number])]
    assert max(abs(tilt_deg(plain[number])) for number in numbers) > 45
    for number in numbers:
        sample = upright[number]
        assert abs(tilt_deg(sample)) < 1e-3
        keypoints = sample["keypoints_2d"]
        assert np.ptp(keypoints, axis=0).max() <= 128
        assert abs((keypoints.min(0) + keypoints.max(0)) / 2 - 64).max() < 30


def test_joints_camera_and_keypoints_turn_along(datasets):
    for number in range(len(datasets[1])):
        sample = datasets[1][number]
        projected = sample["gt_joints"] @ sample["K"].T
        assert projected[:, :2] / projected[:, 2:] == pytest.approx(sample["gt_keypoints_2d"], abs=0.2)
        back = sample["gt_joints"] @ sample["to_photo"].T
        assert back == pytest.approx(datasets[0][number]["gt_joints"], abs=1e-5)


def test_random_turns_start_from_upright(synthetic_root):
    dataset = FreiHandDataset(
        synthetic_root,
        image_size=128,
        key="synthetic_base_path",
        crop_upright=True,
        augment=AugmentationConfig(rotation_deg=20),
    )
    tilts = [tilt_deg(dataset[number]) for number in range(len(dataset)) if whole(dataset[number])]
    assert 1 < max(map(abs, tilts)) <= 20.001
