"""The kernels against slow plain PyTorch."""

import pytest
import torch
from meshes import gradients, random_soup

from s2hand.rendering import rasterize
from s2hand.rendering.reference import rasterize_reference, visibility_gradient_reference

SIZE = 20
BACKGROUND = (0.2, 0.5, 0.9)


def relative_error(value, expected):
    return float((value - expected).norm() / expected.norm())


@pytest.fixture(
    params=[(False, False), (True, False), (False, True)], ids=["plain", "antialiased", "both_sides"]
)
def scene(request):
    anti_aliasing, fill_back = request.param
    vertices, faces, colors = random_soup(seed=3)
    colors = colors if fill_back else colors[:, : len(faces)]
    settings = {"background": BACKGROUND, "anti_aliasing": anti_aliasing, "fill_back": fill_back}
    return vertices, faces, colors, settings


def test_pictures(scene):
    vertices, faces, colors, settings = scene
    output = rasterize(vertices, faces, colors, SIZE, **settings)
    expected = rasterize_reference(vertices.double(), faces, colors.double(), SIZE, **settings)
    assert (output.face_index >= 0).float().mean() > 0.05
    torch.testing.assert_close(output.face_index, expected.face_index)
    torch.testing.assert_close(output.rgb.double(), expected.rgb, rtol=0, atol=1e-6)
    torch.testing.assert_close(output.silhouette.double(), expected.silhouette)
    torch.testing.assert_close(output.depth.double(), expected.depth, rtol=1e-5, atol=1e-5)


def test_depth_and_color_gradients_are_autograds(scene):
    vertices, faces, colors, settings = scene
    generator = torch.Generator().manual_seed(1)
    weights = [
        torch.randn(2, 3, SIZE, SIZE, generator=generator),
        torch.randn(2, SIZE, SIZE, generator=generator),
    ]

    def gradient_of(function, precision):
        def depth_loss(v):
            return (function(v, faces, c, SIZE, **settings).depth * weights[1].to(precision)).sum()

        def rgb_loss(c):
            return (function(v, faces, c, SIZE, **settings).rgb * weights[0].to(precision)).sum()

        v, c = vertices.to(precision), colors.to(precision)
        return gradients(depth_loss, v)[0], gradients(rgb_loss, c)[0]

    value = gradient_of(rasterize, torch.float32)
    expected = gradient_of(rasterize_reference, torch.float64)
    assert relative_error(value[0], expected[0]) < 1e-4
    assert relative_error(value[1], expected[1]) < 1e-5


@pytest.mark.parametrize("upstream", ["everywhere", "a few pixels"])
def test_visibility_gradient(scene, upstream):
    vertices, faces, colors, settings = scene
    generator = torch.Generator().manual_seed(2)
    g = torch.randn(2, 4, SIZE, SIZE, generator=generator)
    if upstream == "a few pixels":  # scan lines are bounded by where the upstream gradient is not zero
        g *= torch.rand(2, 1, SIZE, SIZE, generator=generator) < 0.05

    def loss(v):
        output = rasterize(v, faces, colors, SIZE, **settings)
        return (output.rgb * g[:, :3]).sum() + (output.silhouette * g[:, 3]).sum()

    (value,) = gradients(loss, vertices)
    drawn = rasterize(vertices, faces, colors, SIZE, **settings).face_index
    expected = visibility_gradient_reference(
        *(vertices.double(), faces, colors.double(), drawn, g[:, :3].double(), g[:, 3].double()),
        background=BACKGROUND,
        fill_back=settings["fill_back"],
    )
    assert expected.abs().max() > 0
    assert relative_error(value, expected) < 1e-4
