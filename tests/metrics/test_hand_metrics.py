"""The figures against those of the official scripts, and what the functions refuse."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.metrics import (
    FREIHAND_SCALE_JOINT,
    THRESHOLDS_M,
    ErrorStatistics,
    MetricAccumulator,
    hand_metrics,
    keypoint_error_px,
)
from s2hand.metrics import hand as hand_module

FIXTURE = Path(__file__).parents[1] / "fixtures" / "metrics.npz"
TOLERANCE = 1e-9
ARRAYS = ("gt_joints", "pred_joints", "gt_vertices", "pred_vertices")
OFFICIAL = {
    "mpjpe": "xyz.mean_m",
    "auc_j": "xyz.auc",
    "pa_mpjpe": "xyz_pa.mean_m",
    "pa_auc_j": "xyz_pa.auc",
    "st_mpjpe": "xyz_st.mean_m",
    "st_auc_j": "xyz_st.auc",
    "mpvpe": "mesh.mean_m",
    "auc_v": "mesh.auc",
    "pa_mpvpe": "mesh_pa.mean_m",
    "pa_auc_v": "mesh_pa.auc",
    "f5": "f5",
    "f15": "f15",
    "pa_f5": "f5_pa",
    "pa_f15": "f15_pa",
}
OFFICIAL_CURVES = {
    "joints": "xyz.pck",
    "pa_joints": "xyz_pa.pck",
    "st_joints": "xyz_st.pck",
    "vertices": "mesh.pck",
    "pa_vertices": "mesh_pa.pck",
}


@pytest.fixture(scope="module")
def official():
    with np.load(FIXTURE) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def hands(official):
    return [official[name] for name in ARRAYS]


@pytest.fixture(scope="module")
def figures(hands):
    return hand_metrics(*hands)


@pytest.mark.parametrize("name", OFFICIAL)
def test_equals_the_official_figure(official, figures, name):
    expected = float(official[OFFICIAL[name]]) * (1000 if name.endswith(("mpjpe", "mpvpe")) else 1)
    assert figures[name] == pytest.approx(expected, rel=TOLERANCE)


def test_there_are_no_other_figures(figures):
    assert set(figures) == set(OFFICIAL)


@pytest.mark.parametrize("name", OFFICIAL_CURVES)
def test_curves_equal_the_official_ones(official, hands, name):
    accumulator = MetricAccumulator()
    accumulator.update(*hands)
    np.testing.assert_allclose(accumulator.pck_curves()[name], official[OFFICIAL_CURVES[name]], atol=1e-12)


def test_batches_and_chunks_give_the_same_figures(hands, figures, monkeypatch):
    accumulator = MetricAccumulator(workers=1)
    for chunk in (slice(0, 5), slice(5, 6), slice(6, 24)):
        accumulator.update(*(array[chunk] for array in hands))
    assert accumulator.compute() == pytest.approx(figures, rel=1e-12)
    monkeypatch.setattr(hand_module, "HANDS_PER_CHUNK", 7)
    assert hand_metrics(*hands) == pytest.approx(figures, rel=1e-12)


def test_tensors_and_single_precision(hands, figures):
    tensors = [torch.from_numpy(array).float() for array in hands]
    assert hand_metrics(*tensors) == pytest.approx(figures, rel=1e-3)


def test_without_vertices_only_joints_are_scored(hands, figures):
    joints_only = {name: value for name, value in figures.items() if name.endswith(("mpjpe", "auc_j"))}
    assert hand_metrics(*hands[:2]) == joints_only
    assert hand_metrics(*hands[:2], None, hands[3]) == joints_only


def test_scale_joint_of_permuted_joints(hands, figures):
    """The st_ figures follow the joint, not its number; the others do not care."""
    order = np.arange(21)
    order[[4, 9]] = 9, 4
    moved = hand_metrics(*(joints[:, order] for joints in hands[:2]), scale_joint=FREIHAND_SCALE_JOINT)
    assert moved == pytest.approx({name: figures[name] for name in moved}, rel=1e-12)


def test_perfect_prediction(hands):
    gt_joints, _, gt_vertices, _ = hands
    figures = hand_metrics(gt_joints, gt_joints, gt_vertices, gt_vertices)
    for name, value in figures.items():
        assert value == pytest.approx(0 if name.endswith(("mpjpe", "mpvpe")) else 1, abs=6e-3)
    assert figures["mpjpe"] == 0
    assert figures["auc_j"] == 1


def test_input_arrays_are_left_alone(hands):
    copies = [array.copy() for array in hands]
    hand_metrics(*hands)
    for array, copy in zip(hands, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: [a[0], a[1][:-1], *a[2:]], "pred_joints has shape"),
        (lambda a: [a[0][..., :2], a[1][..., :2], *a[2:]], "gt_joints has shape"),
        (lambda a: [*a[:2], a[2][:-1], a[3][:-1]], "24 hands' joints but 23 hands' vertices"),
        (lambda a: [a[0], np.where(np.arange(24)[:, None, None] == 3, np.nan, a[1]), *a[2:]], "of hand 3"),
        (lambda a: [array[:0] for array in a], "no hands"),
    ],
)
def test_bad_input_is_refused(hands, change, message):
    with pytest.raises(ValueError, match=message):
        hand_metrics(*change(hands))


def test_vertices_for_some_hands_only_are_refused(hands):
    accumulator = MetricAccumulator()
    accumulator.update(*hands[:2])
    with pytest.raises(ValueError, match="for all or for none"):
        accumulator.update(*hands)


def test_pck_counts_errors_at_a_threshold_as_hits():
    errors = np.array([[0.0, THRESHOLDS_M[10]], [0.049999, 1.0]])
    statistics = ErrorStatistics()
    statistics.update(errors)
    curve = statistics.pck()
    np.testing.assert_array_equal(curve, [(errors <= threshold).mean() for threshold in THRESHOLDS_M])
    assert curve[0] == 0.25
    assert curve[-1] == 0.75


def test_statistics_equal_the_plain_definition():
    errors = np.random.default_rng(0).gamma(2, 0.01, size=(50, 21))
    statistics = ErrorStatistics()
    for part in np.array_split(errors, 7):
        statistics.update(part)
    per_joint = (errors[None] <= THRESHOLDS_M[:, None, None]).mean(1)
    area = ((per_joint[1:] + per_joint[:-1]) / 2 * np.diff(THRESHOLDS_M)[:, None]).sum(0) / THRESHOLDS_M[-1]
    assert statistics.mean_mm() == pytest.approx(1000 * errors.mean(), rel=1e-12)
    assert statistics.auc() == pytest.approx(area.mean(), rel=1e-12)


def test_keypoint_error():
    gt = np.zeros((2, 21, 2))
    pred = gt + np.array([3.0, 4.0])
    pred[1] = 0
    assert keypoint_error_px(gt, torch.from_numpy(pred)) == 2.5
    with pytest.raises(ValueError, match="pred_keypoints has shape"):
        keypoint_error_px(gt, pred[:1])
    with pytest.raises(ValueError, match="no keypoints"):
        keypoint_error_px(gt[:0], pred[:0])
