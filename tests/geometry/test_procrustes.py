"""Alignments against SciPy's orthogonal Procrustes and against what they must undo."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from s2hand.geometry.procrustes import scale_translation_align, similarity_align


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(7, 21, 3))


def aligned_with_scipy(source, target):
    """One pair, by the steps of the official scripts: unit norms, SciPy's rotation, its scale."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_norm, target_norm = np.linalg.norm(source - source_mean), np.linalg.norm(target - target_mean)
    source_unit, target_unit = (source - source_mean) / source_norm, (target - target_mean) / target_norm
    rotation, scale = orthogonal_procrustes(target_unit, source_unit)
    return source_unit @ rotation.T * scale * target_norm + target_mean


def test_equals_scipy(points):
    target = np.random.default_rng(1).normal(size=points.shape)
    expected = [aligned_with_scipy(*pair) for pair in zip(points, target, strict=True)]
    np.testing.assert_allclose(similarity_align(points, target), expected, rtol=0, atol=1e-12)


def test_undoes_a_similarity(points):
    rotation = Rotation.random(rng=2).as_matrix()
    np.testing.assert_allclose(similarity_align(0.3 * points @ rotation.T + 4, points), points, atol=1e-12)


def test_undoes_a_reflection_as_the_official_scripts_do(points):
    np.testing.assert_allclose(similarity_align(points * [1, 1, -1], points), points, atol=1e-12)


def test_is_the_least_squares_similarity(points):
    """No nearby similarity does better."""
    target = points + 0.1 * np.random.default_rng(3).normal(size=points.shape)
    aligned = similarity_align(points, target)
    best = np.square(aligned - target).sum((1, 2))
    for seed in range(10):
        turn = Rotation.from_rotvec(1e-3 * np.random.default_rng(seed).normal(size=3)).as_matrix()
        for scale in (0.999, 1.0, 1.001):
            assert (np.square(scale * aligned @ turn.T - target).sum((1, 2)) >= best - 1e-12).all()


def test_a_collapsed_source_lands_on_the_centroid(points):
    aligned = similarity_align(np.ones_like(points), points)
    np.testing.assert_allclose(
        aligned, np.broadcast_to(points.mean(1, keepdims=True), points.shape), atol=1e-12
    )


def test_scale_translation_undoes_both_but_no_rotation(points):
    np.testing.assert_allclose(scale_translation_align(0.2 * points - 1, points), points, atol=1e-12)
    turned = points @ Rotation.from_rotvec([0, 0, 1]).as_matrix().T
    assert np.abs(scale_translation_align(turned, points) - points).max() > 0.1


@pytest.mark.parametrize("scale_point", [4, 9])
def test_scale_translation_meets_root_exactly_and_scale_point_in_distance(points, scale_point):
    target = np.random.default_rng(4).normal(size=points.shape)
    aligned = scale_translation_align(points, target, scale_point=scale_point)
    np.testing.assert_array_equal(aligned[:, 0], target[:, 0])
    np.testing.assert_allclose(
        np.linalg.norm(aligned[:, scale_point] - aligned[:, 0], axis=-1),
        np.linalg.norm(target[:, scale_point] - target[:, 0], axis=-1),
    )


def test_scale_translation_only_moves_a_source_without_length(points):
    source = np.zeros_like(points)
    source[:, 5] = 1
    expected = source + points[:, :1]
    np.testing.assert_allclose(scale_translation_align(source, points), expected, atol=1e-12)
