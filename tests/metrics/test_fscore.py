"""F-scores against all pairwise distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from s2hand.metrics.fscore import HANDS_PER_TREE, THRESHOLDS_M, f_scores


def pairwise_f_score(gt, predicted, threshold):
    distances = cdist(gt, predicted)
    recall, precision = ((distances.min(axis) < threshold).mean() for axis in (1, 0))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("noise_m", [0.0, 0.001, 0.004, 0.01, 0.03])
@pytest.mark.parametrize("offset_m", [0.0, 0.006, 0.02, 0.5])
def test_equals_all_pairs(noise_m, offset_m):
    rng = np.random.default_rng(0)
    gt = rng.uniform(-0.05, 0.05, size=(3, 200, 3))
    shuffled = rng.permuted(gt, axis=1)
    predictions = tuple(
        base + offset_m * np.array([0.6, 0.8, 0]) + noise_m * rng.normal(size=gt.shape)
        for base in (gt, shuffled)
    )
    expected = [
        [
            [pairwise_f_score(*pair, threshold) for threshold in THRESHOLDS_M]
            for pair in zip(gt, p, strict=True)
        ]
        for p in predictions
    ]
    np.testing.assert_allclose(f_scores(gt, predictions), expected, rtol=0, atol=1e-12)


def test_the_number_of_threads_does_not_matter():
    rng = np.random.default_rng(1)
    gt = rng.uniform(-0.05, 0.05, size=(9, 100, 3))
    prediction = gt + 0.005 * rng.normal(size=gt.shape)
    np.testing.assert_array_equal(
        f_scores(gt, (prediction,), workers=1), f_scores(gt, (prediction,), workers=4)
    )


def test_hands_that_share_a_tree_do_not_see_each_other():
    """Hands in one place, and predictions metres off or in millimetres, score as they do alone."""
    random = np.random.default_rng(4)
    gt = random.normal(0, 0.05, (2 * HANDS_PER_TREE + 1, 60, 3))
    predicted = gt + random.normal(0, 0.006, gt.shape)
    predicted[1], predicted[3], predicted[5] = gt[2], predicted[3] * 1000, predicted[5] + 7
    together = f_scores(gt, (predicted,))
    alone = [f_scores(gt[[hand]], (predicted[[hand]],))[:, 0] for hand in range(len(gt))]
    assert np.array_equal(together, np.stack(alone, 1))
    assert together[0, 5].max() == 0
