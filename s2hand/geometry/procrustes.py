"""Alignments of point sets, as the official hand benchmarks compute them; NumPy, batched, float64.

N is the number of sets, K of points. ``source`` is moved onto ``target``; both are (N, K, 3), one unit.
"""

import numpy as np

_TINY = np.finfo(np.float64).tiny


def similarity_align(source: np.ndarray, target: np.ndarray, *, reflect: bool = True) -> np.ndarray:
    """Procrustes alignment with scale: the similarity of ``source`` nearest to ``target`` in least squares.

    The orthogonal matrix is U V^T of the covariance's SVD with no sign correction, so it may be a reflection,
    as in FreiHAND's and HO-3D's evaluation (which use ``scipy.linalg.orthogonal_procrustes``).

    Args:
        source: (N, K, 3).
        target: (N, K, 3).
        reflect: allow reflections; otherwise the matrix is a rotation (Umeyama 1991).

    Returns:
        (N, K, 3) float64. If all points of a source coincide, target's centroid K times.
    """
    source, target = _float64(source), _float64(target)
    target_mean = target.mean(1, keepdims=True)
    centred, goal = source - source.mean(1, keepdims=True), target - target_mean
    u, singular_values, vt = np.linalg.svd(goal.transpose(0, 2, 1) @ centred)
    if not reflect:
        sign = np.sign(np.linalg.det(u @ vt))
        u[..., -1] *= sign[:, None]
        singular_values[..., -1] *= sign
    scale = singular_values.sum(-1) / np.maximum(np.square(centred).sum((1, 2)), _TINY)
    rotation = u @ vt
    return scale[:, None, None] * (centred @ rotation.transpose(0, 2, 1)) + target_mean


def scale_translation_align(
    source: np.ndarray, target: np.ndarray, root: int = 0, scale_point: int = 9
) -> np.ndarray:
    """HO-3D's alignment: equal distance from root to ``scale_point``, then equal root.

    Args:
        source: (N, K, 3).
        target: (N, K, 3).
        root: the point that coincides afterwards, exactly.
        scale_point: gives the scale; the middle finger's first joint is 9 in FreiHAND's order, 4 in HO-3D's.

    Returns:
        (N, K, 3) float64. A source of zero length is only moved.
    """
    source, target = _float64(source), _float64(target)
    source_length = np.linalg.norm(source[:, scale_point] - source[:, root], axis=-1)
    target_length = np.linalg.norm(target[:, scale_point] - target[:, root], axis=-1)
    scale = np.divide(target_length, source_length, out=np.ones_like(source_length), where=source_length > 0)
    scaled = source * scale[:, None, None]
    # Subtracting first makes the root's error exactly 0: the official AUC counts it as hit at threshold 0.
    return (scaled - scaled[:, root : root + 1]) + target[:, root : root + 1]


def _float64(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, dtype=np.float64)
