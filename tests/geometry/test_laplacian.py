"""The cotangent Laplacian against a slow dense one and against what is known of surfaces."""

import math

import numpy as np
import pytest
import torch

from s2hand.geometry.laplacian import apply_laplacian, cotangent_laplacian, cotangent_weights


def grid_mesh(side: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A bumpy square of side^2 vertices, float64, with a boundary."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    vertices = torch.stack([row, column, torch.zeros_like(row)], -1).reshape(-1, 3).double()
    vertices = vertices + 0.08 * torch.randn(vertices.shape, generator=generator, dtype=torch.float64)
    corner = (row * side + column)[:-1, :-1].reshape(-1)
    lower = torch.stack([corner, corner + 1, corner + side], -1)
    upper = torch.stack([corner + 1, corner + side + 1, corner + side], -1)
    return vertices, torch.cat([lower, upper])


def dense_laplacian(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Edge by edge, angles by arccos."""
    matrix = np.zeros((len(vertices), len(vertices)))
    for face in faces:
        for corner in range(3):
            tip, a, b = face[corner], face[corner - 2], face[corner - 1]
            to_a, to_b = vertices[a] - vertices[tip], vertices[b] - vertices[tip]
            angle = math.acos(to_a @ to_b / (np.linalg.norm(to_a) * np.linalg.norm(to_b)))
            weight = 0.5 / math.tan(angle)
            matrix[a, b] += weight
            matrix[b, a] += weight
            matrix[a, a] -= weight
            matrix[b, b] -= weight
    return matrix


def test_equals_the_dense_matrix_for_each_mesh_of_a_batch():
    generator = torch.Generator().manual_seed(0)
    first, faces = grid_mesh(5, generator)
    second, _ = grid_mesh(5, generator)
    batch = torch.stack([first, second])
    expected = [dense_laplacian(mesh.numpy(), faces.numpy()) @ mesh.numpy() for mesh in batch]
    torch.testing.assert_close(cotangent_laplacian(batch, faces), torch.from_numpy(np.stack(expected)))


def test_vanishes_inside_a_plane():
    vertices, faces = grid_mesh(6, torch.Generator().manual_seed(1))
    vertices[:, 2] = 0
    smoothed = cotangent_laplacian(vertices[None], faces)[0].reshape(6, 6, 3)
    assert smoothed[1:-1, 1:-1].abs().max() < 1e-12
    assert smoothed[0].norm(dim=-1).min() > 0.1  # a boundary is not balanced


def test_keeps_direction_and_size_under_rotation_and_scale():
    vertices, faces = grid_mesh(4, torch.Generator().manual_seed(2))
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    moved = cotangent_laplacian(3 * vertices[None] @ rotation.T + 5, faces)
    torch.testing.assert_close(moved, 3 * cotangent_laplacian(vertices[None], faces) @ rotation.T)


def test_gradient_holds_the_weights_constant():
    vertices, faces = grid_mesh(4, torch.Generator().manual_seed(3))
    vertices = vertices[None].requires_grad_()
    upstream = torch.randn(vertices.shape, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((cotangent_laplacian(vertices, faces) * upstream).sum(), vertices)
    matrix = dense_laplacian(vertices[0].detach().numpy(), faces.numpy())
    torch.testing.assert_close(gradient[0], torch.from_numpy(matrix.T @ upstream[0].numpy()))


def test_weights_of_one_mesh_serve_a_batch():
    vertices, faces = grid_mesh(4, torch.Generator().manual_seed(4))
    weights = cotangent_weights(vertices[None], faces)
    both = apply_laplacian(torch.stack([vertices, 2 * vertices]), faces, weights)
    torch.testing.assert_close(both[1], 2 * both[0])


@pytest.mark.parametrize(
    "triangle",
    [
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [1, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
        [[0, 0, 0], [1, 0, 0], [0.5, 1e-30, 0]],
        [[1e-20, 0, 0], [0, 1e-20, 0], [0, 0, 1e-20]],
    ],
    ids=["point", "double vertex", "needle", "sliver", "tiny"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_collapsed_triangles_stay_finite(triangle, dtype):
    vertices = torch.tensor([triangle], dtype=dtype).requires_grad_()
    faces = torch.tensor([[0, 1, 2]])
    weights = cotangent_weights(vertices, faces)
    assert weights.abs().max() <= 500.001  # half of 1 / MIN_SINE
    loss = cotangent_laplacian(vertices, faces).norm(dim=-1).sum()
    (gradient,) = torch.autograd.grad(loss, vertices)
    assert loss.isfinite()
    assert gradient.isfinite().all()
