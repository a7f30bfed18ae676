"""Triangle meshes: normals, nearest points, neighbours, subdivision."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

CANDIDATE_FACES = 40
"""The nearest point is sought on the triangles with the nearest centroids."""

PHONG_SHAPE = 0.75
"""How far subdivision bulges towards the vertices' tangent planes (Boubekeur and Alexa 2008)."""


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals, weighted by the triangles' areas."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def directed_edges(faces: np.ndarray) -> np.ndarray:
    """(3 F, 2) every triangle's edges, in its sense of rotation."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def neighbour_mean(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The mean over each vertex's neighbours of ``values`` (N, C)."""
    edges = np.unique(np.sort(directed_edges(faces), 1), axis=0)
    edges = np.concatenate([edges, edges[:, ::-1]])
    total, count = np.zeros_like(values), np.zeros(len(values))
    np.add.at(total, edges[:, 0], values[edges[:, 1]])
    np.add.at(count, edges[:, 0], 1)
    return total / np.maximum(count, 1)[:, None]


def subdivide(
    vertices: np.ndarray, faces: np.ndarray, attributes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits each triangle in four; new vertices bulge towards the tangent planes of the edge's ends.

    Args:
        vertices: (N, 3).
        faces: (F, 3).
        attributes: (N, C), averaged along edges.

    Returns:
        Vertices, faces (4 F, 3) and attributes; the old vertices come first, unmoved.
    """
    normals = vertex_normals(vertices, faces)
    edges, edge_of = np.unique(np.sort(directed_edges(faces), 1), axis=0, return_inverse=True)
    middle = vertices[edges].mean(1)
    height = ((vertices[edges] - middle[:, None]) * normals[edges]).sum(-1, keepdims=True)
    middle = middle + PHONG_SHAPE * (height * normals[edges]).mean(1)
    ab, bc, ca = len(vertices) + edge_of.reshape(3, -1)
    a, b, c = faces.T
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    split = np.concatenate([np.stack(corner, 1) for corner in corners])
    return (
        np.concatenate([vertices, middle]),
        split,
        np.concatenate([attributes, attributes[edges].mean(1)]),
    )


def closest_points(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest point of a mesh for each query.

    A triangle's nearest point is the foot of the perpendicular if that lies inside, else on one of its edges.

    Args:
        points: (P, 3).
        vertices: (N, 3).
        faces: (F, 3), triangles of similar size.

    Returns:
        (P, 3) points, (P,) faces, (P, 3) barycentric coordinates.
    """
    triangles = vertices[faces]
    _, candidates = cKDTree(triangles.mean(1)).query(points, min(CANDIDATE_FACES, len(faces)))
    barycentric = np.stack(_barycentric_candidates(points[:, None], triangles[candidates]), 2)
    feet = np.einsum("pfmk,pfkc->pfmc", barycentric, triangles[candidates])
    distance = np.linalg.norm(feet - points[:, None, None], axis=-1)
    distance[np.isnan(distance)] = np.inf
    best = distance.reshape(len(points), -1).argmin(1)
    candidate, kind = np.divmod(best, barycentric.shape[2])
    row = np.arange(len(points))
    return feet[row, candidate, kind], candidates[row, candidate], barycentric[row, candidate, kind]


def _barycentric_candidates(points: np.ndarray, triangles: np.ndarray) -> list[np.ndarray]:
    """Barycentric coordinates (..., 3) of the perpendicular's foot (NaN if outside) and of edge points."""
    a, b, c = np.moveaxis(triangles, -2, 0)
    u, v, w = b - a, c - a, points - a
    uu, uv, vv, wu, wv = ((p * q).sum(-1) for p, q in ((u, u), (u, v), (v, v), (w, u), (w, v)))
    determinant = np.maximum(uu * vv - uv * uv, 1e-30)
    s, t = (vv * wu - uv * wv) / determinant, (uu * wv - uv * wu) / determinant
    foot = np.stack([1 - s - t, s, t], -1)
    foot[(foot < 0).any(-1)] = np.nan
    candidates = [foot]
    for k, (start, end) in enumerate(((a, b), (b, c), (c, a))):
        edge = end - start
        along = np.clip(((points - start) * edge).sum(-1) / (edge * edge).sum(-1), 0, 1)
        weights = np.zeros_like(foot)
        weights[..., k], weights[..., (k + 1) % 3] = 1 - along, along
        candidates.append(weights)
    return candidates
