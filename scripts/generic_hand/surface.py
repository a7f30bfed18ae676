"""Points and normals on triangle meshes."""

from __future__ import annotations

import numpy as np


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals, weighted by the triangles' areas."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def closest_points(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest point of a mesh for each query.

    The candidates are the triangle's three edges and, if the foot of the perpendicular lies inside, its plane;
    the nearest of the four wins.

    Args:
        points: (P, 3).
        vertices: (N, 3).
        faces: (F, 3).

    Returns:
        (P, 3) points, (P,) faces, (P, 3) barycentric coordinates.
    """
    triangles = vertices[faces]
    results = [_closest_on_triangles(point, triangles) for point in points]
    face = np.array([i for i, _ in results])
    barycentric = np.array([w for _, w in results])
    return np.einsum("pk,pkc->pc", barycentric, triangles[face]), face, barycentric


def _closest_on_triangles(point: np.ndarray, triangles: np.ndarray) -> tuple[int, np.ndarray]:
    """The nearest triangle (F, 3, 3) to a point, and the barycentric coordinates there."""
    a, b, c = triangles.transpose(1, 0, 2)
    u, v, w = b - a, c - a, point - a
    uu, uv, vv, wu, wv = ((p * q).sum(1) for p, q in ((u, u), (u, v), (v, v), (w, u), (w, v)))
    determinant = np.maximum(uu * vv - uv * uv, 1e-30)
    s, t = (vv * wu - uv * wv) / determinant, (uu * wv - uv * wu) / determinant
    inside = np.stack([1 - s - t, s, t], 1)
    inside[(inside < 0).any(1)] = np.nan
    candidates = [inside]
    for k in range(3):
        start, end = triangles[:, k], triangles[:, (k + 1) % 3]
        edge = end - start
        along = np.clip(((point - start) * edge).sum(1) / (edge * edge).sum(1), 0, 1)
        weights = np.zeros((len(triangles), 3))
        weights[:, k], weights[:, (k + 1) % 3] = 1 - along, along
        candidates.append(weights)
    weights = np.stack(candidates, 1)
    distance = np.linalg.norm(np.einsum("fmk,fkc->fmc", weights, triangles) - point, axis=-1)
    distance[np.isnan(distance)] = np.inf
    face, kind = np.unravel_index(distance.argmin(), distance.shape)
    return int(face), weights[face, kind]
