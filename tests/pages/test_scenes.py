"""What the viewer is given: nothing lost but what no screen shows, and nothing that JSON cannot hold."""

import base64
import json

import numpy as np
import pytest

from s2hand.pages import EmbeddedImage, HandShape, Scene, SceneFrame, SceneHand, vertex_colors
from s2hand.pages.media import embed
from s2hand.pages.scenes import LARGEST_VIDEO_FRAMES, Topologies, scene_json

K = np.diag([500.0, 510.0, 1.0]) + np.array([[0, 0, 160.0], [0, 0, 120.0], [0, 0, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
VERTICES = np.array([[0, 0, 0.5], [0.2, 0, 0.5], [0.2, 0.1, 0.61], [0, 0.1, 0.6]])
TINY = EmbeddedImage("data:,", 1, 1)


def scene(*frames: SceneFrame, **values) -> Scene:
    hand = SceneHand("Right hand", FACES, **values)
    return Scene("a photo", (320, 240), K, [hand], frames)


def decoded(packed: dict) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(packed["steps"]), "<u2").reshape(-1, 3)
    return np.array(packed["low"]) + np.array(packed["step"]) * steps


def test_vertices_are_kept_to_a_few_micrometres():
    content = json.loads(scene_json(scene(SceneFrame(TINY, [HandShape(VERTICES)])), Topologies()))
    shape = content["frames"][0]["hands"][0]
    assert np.abs(decoded(shape["prediction"]) - VERTICES).max() < 2e-6
    assert shape["truth"] is None
    assert content["K"] == [500.0, 510.0, 160.0, 120.0]


def test_flat_meshes_are_kept_too():
    flat = VERTICES * [1, 1, 0] + [0, 0, 0.5]
    content = json.loads(scene_json(scene(SceneFrame(TINY, [HandShape(flat)])), Topologies()))
    assert np.abs(decoded(content["frames"][0]["hands"][0]["prediction"]) - flat).max() < 2e-6


def test_the_light_points_towards_its_lamp_with_its_intensities():
    light = [0.5, 2.0, 1, 0.5, 0, 0.1, 0.2, 0.3, 0, 1, 0]
    content = json.loads(scene_json(scene(SceneFrame(TINY), light=light), Topologies()))
    assert content["hands"][0]["light"] == [0.5, 0.25, 0, 0.2, 0.4, 0.6, 0, -1, 0]


def test_hands_share_their_faces():
    topologies = Topologies()
    assert topologies.number(FACES) == 0
    assert topologies.number(FACES[:, ::-1]) == 1
    assert topologies.number(FACES.astype(np.int32)) == 0
    assert len(topologies.packed) == 2


def test_errors_are_hundredths_of_a_millimetre():
    shape = HandShape(VERTICES, vertex_errors_mm=[0, 1.234, 20, 1e9])
    content = json.loads(scene_json(scene(SceneFrame(TINY, [shape])), Topologies()))
    packed = content["frames"][0]["hands"][0]["error"]
    assert np.frombuffer(base64.b64decode(packed), "<u2").tolist() == [0, 123, 2000, 65535]


def test_long_videos_are_thinned_and_keep_their_length():
    count = 2 * LARGEST_VIDEO_FRAMES + 1
    video = Scene("clip", (320, 240), K, [], [SceneFrame(TINY)] * count, fps=30.0)
    content = json.loads(scene_json(video, Topologies()))
    assert len(content["frames"]) == -(-count // 3)
    assert content["fps"] == 10.0


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (HandShape(VERTICES * np.nan), "vertices must be finite"),
        (HandShape(joints=np.full((21, 3), np.inf)), "not JSON compliant"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_the_photos_name(shape, told):
    with pytest.raises(ValueError, match=f"a photo: .*{told}"):
        scene_json(scene(SceneFrame(TINY, [shape])), Topologies())


def test_a_scene_needs_a_frame():
    with pytest.raises(ValueError, match="a photo: a scene needs at least one frame"):
        scene_json(scene(), Topologies())


def test_vertices_take_the_mean_colour_of_their_faces():
    colors = vertex_colors([[1, 0, 0], [0, 0, 1]], FACES)
    assert colors.tolist() == [[0.5, 0, 0.5], [1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]


def test_images_are_shrunk_once():
    image = embed(np.zeros((300, 600, 3), np.uint8), longest_px=100)
    assert (image.width, image.height) == (100, 50)
    assert image.uri.startswith("data:image/webp;base64,")
    assert embed(image, longest_px=10) is image
    with pytest.raises(
        ValueError, match="expected \\(H, W, 3\\) or \\(H, W, 4\\) uint8, got \\(4, 4\\) float64"
    ):
        embed(np.zeros((4, 4)))
