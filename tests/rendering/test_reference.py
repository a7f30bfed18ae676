"""The kernels against slow plain PyTorch."""

import math

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


def published_gradient(corners, size, eps=1e-3):
    """The published loops for the sum of one white face's silhouette: (3, 2), x and y up, of its corners.

    Written out from the formulas of Kato et al. 2018's code, without a thought of how the kernels do it.
    ``corners`` run counter-clockwise, in pixels (column, row from the bottom).
    """
    edges = [(corners[k], corners[(k + 1) % 3]) for k in range(3)]

    def covers(x, y):
        return all((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0 for a, b in edges)

    shown = [[covers(x, y) for y in range(size)] for x in range(size)]  # by column, then row
    gradient = [[0.0, 0.0] for _ in range(3)]
    for k in range(3):
        for axis in (0, 1):
            (a0, a1), (b0, b1), (c0, c1) = (
                (corners[j][axis], corners[j][1 - axis]) for j in (k, (k + 1) % 3, (k + 2) % 3)
            )
            if a0 == b0:
                continue
            seen = shown if axis == 0 else [list(row) for row in zip(*shown, strict=True)]
            outward = (-1 if a0 < b0 else 1) * (1 if axis == 0 else -1)
            for d0 in range(max(math.ceil(min(a0, b0)), 0), int(min(max(a0, b0), size - 1)) + 1):
                cross = a1 + (b1 - a1) / (b0 - a0) * (d0 - a0)
                inner = math.floor(cross) if outward > 0 else math.ceil(cross)
                outer = inner + outward
                if not (0 <= inner < size and 0 <= outer < size):
                    continue
                on_ac = (d0 - a0) * (d0 - c0) < 0
                x, y = (a0, a1) if on_ac else (b0, b1)
                cross2 = y + (c1 - y) / (c0 - x) * (d0 - x)
                limit = math.ceil(cross2) if outward > 0 else math.floor(cross2)
                gains = []
                if seen[d0][inner]:
                    for d1 in range(outer, size if outward > 0 else -1, outward):
                        gains.append((d1, seen[d0][d1] - seen[d0][inner]))
                for d1 in range(max(min(limit, inner), 0), min(max(limit, inner), size - 1) + 1):
                    if seen[d0][d1]:
                        gains.append((d1, seen[d0][d1] - seen[d0][outer]))
                for d1, gain in gains:
                    for corner, far in ((k, b0 - d0), ((k + 1) % 3, d0 - a0)):
                        if gain > 0 and far != 0:
                            distance = (b0 - a0) / far * (d1 - cross) * 2 / size
                            gradient[corner][1 - axis] -= gain / (distance + (eps if distance > 0 else -eps))
    return torch.tensor(gradient)


@pytest.mark.parametrize(
    "corners",
    [
        [
            (-1.75, 21.0),
            (-0.25, 4.0),
            (14.0, -3.0),
        ],  # an edge that ends in (-1, 0) counts on line 0
        [(-1.75, 21.0), (-1.25, 4.0), (14.0, -3.0)],
        [(3.3, -0.5), (12.1, -0.4), (5.2, 18.7)],
        [(3.3, -0.5), (12.1, 6.4), (-0.3, 18.2)],
        [(4.3, 3.1), (20.2, 8.4), (7.1, 25.6)],
        [(25.3, 31.4), (20.2, 8.4), (31.7, 12.6)],
        [(31.2, 3.1), (31.6, 20.3), (12.4, 31.8)],
    ],
)
def test_edges_at_the_border_are_scanned_as_published(corners):
    size = 32
    ndc = [[(2 * x + 1 - size) / size, (2 * y + 1 - size) / size, 1.0] for x, y in corners]
    vertices, faces = torch.tensor([ndc]), torch.tensor([[0, 1, 2]])

    def coverage(v):
        return rasterize(v, faces, torch.ones(1, 1, 3), size).silhouette.sum()

    (value,) = gradients(coverage, vertices)
    expected = published_gradient(corners, size)
    assert expected.abs().max() > 10
    torch.testing.assert_close(value[0, :, :2], expected, rtol=1e-3, atol=1e-3)
    drawn = rasterize(vertices, faces, torch.ones(1, 1, 3), size).face_index
    upstream = torch.zeros(1, 3, size, size).double(), torch.ones(1, size, size).double()
    slow = visibility_gradient_reference(
        vertices.double(), faces, torch.ones(1, 1, 3).double(), drawn, *upstream
    )
    torch.testing.assert_close(slow[0, :, :2].float(), expected, rtol=1e-3, atol=1e-3)
