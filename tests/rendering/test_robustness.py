"""Whatever comes in, nothing crashes, and what is wrong with one face stays with that face."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import gradients

from s2hand.rendering import rasterize
from s2hand.rendering.reference import rasterize_reference

SIZE = 12
COUNT = 6

coordinates = st.floats(-3, 3, width=32)
wild = st.one_of(
    coordinates,
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-38, 1e9, -1e30, 3e38]),
)
few = settings(max_examples=40, deadline=None, derandomize=True)


def soups(numbers):
    """Triangles (COUNT, 3, 3), z in the second half of the numbers' range moved in front of the camera."""
    return st.lists(numbers, min_size=9 * COUNT, max_size=9 * COUNT).map(
        lambda values: torch.tensor(values, dtype=torch.float32).view(1, 3 * COUNT, 3)
    )


def render(vertices, faces, colors, gradient="nmr", anti_aliasing=False):
    return rasterize(
        vertices, faces, colors, SIZE, fill_back=True, gradient=gradient, anti_aliasing=anti_aliasing
    )


def loss_of(output):
    ramp = torch.linspace(-1, 2, SIZE)
    return (output.rgb * ramp).sum() + (output.silhouette * ramp[:, None]).sum() + (output.depth * ramp).sum()


def colors_of(count):
    return torch.rand(1, 2 * count, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@few
@given(soups(wild), st.sampled_from(["nmr", "antialias"]), st.booleans())
def test_wild_vertices_do_no_harm(vertices, gradient, anti_aliasing):
    """A good face keeps its picture's shape and a finite gradient beside NaN, infinite and misplaced ones."""
    good = torch.tensor([[[-0.7, -0.6, 0.2], [0.8, -0.5, 0.2], [0.1, 0.7, 0.2]]])
    vertices = torch.cat([vertices, good], 1)
    count = vertices.shape[1] // 3
    faces, colors = torch.arange(3 * count).view(count, 3), colors_of(count)
    output = render(vertices, faces, colors, gradient, anti_aliasing)
    assert output.rgb.isfinite().all()
    assert output.depth.isfinite().all()
    assert ((output.face_index >= -1) & (output.face_index < 2 * count)).all()
    pair = gradients(lambda v, c: loss_of(render(v, faces, c, gradient, anti_aliasing)), vertices, colors)
    assert all(gradient.isfinite().all() for gradient in pair)


@pytest.mark.slow
@few
@given(soups(coordinates), soups(wild))
def test_bad_faces_change_nothing_for_the_others(vertices, broken):
    """Faces with a corner that is NaN are as good as absent: pictures and gradients keep their bits."""
    vertices[..., 2] = vertices[..., 2].abs() + 0.2
    broken = broken.view(1, COUNT, 3, 3).clone()
    broken[:, :, 0, 0] = float("nan")
    faces, colors = torch.arange(3 * COUNT).view(COUNT, 3), colors_of(COUNT)
    more_faces = torch.arange(6 * COUNT).view(2 * COUNT, 3)
    extra = torch.rand(1, COUNT, 3)
    more_colors = torch.cat([colors[:, :COUNT], extra, colors[:, COUNT:], extra], 1)
    more = torch.cat([vertices, broken.view(1, -1, 3)], 1)
    assert torch.equal(render(vertices, faces, colors).rgb, render(more, more_faces, more_colors).rgb)
    (expected,) = gradients(lambda v: loss_of(render(v, faces, colors)), vertices)
    (value,) = gradients(lambda v: loss_of(render(v, more_faces, more_colors)), more)
    assert torch.equal(value[:, : 3 * COUNT], expected)
    assert (value[:, 3 * COUNT :] == 0).all()


@few
@given(soups(coordinates))
def test_pictures_are_the_oracles(vertices):
    vertices[..., 2] = vertices[..., 2].abs() + 0.2
    faces, colors = torch.arange(3 * COUNT).view(COUNT, 3), colors_of(COUNT)
    output = render(vertices, faces, colors)
    expected = rasterize_reference(vertices.double(), faces, colors.double(), SIZE, fill_back=True)
    # Centres on an edge, and faces at the same depth, fall to either side in float32.
    different = output.face_index != expected.face_index
    assert different.float().mean() < 0.02
    close = (output.depth.double() - expected.depth).abs() < 1e-3 * expected.depth
    assert (close | different).all()


@few
@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_closed_surface_has_no_cracks(seed, size):
    """A fan of triangles that covers the picture covers every pixel, wherever its centre and rays lie."""
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand(9, generator=generator).sort().values * 6.2832
    # Rays at right angles are among them, so that no face of the fan spans half a turn.
    angles = torch.cat([angles, torch.arange(4) * 1.5708]).sort().values
    rim = 4 * torch.stack([angles.cos(), angles.sin(), torch.full_like(angles, 0.3)], -1)
    centre = torch.cat([torch.rand(2, generator=generator) - 0.5, torch.tensor([1.2])])
    vertices = torch.cat([centre[None], rim])[None]
    corner = torch.arange(len(angles))
    faces = torch.stack([torch.zeros_like(corner), corner + 1, (corner + 1) % len(angles) + 1], -1)
    output = rasterize(vertices, faces, torch.ones(1, len(faces), 3), size)
    assert (output.face_index >= 0).all()


def test_faces_across_the_near_plane_are_cut_there():
    """Pixels nearer than ``near`` stay empty; the rest of the face shows."""
    vertices = torch.tensor([[[-1.0, -1.0, 0.01], [1.0, -1.0, 2.0], [0.0, 1.0, 2.0]]])
    output = rasterize(vertices, torch.tensor([[0, 1, 2]]), torch.ones(1, 1, 3), 32, near=0.1)
    shown = output.depth[output.silhouette > 0]
    assert len(shown) > 0
    assert shown.min() > 0.1
    complete = rasterize(vertices, torch.tensor([[0, 1, 2]]), torch.ones(1, 1, 3), 32, near=0.001)
    assert complete.silhouette.sum() > output.silhouette.sum()


def test_ties_go_to_the_lower_face():
    triangle = torch.tensor([[[-0.9, -0.9, 1.0], [0.9, -0.9, 1.0], [0.0, 0.9, 1.0]]])
    output = rasterize(triangle, torch.tensor([[0, 1, 2], [0, 1, 2]]), torch.ones(1, 2, 3), 8)
    assert set(output.face_index.unique().tolist()) == {-1, 0}
