"""Integral regression against its definition, written out."""

import pytest
import torch

from s2hand.models import integral
from s2hand.models.integral import integral_keypoints


def expectation_written_out(heatmaps, size):
    """Upsample, softmax over all pixels, expected column and row."""
    maps = heatmaps.flatten(0, -3)[:, None]
    upsampled = torch.nn.functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=True)
    probabilities = upsampled.flatten(1).softmax(-1).view(-1, size, size)
    index = torch.arange(size, dtype=heatmaps.dtype)
    u = (probabilities.sum(1) * index).sum(-1)
    v = (probabilities.sum(2) * index).sum(-1)
    return torch.stack([u, v], -1).unflatten(0, heatmaps.shape[:-2])


@pytest.mark.parametrize(("source", "target"), [(16, 64), (32, 128), (7, 20)])
@pytest.mark.parametrize("chunk_elements", [1, 3 * 64 * 64, 1 << 30])
def test_equals_the_definition(monkeypatch, source, target, chunk_elements):
    monkeypatch.setitem(integral.CHUNK_ELEMENTS, "cpu", chunk_elements)
    generator = torch.Generator().manual_seed(source)
    heatmaps = 4 * torch.randn(2, 5, source, source, dtype=torch.float64, generator=generator)
    upstream = torch.randn(2, 5, 2, dtype=torch.float64, generator=generator)
    grads, values = [], []
    for function in (integral_keypoints, expectation_written_out):
        leaf = heatmaps.clone().requires_grad_()
        values.append(function(leaf, target))
        grads.append(torch.autograd.grad((values[-1] * upstream).sum(), leaf)[0])
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-10, atol=1e-12)


def test_gradient_equals_finite_differences():
    heatmaps = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda maps: integral_keypoints(maps, 11), heatmaps.requires_grad_())


def test_a_sharp_peak_is_found_where_it_is():
    heatmaps = torch.full((1, 3, 16, 16), -1e4)
    for joint, (row, column) in enumerate([(0, 15), (5, 2), (15, 0)]):
        heatmaps[0, joint, row, column] = 1e4
    scale = 63 / 15
    expected = torch.tensor([[[15.0, 0], [2, 5], [0, 15]]]) * scale
    # The interpolated peak is a tent, whose top need not lie on a pixel: within half a pixel.
    torch.testing.assert_close(integral_keypoints(heatmaps, 64), expected, rtol=0, atol=0.5)


def test_half_precision_maps_are_integrated_in_float32():
    heatmaps = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        keypoints = integral_keypoints(heatmaps.requires_grad_(), 64)
        keypoints.sum().backward()
    assert keypoints.dtype == torch.float32
    assert heatmaps.grad.dtype == torch.bfloat16
    torch.testing.assert_close(keypoints, expectation_written_out(heatmaps.float(), 64), rtol=1e-5, atol=1e-4)


def test_an_empty_batch_and_one_that_is_not_square():
    assert integral_keypoints(torch.zeros(0, 21, 16, 16), 64).shape == (0, 21, 2)
    with pytest.raises(ValueError, match="square"):
        integral_keypoints(torch.zeros(1, 21, 16, 8), 64)
