"""The cotangent Laplacian of triangle meshes, one per mesh of a batch, without building a matrix.

    (L x)_i = sum over neighbours j of  (cot a_ij + cot b_ij) / 2 * (x_j - x_i)

a_ij and b_ij are the angles opposite the edge ij in its two triangles (a boundary edge has one). In a face
(v0, v1, v2), corner k is opposite the edge from corner k + 1 to corner k + 2, modulo 3.
"""

import torch
from torch import Tensor

MIN_SINE = 1e-3
"""Corner angles count as at least this far (rad) from 0 and pi, so slivers weigh at most 1000."""


def cotangent_weights(vertices: Tensor, faces: Tensor) -> Tensor:
    """Half the cotangent of every corner angle: what a face adds to the weight of the opposite edge.

    Collapsed triangles stay finite: the sine is taken as at least ``MIN_SINE``, and a corner at a
    zero-length edge weighs 0.

    Args:
        vertices: (B, V, 3), any unit of length.
        faces: (F, 3) int64 vertex numbers.

    Returns:
        (B, F, 3), unitless; ``[..., k]`` belongs to corner k.
    """
    corners = vertices.index_select(1, faces.flatten()).unflatten(1, faces.shape)
    to_next = corners.roll(-1, 2) - corners
    to_previous = corners.roll(-2, 2) - corners
    dot = (to_next * to_previous).sum(-1)
    twice_area = torch.linalg.vector_norm(torch.linalg.cross(to_next, to_previous), dim=-1)
    lengths = torch.linalg.vector_norm(to_next, dim=-1) * torch.linalg.vector_norm(to_previous, dim=-1)
    smallest = (MIN_SINE * lengths).clamp(min=torch.finfo(vertices.dtype).tiny)
    return 0.5 * dot / twice_area.maximum(smallest)


def apply_laplacian(vertices: Tensor, faces: Tensor, weights: Tensor) -> Tensor:
    """L x for given corner weights; linear in ``vertices``.

    Args:
        vertices: (B, V, 3), any unit of length.
        faces: (F, 3) int64 vertex numbers.
        weights: (B, F, 3) or (1, F, 3) from :func:`cotangent_weights`.

    Returns:
        (B, V, 3) in the vertices' unit.
    """
    start, end = faces.roll(-1, 1).flatten(), faces.roll(-2, 1).flatten()
    edges = vertices.index_select(1, end) - vertices.index_select(1, start)
    flow = weights.flatten(1).unsqueeze(-1) * edges
    return torch.zeros_like(vertices).index_add(1, start, flow).index_add(1, end, -flow)


def cotangent_laplacian(vertices: Tensor, faces: Tensor) -> Tensor:
    """L x with every mesh's own weights, which are held constant: no gradient flows through the angles.

    Differs from the published code, which takes the weights of the batch's first mesh for all of them.

    Args:
        vertices: (B, V, 3), any unit of length.
        faces: (F, 3) int64 vertex numbers.

    Returns:
        (B, V, 3) in the vertices' unit; its direction is the surface normal's, its size the mean curvature's.
    """
    return apply_laplacian(vertices, faces, cotangent_weights(vertices.detach(), faces))
