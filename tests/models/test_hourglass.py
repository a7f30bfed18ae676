"""The 2D branch: sizes, padding and what keypoints refer to."""

import pytest
import torch

from s2hand.models import KeypointNet, StackedHourglass, integral_keypoints
from s2hand.models.hourglass import Residual


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return KeypointNet(
        StackedHourglass(num_stacks=2, depth=2, num_modules=1, features=16), input_size=64
    ).eval()


@torch.no_grad()
def test_shapes_and_keypoints(small):
    found = small(torch.rand(3, 3, 64, 64))
    assert [maps.shape for maps in found.heatmaps] == [(3, 21, 16, 16)] * 2
    assert found.encoding.shape == (3, 16, 16, 16)
    assert found.keypoints.shape == (2, 3, 21, 2)
    for stage in range(2):
        torch.testing.assert_close(found.keypoints[stage], integral_keypoints(found.heatmaps[stage], 64))


@torch.no_grad()
def test_a_smaller_image_is_padded_with_black_on_the_right_and_bottom(small):
    image = torch.rand(1, 3, 50, 50)
    canvas = torch.zeros(1, 3, 64, 64)
    canvas[..., :50, :50] = image
    torch.testing.assert_close(small(image).keypoints, small(canvas).keypoints)


@torch.no_grad()
def test_the_second_stage_sees_the_first(small):
    image = torch.rand(1, 3, 64, 64)
    before = small(image)
    bias = small.hourglass.stacks[0].heatmap.bias
    bias += 1
    after = small(image)
    bias -= 1
    torch.testing.assert_close(after.heatmaps[0], before.heatmaps[0] + 1)
    assert (after.heatmaps[1] - before.heatmaps[1]).abs().max() > 1e-3


@torch.no_grad()
def test_channels_last_gives_the_same(small):
    image = torch.rand(2, 3, 64, 64)
    expected = small(image)
    small.to(memory_format=torch.channels_last)
    found = small(image.to(memory_format=torch.channels_last))
    small.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(found.keypoints, expected.keypoints, rtol=1e-4, atol=1e-3)


def test_every_weight_learns(small):
    model = KeypointNet(StackedHourglass(2, 2, 1, 16), 64)
    model(torch.rand(2, 3, 64, 64)).keypoints.square().sum().backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []
    assert model.hourglass.stem.conv.weight.grad.abs().max() > 0


def test_residual_is_preactivated_and_keeps_its_input():
    residual = Residual(8, 8).eval()
    torch.nn.init.zeros_(residual.conv3.weight)
    torch.nn.init.zeros_(residual.conv3.bias)
    x = torch.randn(1, 8, 5, 5)
    original = x.clone()
    assert torch.equal(residual(x), original)
    assert torch.equal(x, original)


def test_impossible_sizes_are_explained(small):
    with pytest.raises(ValueError, match="multiple of 8"):
        StackedHourglass(features=100)
    with pytest.raises(ValueError, match="multiple of 64 px"):
        KeypointNet(StackedHourglass(1, 4, 1, 8), input_size=224)
    with pytest.raises(ValueError, match="image of 80 x 80 px does not fit the hourglass input of 64 px"):
        small(torch.rand(1, 3, 80, 80))
