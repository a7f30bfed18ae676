"""What only a GPU can show."""

import pytest
import torch
from meshes import gradients, random_soup

from s2hand.rendering import rasterize

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SIZE = 32


def loss_of(vertices, faces, colors, gradient):
    output = rasterize(vertices, faces, colors, SIZE, fill_back=True, anti_aliasing=True, gradient=gradient)
    ramp = torch.linspace(-1, 1, SIZE, device=vertices.device)
    return (output.rgb * ramp).sum() + (output.silhouette * ramp).sum() + (output.depth * ramp).sum()


@pytest.fixture
def scene():
    return [tensor.cuda() for tensor in random_soup(batch=4, count=200)]


@pytest.mark.parametrize("gradient", ["nmr", "antialias"])
def test_same_as_on_the_cpu_and_on_every_run(scene, gradient):
    vertices, faces, colors = scene
    first, second = (
        gradients(lambda v, c: loss_of(v, faces, c, gradient), vertices, colors) for _ in range(2)
    )
    on_cpu = gradients(lambda v, c: loss_of(v, faces.cpu(), c, gradient), vertices.cpu(), colors.cpu())
    for value, again, expected in zip(first, second, on_cpu, strict=True):
        assert torch.equal(value, again)
        assert (value.cpu() - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.parametrize("gradient", ["nmr", "antialias"])
def test_never_waits_for_the_device(scene, gradient):
    vertices, faces, colors = scene
    vertices.requires_grad_()
    loss_of(vertices, faces, colors, gradient).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss_of(vertices, faces, colors, gradient).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_inside_a_cuda_graph(scene):
    vertices, faces, colors = scene
    vertices.requires_grad_()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        (expected,) = torch.autograd.grad(loss_of(vertices, faces, colors, "nmr"), vertices)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        (value,) = torch.autograd.grad(loss_of(vertices, faces, colors, "nmr"), vertices)
    value.zero_()
    graph.replay()
    assert torch.equal(value, expected)
