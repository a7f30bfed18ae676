"""Lights against slow loops, the camera, and MeshRenderer's promises."""

import numpy as np
import pytest
import torch
from meshes import gradients, octahedron

from s2hand.rendering import MeshRenderer, face_normals, shade, split_light

K = torch.tensor([[[60.0, 0.0, 17.0], [0.0, 55.0, 14.0], [0.0, 0.0, 1.0]]])
LIGHT = torch.tensor([[0.4, 0.7, 0.9, 0.8, 0.7, 1.0, 0.9, 0.8, 0.3, -0.5, 1.7]])
SIZE = 32


def hand_sized(batch=1):
    """A mesh of 10 cm, 40 cm before the camera, and its textures."""
    vertices, faces, colors = octahedron(batch)
    vertices = (vertices - torch.tensor([0.0, 0.0, 2.0])) * 0.1 + torch.tensor([0.0, 0.0, 0.4])
    return vertices, faces, colors[:, : len(faces)]


def slow_light(texture, corners, light, sign):
    """One face's lit colour, number by number."""
    v0, v1, v2 = corners
    normal = sign * np.cross(v0 - v1, v2 - v1)
    normal = normal / np.sqrt((normal**2).sum())
    cosine = max(0.0, float((normal * light[8:11]).sum()))
    return [texture[c] * (light[0] * light[2 + c] + light[1] * light[5 + c] * cosine) for c in range(3)]


def test_light_on_both_sides():
    vertices, faces, colors = hand_sized()
    light = LIGHT.double()
    normals = face_normals(vertices.double(), faces)
    for sign in (1, -1):
        lit = shade(colors.double(), sign * normals, light)[0]
        for f, face in enumerate(faces.tolist()):
            corners = vertices[0, face].double().numpy()
            expected = slow_light(colors[0, f].double().numpy(), corners, light[0].numpy(), sign)
            np.testing.assert_allclose(lit[f], expected, rtol=1e-9)


def test_light_parts():
    parts = split_light(torch.arange(11.0)[None])
    assert [part.tolist()[0] for part in parts] == [[0], [1], [2, 3, 4], [5, 6, 7], [8, 9, 10]]
    with pytest.raises(ValueError, match=r"expected \(B, 11\), got \(2, 9\)"):
        split_light(torch.zeros(2, 9))


