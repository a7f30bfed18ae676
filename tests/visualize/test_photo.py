"""Hands over whole photos: where the camera sees them, at any size and place."""

import cv2
import numpy as np
import pytest
import torch

from s2hand.geometry.mirror import mirror_camera, mirror_faces, mirror_points
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.visualize import Overlay, hand_window

HEIGHT, WIDTH = 120, 200
FACES = torch.from_numpy(load_hand_model("generic").faces)


@pytest.fixture(scope="module")
def hand():
    """(778, 3) metres, about the optical axis."""
    return ManoLayer(load_hand_model("generic"))(
        torch.zeros(1, 30), torch.zeros(1, 10), torch.zeros(1, 3)
    ).vertices[0]


def camera(focal, x, y):
    return torch.tensor([[focal, 0.0, x], [0, focal, y], [0, 0, 1]])


def drawn_silhouette(vertices, K, faces=FACES):
    """The union of the projected triangles, drawn at 8 times the resolution by OpenCV."""
    scale = 8
    projected = vertices @ K.T
    pixels = (projected[:, :2] / projected[:, 2:]).numpy() * scale
    canvas = np.zeros((HEIGHT * scale, WIDTH * scale), np.uint8)
    for triangle in pixels[faces.numpy()]:
        cv2.fillConvexPoly(canvas, np.rint(triangle * 16 - 8).astype(np.int32), 255, shift=4)
    return cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) / 255


def iou(one, other):
    """Intersection over union of coverages."""
    return np.minimum(one, other).sum() / np.maximum(one, other).sum()


@pytest.mark.parametrize("draft", [False, True], ids=["fine", "draft"])
@pytest.mark.parametrize("largest", [1024, 64], ids=["exact", "enlarged"])
@pytest.mark.parametrize(
    ("focal", "place"),
    [(200.0, (0.0, 0.0, 0.5)), (200.0, (0.2, 0.1, 0.5)), (300.0, (0.0, 0.0, 0.25)), (150.0, (-0.31, 0, 0.4))],
    ids=["inside", "corner", "larger than the photo", "over the border"],
)
def test_silhouette_is_the_projected_mesh(hand, focal, place, largest, draft):
    K, vertices = camera(focal, 90, 55), hand + torch.tensor(place)
    background = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    overlay = Overlay.of_photo(background).with_hand(vertices, FACES, K, largest_px=largest, draft=draft)
    expected = drawn_silhouette(vertices, K)
    assert 100 < (expected > 0.5).sum() < 0.9 * expected.size
    assert iou(overlay.silhouette, expected) > (0.95 if largest == 1024 else 0.9)
    empty = overlay.silhouette == 0
    assert (overlay.image[empty] == 77).all()
    assert (overlay.image != 77).any(-1).sum() >= 0.9 * (expected > 0.5).sum()


def test_a_mirrored_hand_is_the_mirrored_overlay(hand):
    """Texture and light included: nothing in the picture tells a mirrored left hand from a right one."""
    K, vertices = camera(200.0, 90, 55), hand + torch.tensor([0.02, 0.0, 0.5])
    textures = torch.rand(len(FACES), 3, generator=torch.Generator().manual_seed(0))
    light = torch.tensor([0.5, 0.6, 1, 1, 1, 1, 0.9, 0.8, 0.5, 0.3, 0.8])
    dark = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    right = Overlay.of_photo(dark).with_hand(vertices, FACES, K, textures, light)
    mirrored_light = torch.cat([light[:8], mirror_points(light[8:])])
    left = Overlay.of_photo(dark).with_hand(
        mirror_points(vertices), mirror_faces(FACES), mirror_camera(K, WIDTH), textures, mirrored_light
    )
    np.testing.assert_allclose(left.silhouette[:, ::-1], right.silhouette, atol=0.26)
    difference = np.abs(left.image[:, ::-1].astype(int) - right.image)
    assert difference.mean() < 0.1
    assert right.image.max() > 100


def test_a_draft_has_the_colours_of_the_fine_drawing(hand):
    K, vertices = camera(200.0, 90, 55), hand + torch.tensor([0.02, 0.0, 0.5])
    empty = Overlay.of_photo(np.full((HEIGHT, WIDTH, 3), 40, np.uint8))
    fine, draft = (empty.with_hand(vertices, FACES, K, draft=draft).image for draft in (False, True))
    difference = np.abs(fine.astype(int) - draft).mean(-1)
    assert 0 < difference[fine[..., 2] > 60].mean() < 10  # edges differ, faces do not
    assert np.median(difference[fine[..., 2] > 60]) < 3


@pytest.mark.parametrize("place", [(0.0, 0.0, -0.5), (2.0, 0.0, 0.5)], ids=["behind", "beside"])
def test_a_hand_out_of_the_photo_changes_nothing(hand, place):
    background = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    vertices = hand + torch.tensor(place)
    overlay = Overlay.of_photo(background).with_hand(vertices, FACES, camera(200.0, 100, 60))
    assert np.array_equal(overlay.image, background)
    assert hand_window(vertices, camera(200.0, 100, 60), (HEIGHT, WIDTH)) is None


def test_skeleton_is_drawn_where_the_joints_are():
    background = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    keypoints = np.stack([np.linspace(60, 140, 21), np.linspace(30, 90, 21)], -1)
    overlay = Overlay.of_photo(background).with_skeleton(keypoints, (50, 10, 100))
    changed = np.argwhere((overlay.image != 77).any(-1))[:, ::-1] + 0.5
    along = np.array([80, 60]) / 100
    across = np.abs((changed - (60, 30)) @ np.array([-along[1], along[0]]))
    assert len(changed) > 100
    assert across.max() < 5
