import numpy as np
import torch
import trimesh

from s2hand.rendering import MeshRenderer
from s2hand.visualize.draft import draft_clay
from s2hand.visualize.shading import clay, depth_image, lit_texture, seen_surface, shrink, vertex_normals
from s2hand.visualize.views import render_view

SIZE = 64
K = np.array([[200.0, 0, 30], [0, 190, 35], [0, 0, 1]])
CENTRE, RADIUS = np.array([0.01, -0.01, 0.5]), 0.05


def sphere():
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    return mesh.vertices + CENTRE, np.asarray(mesh.faces)


def surface_of(vertices, faces):
    renderer = MeshRenderer(torch.as_tensor(faces), SIZE)
    output = renderer(
        torch.tensor(vertices, dtype=torch.float32)[None],
        torch.tensor(K, dtype=torch.float32)[None],
        torch.ones(1, len(faces), 3),
    )
    return seen_surface(vertices, faces, K, output.face_index[0].numpy(), SIZE), output


def test_depth_and_normals_match_the_sphere():
    vertices, faces = sphere()
    surface, _ = surface_of(vertices, faces)
    rays = surface.rays
    # Nearest solution of |t ray - centre| = radius; the outermost rim, where the facets end, is left out.
    half = rays @ CENTRE
    root = half**2 - CENTRE @ CENTRE + RADIUS**2
    inner = root > 0.2 * RADIUS**2
    points = rays * (half - np.sqrt(np.clip(root, 0, None)))[:, None]
    assert inner.sum() > 1000
    np.testing.assert_allclose(surface.depth[inner], points[inner, 2], atol=2e-4)
    normals = (points - CENTRE) / RADIUS
    cosine = (surface.normals * normals).sum(-1)[inner]
    assert cosine.min() > 0.999


def test_the_side_seen_decides_the_normal_not_the_winding():
    vertices, faces = sphere()
    front, _ = surface_of(vertices, faces)
    back, _ = surface_of(vertices, faces[:, ::-1].copy())
    facing = (front.normals * front.rays).sum(-1)
    assert (facing < 0.2).all()
    np.testing.assert_allclose(back.normals, front.normals, atol=1e-6)


def test_the_covered_pixels_are_the_renderers():
    surface, output = surface_of(*sphere())
    silhouette = shrink(surface.covered.astype(float), SIZE)
    np.testing.assert_allclose(silhouette, output.silhouette[0].numpy(), atol=1e-6)


def test_clay_is_white_outside_and_lit_from_the_upper_left():
    surface, _ = surface_of(*sphere())
    rgb, silhouette = clay(surface, SIZE), shrink(surface.covered.astype(float), SIZE)
    assert (rgb[silhouette == 0] == 1).all()
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    row, column = (int(centre) for centre in (K[1, 1] * -0.02 + 35, K[0, 0] * 0.02 + 30))
    assert rgb[row - 8, column - 8].sum() > rgb[row + 8, column + 8].sum() + 0.3


def test_depth_image_states_its_range_and_is_white_outside():
    surface, _ = surface_of(*sphere())
    rgb, (near, far) = depth_image(surface, SIZE)
    assert abs(near - 0.45) < 1e-3
    assert 0.48 < far < 0.51
    assert (rgb[shrink(surface.covered.astype(float), SIZE) == 0] == 1).all()
    empty = seen_surface(*sphere(), K, np.full((2 * SIZE, 2 * SIZE), -1), SIZE)
    rgb, limits = depth_image(empty, SIZE)
    assert limits is None
    assert (rgb == 1).all()


def test_faces_without_volume_do_no_harm():
    vertices, faces = sphere()
    faces = np.concatenate([faces, [[0, 0, 0]]])
    surface, _ = surface_of(vertices, faces)
    assert np.isfinite(surface.depth).all()
    assert np.isfinite(surface.normals).all()


def test_vertex_normals_of_a_sphere_point_outward():
    vertices, faces = sphere()
    np.testing.assert_allclose(vertex_normals(vertices, faces), (vertices - CENTRE) / RADIUS, atol=0.02)


def test_shrink_averages_blocks():
    values = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(shrink(values, 2), [[2.5, 4.5], [10.5, 12.5]])


def test_a_lit_texture_is_the_renderers_without_its_facets():
    vertices, faces = sphere()
    centres = vertices[faces].mean(1) - CENTRE
    textures = 0.5 + 0.3 * centres / RADIUS
    light = np.array([0.4, 0.5, 1, 0.9, 0.8, 0.8, 0.9, 1, 0.3, 0.9, 0.6])
    renderer = MeshRenderer(torch.as_tensor(faces), SIZE)
    batch = [torch.tensor(values, dtype=torch.float32)[None] for values in (vertices, K, textures, light)]
    output = renderer(*batch)
    surface = seen_surface(vertices, faces, K, output.face_index[0].numpy(), SIZE)
    smooth = lit_texture(surface, faces, np.tanh(textures), light, SIZE)
    expected = output.rgb[0].permute(1, 2, 0).numpy()
    assert np.ptp(expected[32]) > 0.2
    np.testing.assert_allclose(smooth, expected, atol=0.03)
    assert np.abs(smooth - expected).mean() < 0.002


def test_close_ups_are_drawn_as_the_same_shape_from_farther_away():
    vertices, faces = sphere()
    near, far = (
        (torch.tensor(vertices * scale, dtype=torch.float32), torch.as_tensor(faces)) for scale in (0.12, 1.0)
    )
    assert near[0][:, 2].min() < 0.1
    camera = torch.tensor(K, dtype=torch.float32)
    np.testing.assert_allclose(
        draft_clay(*near, camera, SIZE)[1], draft_clay(*far, camera, SIZE)[1], atol=1e-5
    )
    shown = [render_view(*each, camera, SIZE).silhouette for each in (near, far)]
    np.testing.assert_allclose(*shown, atol=1e-5)
