"""The mean hand, to which evaluations are compared."""

import numpy as np
import pytest
import torch

from s2hand.evaluation.baselines import mean_hand_metrics
from s2hand.evaluation.evaluator import Evaluation
from s2hand.hand import ManoLayer, load_hand_model


def evaluation(joints, vertices):
    return Evaluation({}, np.arange(len(joints)), gt_joints=joints, gt_vertices=vertices)


@pytest.fixture(scope="module")
def model():
    return load_hand_model("generic")


@pytest.fixture(scope="module")
def mean_hand(model):
    """Joints (1, 21, 3) and vertices (1, 778, 3) of the mean pose."""
    hand = ManoLayer(model).double().plain(*(torch.zeros(1, size).double() for size in (30, 10, 3)))
    return hand.joints.numpy(), hand.vertices.numpy()


def test_it_is_right_where_the_hand_is_the_mean_one(model, mean_hand):
    joints, vertices = (points + np.array([0.1, 0.2, 0.6]) for points in mean_hand)
    found = mean_hand_metrics(evaluation(joints, vertices), model, None)
    assert found["mpjpe"] < 1e-3
    assert found["pa_mpvpe"] < 1e-3
    assert found["f5"] == 1


def test_it_stands_at_the_mean_place(model, mean_hand):
    joints = np.concatenate([mean_hand[0] + (-0.03, 0, 0.5), mean_hand[0] + (0.03, 0, 0.5)])
    found = mean_hand_metrics(evaluation(joints, None), model, 9)
    assert found["mpjpe"] == pytest.approx(30, abs=0.01)
    assert found["pa_mpjpe"] < 1e-3
    assert "st_mpjpe" in found
    assert "mpvpe" not in found


def test_vertices_of_another_model_are_not_compared(model, mean_hand):
    joints, vertices = mean_hand
    assert "mpvpe" not in mean_hand_metrics(evaluation(joints, vertices), model, None, with_vertices=False)
