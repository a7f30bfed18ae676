"""F-scores of meshes: how many vertices have a vertex of the other mesh nearby (Tatarchenko et al. 2019).

At threshold t, precision is the share of predicted vertices nearer than t to some true vertex, recall the
share of true vertices nearer than t to some predicted one, F their harmonic mean (0 if both are 0).

Only "nearer than t?" matters, which saves most of the search: two corresponding vertices nearer than t
settle the question at once, and the rest are looked for within t only. The answers are exact.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial import cKDTree

THRESHOLDS_M = (0.005, 0.015)
"""Metres: F@5 mm and F@15 mm, ascending."""

_LEAF_SIZE = 32


def f_scores(
    gt_vertices: np.ndarray, predictions: tuple[np.ndarray, ...], workers: int | None = None
) -> np.ndarray:
    """F-scores of several predictions (raw, aligned) of the same hands.

    Args:
        gt_vertices: (N, V, 3) metres.
        predictions: P arrays (N, V, 3) metres with the same vertex numbers.
        workers: threads; None takes one per usable core.

    Returns:
        (P, N, 2) in [0, 1] at ``THRESHOLDS_M``.
    """
    gt_vertices = np.asarray(gt_vertices, dtype=np.float64)
    predictions = tuple(np.asarray(vertices, dtype=np.float64) for vertices in predictions)

    def one_hand(hand: int) -> list[np.ndarray]:
        gt_tree = _tree(gt_vertices[hand])
        return [_f_score(gt_vertices[hand], gt_tree, vertices[hand]) for vertices in predictions]

    with ThreadPoolExecutor(workers or _usable_cores()) as pool:
        scores = list(pool.map(one_hand, range(len(gt_vertices))))
    shape = (len(gt_vertices), len(predictions), len(THRESHOLDS_M))
    return np.asarray(scores, dtype=np.float64).reshape(shape).transpose(1, 0, 2)


def _f_score(gt: np.ndarray, gt_tree: cKDTree, predicted: np.ndarray) -> np.ndarray:
    """(2,) F-scores of one hand."""
    correspondence = np.linalg.norm(predicted - gt, axis=-1)
    recall = _near_share(gt, _tree(predicted), correspondence)
    precision = _near_share(predicted, gt_tree, correspondence)
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)


def _near_share(points: np.ndarray, tree: cKDTree, upper_bounds: np.ndarray) -> np.ndarray:
    """(2,) shares of points nearer to the tree than each threshold, given upper bounds of the distances."""
    fine, coarse = THRESHOLDS_M
    far = upper_bounds >= coarse
    between = (upper_bounds >= fine) & ~far
    distances = upper_bounds.copy()
    distances[far] = _distances_below(coarse, points[far], tree)
    near_fine = distances < fine
    near_fine[between] = _distances_below(fine, points[between], tree) < fine
    return np.array([near_fine.mean(), (distances < coarse).mean()])


def _distances_below(limit: float, points: np.ndarray, tree: cKDTree) -> np.ndarray:
    """(M,) distances to the nearest point of the tree, infinite if not below ``limit``."""
    return tree.query(points, distance_upper_bound=limit)[0]


def _tree(points: np.ndarray) -> cKDTree:
    # Median splits and tight boxes cost more to build than they save for 778 points.
    return cKDTree(points, leafsize=_LEAF_SIZE, balanced_tree=False, compact_nodes=False)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
