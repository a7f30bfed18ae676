import numpy as np
import pytest
import torch

from s2hand.fitting.photo_texture import appearance_from_photo, fill_unseen, fit_light
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.rendering import MeshRenderer
from s2hand.rendering.lighting import face_normals, shade

SIZE = 256


@pytest.fixture(scope="module")
def hand():
    """Vertices (V, 3) in front of a camera, faces and the camera matrix."""
    model = load_hand_model("generic")
    flat = ManoLayer(model)(torch.zeros(1, 30), torch.zeros(1, 10), torch.zeros(1, 3)).vertices[0]
    vertices = flat - flat.mean(0) + flat.new_tensor([0, 0, 0.6])
    K = torch.tensor([[600.0, 0, SIZE / 2], [0, 600.0, SIZE / 2], [0, 0, 1]])
    return vertices.float(), torch.from_numpy(model.faces).long(), K


def photo_of(hand, textures, light, background=(0.1, 0.6, 0.2)):
    vertices, faces, K = hand
    renderer = MeshRenderer(faces, SIZE, background=background)
    rgb = renderer(vertices[None], K[None], textures[None], light[None]).rgb[0]
    return (rgb.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()


def test_a_rendered_hand_gets_its_own_colours_back(hand):
    faces = hand[1]
    light = torch.tensor([0.5, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.4, 0.866])
    skin = torch.tensor([0.75, 0.55, 0.45]).atanh().expand(len(faces), 3)
    found = appearance_from_photo(photo_of(hand, skin, light), hand[0], faces, hand[2])
    normals = face_normals(hand[0][None], faces)
    expected = shade(skin.tanh()[None], normals, light[None])[0]
    shown = shade(found.face_textures.tanh()[None], normals, found.light[None])[0]
    front = normals[0, :, 2] > 0.3
    assert (shown - expected).abs()[front].median() < 0.02
    # Where the camera does not look, the albedo is that of the seen side.
    ratio = found.face_textures.tanh()[~front].mean(0) / found.face_textures.tanh()[front].mean(0)
    np.testing.assert_allclose(ratio, 1, atol=0.05)


def test_background_beside_the_hand_is_not_taken_for_skin(hand):
    vertices, faces, K = hand
    light = torch.tensor([1.0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1])
    skin = torch.tensor([0.75, 0.55, 0.45]).atanh().expand(len(faces), 3)
    photo = photo_of(hand, skin, light, background=(0, 0, 1))
    photo[: SIZE // 4] = (0, 0, 255)  # the fingertips are hidden
    found = appearance_from_photo(photo, vertices, faces, K)
    np.testing.assert_allclose(found.face_textures.tanh(), skin.tanh(), atol=0.03)


def test_a_hand_outside_of_the_photo_gets_plain_skin(hand):
    vertices, faces, K = hand
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    found = appearance_from_photo(photo, vertices + torch.tensor([5.0, 0, 0]), faces, K)
    assert found.face_textures.unique(dim=0).shape[0] == 1
    assert found.light[0] == 1
    assert found.light[1] == 0


def test_light_is_found_from_noisy_brightness():
    random = np.random.default_rng(0)
    normals = random.normal(size=(400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    direction = np.array([0.48, 0.6, 0.64])
    brightness = 0.4 + 0.5 * np.clip(normals @ direction, 0, None) + random.normal(0, 0.01, 400)
    light, shading = fit_light(brightness, normals, np.ones(400))
    assert light[8:] @ direction > 0.99
    assert light[1] / light[0] == pytest.approx(0.5 / 0.4, rel=0.1)
    assert shading.mean() == pytest.approx(1)


def test_unseen_faces_lie_between_their_neighbours():
    faces = np.array([[i, i + 1, i + 2] for i in range(9)])  # a strip: each face adjoins the next
    colors = np.full((9, 1), np.nan)
    seen = np.zeros(9, bool)
    seen[[0, 8]] = True
    colors[seen] = [[0.0], [1.0]]
    np.testing.assert_allclose(fill_unseen(colors, seen, faces)[:, 0], np.linspace(0, 1, 9), atol=0.02)
