"""The logarithm undoes the exponential, also where formulas by the trace break down."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.geometry.rotation_logarithm import matrix_to_axis_angle, matrix_to_quaternion
from s2hand.geometry.rotations import axis_angle_to_matrix


def directions():
    random = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(50, 3, generator=random, dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.5, 2.0, 3.1, math.pi - 1e-6])
def test_inverts_the_exponential(angle):
    axis_angle = angle * directions()
    torch.testing.assert_close(
        matrix_to_axis_angle(axis_angle_to_matrix(axis_angle)), axis_angle, rtol=1e-7, atol=1e-9
    )


def test_a_half_turn_gives_the_same_matrix_again():
    matrix = axis_angle_to_matrix(math.pi * directions())
    torch.testing.assert_close(axis_angle_to_matrix(matrix_to_axis_angle(matrix)), matrix)


def test_quaternions_are_scipys():
    matrix = axis_angle_to_matrix(2.5 * directions())
    ours = matrix_to_quaternion(matrix)
    theirs = torch.from_numpy(Rotation.from_matrix(matrix.numpy()).as_quat(scalar_first=True))
    torch.testing.assert_close((ours * theirs).sum(-1).abs(), torch.ones(50, dtype=torch.float64))
