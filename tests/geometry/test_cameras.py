"""Projection against OpenCV, and the agreement of pixels and NDC."""

import cv2
import numpy as np
import torch

from s2hand.geometry.cameras import MIN_DEPTH, camera_to_ndc, project_points

SIZE = 224


def scene():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, 30, 3, generator=generator, dtype=torch.float64) - 0.5
    points[..., 2] += 1.5
    K = torch.tensor([[480.0, 0, 112], [0, 470, 108], [0, 0, 1]], dtype=torch.float64)
    return points, torch.stack([K, K * torch.tensor([[0.9], [1.1], [1.0]], dtype=torch.float64)])


def test_projection_equals_opencv():
    points, K = scene()
    for sample in range(2):
        expected, _ = cv2.projectPoints(
            points[sample].numpy(), np.zeros(3), np.zeros(3), K[sample].numpy(), None
        )
        np.testing.assert_allclose(project_points(points, K)[sample], expected[:, 0], rtol=1e-12)


def test_projection_of_points_at_and_behind_the_camera_is_finite():
    points = torch.tensor([[[0.1, 0.1, 0.0], [0.1, 0.1, -1.0], [0.1, 0.1, MIN_DEPTH / 2]]]).requires_grad_()
    pixels = project_points(points, torch.eye(3)[None])
    pixels.sum().backward()
    assert pixels.isfinite().all()
    assert points.grad.isfinite().all()


def test_ndc_spans_the_image_with_y_up():
    K = torch.tensor([[[100.0, 0, 0], [0, 100, 0], [0, 0, 1]]])
    pixels = torch.tensor([[0.0, 0.0], [SIZE, 0.0], [SIZE / 2, SIZE / 2], [0.0, SIZE]])
    depth = torch.tensor([1.0, 2.0, 3.0, 4.0])
    points = torch.cat([pixels / 100 * depth[:, None], depth[:, None]], -1)
    ndc = camera_to_ndc(points[None], K, SIZE)[0]
    expected = torch.tensor([[-1.0, 1, 1], [1, 1, 2], [0, 0, 3], [-1, -1, 4]])
    torch.testing.assert_close(ndc, expected)


def test_ndc_agrees_with_pixels():
    points, K = scene()
    ndc, pixels = camera_to_ndc(points, K, SIZE), project_points(points, K)
    torch.testing.assert_close((ndc[..., 0] + 1) * SIZE / 2, pixels[..., 0])
    torch.testing.assert_close((1 - ndc[..., 1]) * SIZE / 2, pixels[..., 1])
    torch.testing.assert_close(ndc[..., 2], points[..., 2])
