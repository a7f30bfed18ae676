"""The antialias gradient against finite differences of the picture."""

import pytest
import torch
from meshes import gradients, octahedron

from s2hand.rendering import rasterize

SIZE = 32
STEP = 4e-5


def errors_along_random_directions(loss, vertices, count=24):
    """Relative errors of directional derivatives; one vertex moves on screen at a time."""
    (gradient,) = gradients(loss, vertices)
    generator = torch.Generator().manual_seed(7)
    errors = []
    for _ in range(count):
        direction = torch.zeros_like(vertices)
        vertex = int(torch.randint(vertices.shape[1], (1,), generator=generator))
        direction[:, vertex, :2] = torch.randn(2, generator=generator)
        forward, backward = loss(vertices + STEP * direction), loss(vertices - STEP * direction)
        expected = float(forward - backward) / (2 * STEP)
        if abs(expected) > 1e-2:
            errors.append(abs(float((gradient * direction).sum()) - expected) / abs(expected))
    assert len(errors) >= count // 3
    return torch.tensor(errors)


@pytest.mark.slow
@pytest.mark.parametrize("anti_aliasing", [False, True])
@pytest.mark.parametrize("output", ["rgb", "silhouette"])
def test_gradient_is_the_pictures_derivative(output, anti_aliasing):
    vertices, faces, colors = octahedron(seed=1)
    weights = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(2)).double()

    def loss(v):
        picture = rasterize(
            v, faces, colors, SIZE, fill_back=True, gradient="antialias", anti_aliasing=anti_aliasing
        )
        return (getattr(picture, output).double() * (weights if output == "rgb" else weights[0])).sum()

    errors = errors_along_random_directions(loss, vertices)
    # A step over one of the picture's few jumps (two edges crossing about a pixel) spoils a difference.
    assert errors.median() < 1e-3
    assert errors.quantile(0.75) < 2e-2


def test_coverage_is_the_area():
    """The blended silhouette of a shape with long edges sums to its area, where the hard one does not."""
    corners = torch.tensor([[[-0.71, -0.63, 1.0], [0.77, -0.41, 1.0], [0.13, 0.69, 1.0]]])
    faces, colors = torch.tensor([[0, 1, 2]]), torch.ones(1, 1, 3)
    (a, b, c) = corners[0, :, :2]
    area = 0.5 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) * (SIZE / 2) ** 2
    blended = rasterize(corners, faces, colors, SIZE, gradient="antialias").silhouette.sum()
    assert abs(blended - area) < 0.01 * area


def test_area_gradient_is_analytic():
    size = 200
    corners = torch.tensor([[[-0.71, -0.63, 1.0], [0.77, -0.41, 1.0], [0.13, 0.69, 1.0]]])
    faces, colors = torch.tensor([[0, 1, 2]]), torch.ones(1, 1, 3)

    def area_of(v):
        (a, b, c) = v[0, :, :2]
        return 0.5 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) * (size / 2) ** 2

    def coverage_of(v):
        return rasterize(v, faces, colors, size, gradient="antialias").silhouette.sum()

    (value,), (expected,) = gradients(coverage_of, corners), gradients(area_of, corners)
    assert (value - expected).norm() < 0.02 * expected.norm()


def test_color_gradient_is_exact():
    vertices, faces, colors = octahedron(seed=4)
    weights = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))

    def loss(c):
        return (rasterize(vertices, faces, c, SIZE, fill_back=True, gradient="antialias").rgb * weights).sum()

    (gradient,) = gradients(loss, colors)
    change = torch.randn(colors.shape, generator=torch.Generator().manual_seed(6))
    # The picture is linear in the colours: any step gives the derivative.
    torch.testing.assert_close(
        loss(colors + change) - loss(colors), (gradient * change).sum(), rtol=1e-4, atol=1e-3
    )


def test_only_blended_pixels_differ_from_the_hard_picture():
    vertices, faces, colors = octahedron(seed=1)
    hard = rasterize(vertices, faces, colors, SIZE, fill_back=True)
    soft = rasterize(vertices, faces, colors, SIZE, fill_back=True, gradient="antialias")
    assert torch.equal(hard.face_index, soft.face_index)
    assert torch.equal(hard.depth, soft.depth)
    index = torch.nn.functional.pad(hard.face_index, (1, 1, 1, 1), value=-2)
    middle = index[:, 1:-1, 1:-1]
    around = (index[:, :-2, 1:-1], index[:, 2:, 1:-1], index[:, 1:-1, :-2], index[:, 1:-1, 2:])
    uniform = torch.stack([(n == middle) | (n == -2) for n in around]).all(0)
    assert torch.equal(hard.silhouette[uniform], soft.silhouette[uniform])
    assert not torch.equal(hard.silhouette, soft.silhouette)
