import numpy as np
import torch

from s2hand.geometry.cameras import project_points
from s2hand.visualize.views import (
    VIEW_DISTANCE,
    VIEW_MARGIN,
    VIEW_RADIUS,
    framing_camera,
    render_from,
    render_view,
    turn,
    yaw_rotation,
)


def test_a_framed_hand_fills_the_picture_up_to_its_margin(scene):
    _, prediction, _ = scene
    vertices = prediction.vertices[1]
    pixels = project_points(vertices[None], framing_camera(vertices, 200)[None])[0]
    low, high = pixels.amin(0), pixels.amax(0)
    torch.testing.assert_close(
        (high - low).max(), torch.tensor(200 * (1 - 2 * VIEW_MARGIN)), rtol=1e-4, atol=0
    )
    torch.testing.assert_close((low + high) / 2, torch.full((2,), 100.0), rtol=1e-4, atol=0)


def test_a_turn_is_a_similarity_about_the_hands_centre(scene):
    vertices = scene[1].vertices[1]
    turned = turn(vertices, yaw_rotation(60))
    ratio = torch.pdist(turned[::9]) / torch.pdist(vertices[::9])
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-4, atol=0)
    offset = turned - turned.new_tensor([0, 0, VIEW_DISTANCE])
    torch.testing.assert_close(offset.norm(dim=-1).max(), torch.tensor(VIEW_RADIUS))
    centre = (vertices.amin(0) + vertices.amax(0)) / 2
    back = offset @ yaw_rotation(60) / ratio.mean() + centre
    torch.testing.assert_close(back, vertices, rtol=0, atol=1e-6)


def test_yaw_turns_about_the_vertical_axis():
    torch.testing.assert_close(yaw_rotation(90) @ torch.tensor([0.0, 1, 0]), torch.tensor([0.0, 1, 0]))
    turned = yaw_rotation(90) @ torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(turned, torch.tensor([0.0, 0, -1]), rtol=0, atol=1e-6)


def test_a_view_without_texture_has_clay_only(scene):
    batch, prediction, faces = scene
    view = render_view(prediction.vertices[0], faces, batch.K[0], 64)
    assert view.rgb is None
    assert view.clay().shape == (64, 64, 3)
    textured = render_view(
        prediction.vertices[0], faces, batch.K[0], 64, prediction.face_textures[0], prediction.light[0]
    )
    np.testing.assert_array_equal(textured.silhouette, view.silhouette)
    assert textured.rgb.shape == (64, 64, 3)
    np.testing.assert_array_equal(view.smooth, view.clay())


def test_another_view_shows_the_whole_hand_at_any_scale(scene):
    _, prediction, faces = scene
    for scale in (1e-3, 1.0, 100.0):
        view = render_from(prediction.vertices[0] * scale, faces, 80, 60)
        assert view.silhouette[[0, -1]].sum() == 0
        assert view.silhouette[:, [0, -1]].sum() == 0
        assert np.ptp(np.nonzero(view.silhouette.sum(1))[0]) > 60
