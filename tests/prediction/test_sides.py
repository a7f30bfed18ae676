"""Left or right where the detector is in doubt, on projected hands."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.detection.mediapipe import DetectedHand
from s2hand.prediction.landmark_answerer import LandmarkAnswerer
from s2hand.prediction.sides import SURE, SideJudge

FOCAL, WIDTH = 500.0, 640
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, 240], [0, 0, 1]])
FIST, BENT = 1, 40
"""Of the refinement's sampled poses."""


@pytest.fixture(scope="module")
def answerer():
    return LandmarkAnswerer.bundled(device="cpu")


def seen_hand(answerer, pose, *, mirrored):
    """A hand half a metre away, of which the detector only guesses the side, and wrongly."""
    neutral = torch.zeros(1, 10), torch.eye(3)[None]
    points = answerer.lifter.chain(answerer.refiner.free.bank[[pose]], *neutral)[0].double().numpy()
    points = points * (-1 if mirrored else 1, 1, 1) - points.mean(0) * (0, 1, 1)
    placed = points + np.array([0, 0, 0.5])
    return DetectedHand(
        keypoints=(placed @ K.T)[:, :2] / placed[:, 2:],
        depth=FOCAL * points[:, 2] / 0.5,
        world=points,
        confidence=np.full(21, 0.9),
        presence=1.0,
        handedness="right" if mirrored else "left",
        handedness_score=0.6,
        square=np.zeros(4),
        box=np.zeros(4),
    )


def test_hands_in_doubt_get_the_side_that_fits(answerer):
    hands = [
        seen_hand(answerer, pose, mirrored=mirrored) for pose in (FIST, BENT) for mirrored in (False, True)
    ]
    judge = SideJudge(answerer)
    together = [hand.handedness for hand in judge(hands, K)]
    assert together == ["right", "left"] * 2
    assert [judge([hand], K)[0].handedness for hand in hands] == together


def test_a_sure_detector_is_believed(answerer):
    hand = replace(seen_hand(answerer, FIST, mirrored=False), handedness_score=SURE)
    assert SideJudge(answerer)([hand], K) == [hand]
    assert SideJudge(answerer)([], K) == []
