"""Axis-angle against SciPy, and smoothness at zero."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.geometry.rotations import axis_angle_to_matrix, cross_matrix

ANGLES_RAD = (0.0, 1e-30, 1e-8, 1.99e-4, 2.01e-4, 0.01, 0.5, math.pi - 1e-6, math.pi, 4.0, 2 * math.pi)


def axis_angles(dtype):
    axes = np.random.default_rng(0).normal(size=(8, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    return torch.from_numpy(axes[:, None] * np.array(ANGLES_RAD)[:, None]).to(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_equals_scipy(dtype, tolerance):
    vectors = axis_angles(dtype)
    expected = Rotation.from_rotvec(vectors.double().reshape(-1, 3).numpy()).as_matrix()
    matrices = axis_angle_to_matrix(vectors)
    assert matrices.dtype == dtype
    np.testing.assert_allclose(matrices.reshape(-1, 3, 3).double(), expected, rtol=0, atol=tolerance)


def test_gradients_equal_finite_differences_on_both_sides_of_the_series():
    vectors = axis_angles(torch.float64).reshape(-1, 3)[: 2 * len(ANGLES_RAD)].requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vectors, atol=1e-7)


def test_gradient_at_zero_is_the_generator():
    zero = torch.zeros(3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(axis_angle_to_matrix, zero)
    expected = torch.stack([cross_matrix(axis) for axis in torch.eye(3, dtype=torch.float64)], -1)
    torch.testing.assert_close(jacobian, expected)


def test_second_derivative_at_zero_is_finite():
    zero = torch.zeros(3, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(lambda vector: axis_angle_to_matrix(vector)[0, 0], zero)
    torch.testing.assert_close(hessian, torch.diag(torch.tensor([0.0, -1.0, -1.0], dtype=torch.float64)))


def test_cross_matrix_multiplies_as_the_cross_product():
    first, second = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    product = (cross_matrix(first) @ second.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(product, torch.linalg.cross(first, second))
