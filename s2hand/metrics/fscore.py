"""F-scores of meshes: how many vertices have a vertex of the other mesh nearby (Tatarchenko et al. 2019).

At threshold t, precision is the share of predicted vertices nearer than t to some true vertex, recall the
share of true vertices nearer than t to some predicted one, F their harmonic mean (0 if both are 0).

Only "nearer than t?" matters, which saves most of the search: two corresponding vertices nearer than t
settle the question at once, and the rest are looked for within t only. The answers are exact.

A few hands share a search tree, each moved to a place of its own: one hand's search is so short that threads
would spend their time waiting for each other between two of them.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial import cKDTree

THRESHOLDS_M = (0.005, 0.015)
"""Metres: F@5 mm and F@15 mm, ascending."""

_LEAF_SIZE = 32

HANDS_PER_TREE = 8
SEPARATION_M = 2 * THRESHOLDS_M[-1]
"""Metres of free space between hands of one tree: none is another's neighbour."""


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

    def some_hands(start: int) -> np.ndarray:
        hands = slice(start, start + HANDS_PER_TREE)
        return _group_scores(gt_vertices[hands], [vertices[hands] for vertices in predictions])

    with ThreadPoolExecutor(workers or _usable_cores()) as pool:
        groups = list(pool.map(some_hands, range(0, len(gt_vertices), HANDS_PER_TREE)))
    empty = np.zeros((len(predictions), 0, len(THRESHOLDS_M)))
    return np.concatenate([empty, *groups], axis=1)


def _group_scores(gt: np.ndarray, predictions: list[np.ndarray]) -> np.ndarray:
    """(P, H, 2) F-scores of a few hands (H, V, 3)."""
    # A wrong prediction may lie metres off; its own reach decides how far apart hands must be.
    centre = gt.mean(1, keepdims=True)
    reach = max(float(np.abs(vertices - centre).max()) for vertices in (gt, *predictions))
    places = np.zeros((len(gt), 1, 3))
    places[:, 0, 0] = np.arange(len(gt)) * (2 * reach + SEPARATION_M)
    shift = places - centre
    gt_moved = (gt + shift).reshape(-1, 3)
    gt_tree = _tree(gt_moved)
    scores = []
    for vertices in predictions:
        moved = (vertices + shift).reshape(-1, 3)
        correspondence = np.linalg.norm(vertices - gt, axis=-1).reshape(-1)
        recall, precision = (
            _are_near(points, tree, correspondence).reshape(2, len(gt), -1).mean(-1)
            for points, tree in ((gt_moved, _tree(moved)), (moved, gt_tree))
        )
        total = precision + recall
        product = 2 * precision * recall
        scores.append(np.divide(product, total, out=np.zeros_like(total), where=total > 0).T)
    return np.stack(scores)


def _are_near(points: np.ndarray, tree: cKDTree, upper_bounds: np.ndarray) -> np.ndarray:
    """(2, M) whether points are nearer to the tree than each threshold; bounds of the distances are given."""
    fine, coarse = THRESHOLDS_M
    far = upper_bounds >= coarse
    between = (upper_bounds >= fine) & ~far
    distances = upper_bounds.copy()
    distances[far] = _distances_below(coarse, points[far], tree)
    near_fine = distances < fine
    near_fine[between] = _distances_below(fine, points[between], tree) < fine
    return np.stack([near_fine, distances < coarse])


def _distances_below(limit: float, points: np.ndarray, tree: cKDTree) -> np.ndarray:
    """(M,) distances to the nearest point of the tree, infinite if not below ``limit``."""
    return tree.query(points, distance_upper_bound=limit)[0]


def _tree(points: np.ndarray) -> cKDTree:
    # Median splits and tight boxes cost more to build than they save for 778 points.
    return cKDTree(points, leafsize=_LEAF_SIZE, balanced_tree=False, compact_nodes=False)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