def test_small_faces_have_unit_normals():
    """A triangle of 0.1 mm is lit like any other."""
    vertices = torch.tensor([[[0.0, 0, 0.5], [1e-4, 0, 0.5], [0, 1e-4, 0.5]]])
    normal = face_normals(vertices, torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(normal, torch.tensor([[[0.0, 0.0, -1.0]]]))


def test_normals_of_broken_faces_are_zero_and_pass_nothing():
    vertices = torch.tensor([[[0.0, 0, 1], [1, 0, 1], [0, 1, 1], [float("nan"), 0, 1], [1, 0, 1]]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [1, 4, 2]])
    assert face_normals(vertices, faces)[0, 1:].abs().max() == 0
    (gradient,) = gradients(
        lambda v: face_normals(v, faces).square().sum() + face_normals(v, faces).sum(), vertices
    )
    assert gradient.isfinite().all()


def test_a_point_lands_where_the_camera_sees_it():
    """A small quad about a 3D point covers the pixel fx x / z + cx, fy y / z + cy, and holds its depth."""
    centre = torch.tensor([0.02, -0.03, 0.5])
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.008 + centre
    renderer = MeshRenderer(
        torch.tensor([[0, 1, 2], [0, 2, 3]]), SIZE, anti_aliasing=False, background=(0, 0, 0)
    )
    output = renderer(corners[None], K, torch.ones(1, 2, 3))
    covered = output.silhouette[0].nonzero().double()
    row, column = covered.mean(0) + 0.5
    assert abs(column - (60 * 0.02 / 0.5 + 17)) < 0.51
    assert abs(row - (55 * -0.03 / 0.5 + 14)) < 0.51
    torch.testing.assert_close(output.depth[output.silhouette > 0], torch.full((len(covered),), 0.5))


def test_pictures_are_textures_through_tanh_times_light():
    vertices, faces, colors = hand_sized()
    renderer = MeshRenderer(faces, SIZE, anti_aliasing=False)
    output = renderer(vertices, K, 3 * colors, LIGHT)
    normals = face_normals(vertices, faces)
    sides = [shade((3 * colors).tanh(), sign * normals, LIGHT) for sign in (1, -1)]
    palette = torch.cat([torch.ones(1, 1, 3), *sides], 1)  # the background is white
    expected = palette[0, output.face_index[0].long() + 1].permute(2, 0, 1)
    torch.testing.assert_close(output.rgb[0], expected)


def test_s2hand_settings():
    vertices, faces, colors = hand_sized(2)
    renderer = MeshRenderer.for_s2hand(faces)
    assert renderer.image_size == 224
    output = renderer(
        vertices, K.repeat(2, 1, 1) * torch.tensor([7.0, 7, 1])[:, None], colors, LIGHT.repeat(2, 1)
    )
    empty = output.silhouette == 0
    assert output.face_index.shape[-1] == 448
    assert (output.rgb.permute(0, 2, 3, 1)[empty] == 1).all()
    assert (output.depth[empty] == 0).all()
    full = output.silhouette == 1
    assert 0.3 < output.depth[full].min() < output.depth[full].max() < 0.5


def test_everything_gets_a_gradient():
    vertices, faces, colors = hand_sized()
    renderer = MeshRenderer.for_s2hand(faces, SIZE)

    def loss(v, camera, textures, light):
        output = renderer(v, camera, textures, light)
        ramp = torch.linspace(0, 1, SIZE)
        return (output.rgb * ramp).sum() + output.depth.sum() + (output.silhouette * ramp).sum()

    for gradient in gradients(loss, vertices, K, colors, LIGHT):
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_points_behind_or_in_the_cameras_plane_do_not_poison_gradients():
    vertices, faces, colors = hand_sized()
    vertices[0, 0] = torch.tensor([float("nan"), 0, 1])
    vertices[0, 1, 2] = 0.0
    vertices[0, 2, 2] = -0.3
    renderer = MeshRenderer.for_s2hand(faces, SIZE)
    for gradient in gradients(
        lambda v, c: renderer(v, K, c, LIGHT).rgb.sum() + renderer(v, K, c, LIGHT).depth.sum(),
        vertices,
        colors,
    ):
        assert gradient.isfinite().all()


def test_autocast_does_not_blur_the_projection():
    vertices, faces, colors = hand_sized()
    renderer = MeshRenderer.for_s2hand(faces, SIZE)
    expected = renderer(vertices, K, colors, LIGHT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = renderer(vertices, K, colors, LIGHT)
    assert torch.equal(output.face_index, expected.face_index)
    assert torch.equal(output.rgb, expected.rgb)


def test_nothing_is_kept_between_calls():
    vertices, faces, colors = hand_sized()
    renderer = MeshRenderer.for_s2hand(faces, SIZE)
    before = {**renderer.__dict__}
    first = renderer(vertices, K, colors, LIGHT)
    renderer(vertices + 0.01, K, colors, 2 * LIGHT)
    assert torch.equal(renderer(vertices, K, colors, LIGHT).rgb, first.rgb)
    assert renderer.__dict__ == before
    assert renderer.state_dict() == {}


def test_refuses_faces_that_are_none():
    with pytest.raises(ValueError, match=r"faces: expected \(F, 3\)"):
        MeshRenderer(torch.zeros(4, 4).int(), SIZE)
    with pytest.raises(ValueError, match="vertex numbers"):
        MeshRenderer(torch.tensor([[0, 1, -2]]), SIZE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vertices": torch.zeros(6, 3)}, r"vertices: expected \(B, V, 3\), got \(6, 3\)"),
        ({"K": K[0]}, r"K: expected \(2, 3, 3\) or \(1, 3, 3\), got \(3, 3\)"),
        ({"K": K.repeat(3, 1, 1)}, "K: expected"),
        ({"face_textures": torch.zeros(2, 9, 3)}, r"face_textures: expected \(2, 8, 3\) or"),
        ({"light": LIGHT[0]}, r"light: expected \(B, 11\), got \(11,\)"),
    ],
)
def test_refuses_shapes_that_do_not_fit(changes, message):
    vertices, faces, colors = hand_sized(2)
    arguments = {"vertices": vertices, "K": K, "face_textures": colors, "light": LIGHT}
    with pytest.raises(ValueError, match=message):
        MeshRenderer(faces, SIZE)(**{**arguments, **changes})


@pytest.mark.parametrize("light", [None, LIGHT])
def test_camera_textures_and_light_may_be_shared(light):
    vertices, faces, colors = hand_sized(2)
    renderer = MeshRenderer(faces, SIZE)
    shared = renderer(vertices, K, colors[:1], light)
    twice = None if light is None else light.repeat(2, 1)
    expected = renderer(vertices, K.repeat(2, 1, 1), colors[:1].repeat(2, 1, 1), twice)
    assert torch.equal(shared.rgb, expected.rgb)
