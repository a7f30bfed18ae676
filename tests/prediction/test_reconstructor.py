"""HandReconstructor: from every kind of checkpoint, for every kind of picture, for both hands."""

import argparse
import json
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation
from support.untrained_checkpoint import E2E, SIZE, write_own

import s2hand
from s2hand.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from s2hand.checkpoints.converted import convert_published
from s2hand.checkpoints.starting import StartingWeights
from s2hand.config import config_from_dict
from s2hand.errors import S2HandError
from s2hand.geometry.cameras import project_points
from s2hand.geometry.mirror import mirror_camera, mirror_faces, mirror_keypoints, mirror_points
from s2hand.hand import load_hand_model, save_hand_model
from s2hand.images.crops import DEFAULT_MARGIN
from s2hand.images.intrinsics import DEFAULT_FOCAL_OVER_LONGER_SIDE
from s2hand.images.transforms import transform_points
from s2hand.structures import HandParameters, HandPrediction

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOLERANCE = 1e-4
"""Metres: mirroring only changes the order in which numbers are added."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint_last.pt"
    write_own(path)
    return path


@pytest.fixture(scope="module")
def reconstructor(checkpoint):
    return s2hand.HandReconstructor.from_checkpoint(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def photos():
    """Three pictures of structure at many scales, wider than high."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 12, 16, 3), np.uint8)
    return [cv2.resize(picture, (160, 120), interpolation=cv2.INTER_CUBIC) for picture in coarse]


K_PHOTO = np.array([[150.0, 0, 70], [0, 155, 66], [0, 0, 1]])
K_SQUARE = np.array([[150.0, 0, 70], [0, 150, 60], [0, 0, 1]])


def test_a_tensor_of_the_networks_size_goes_straight_through(checkpoint, reconstructor):
    model = write_own(checkpoint.with_name("again.pt"))
    image = torch.rand(3, 3, SIZE, SIZE)
    K = torch.tensor([[130.0, 0, 32], [0, 131, 33], [0, 0, 1]]).expand(3, 3, 3)
    with torch.no_grad():
        expected = model(image, K, ("hand", "texture"))
    found = reconstructor.predict(image, K)
    for name in ("vertices", "joints", "keypoints_2d", "pose_axis_angle", "face_textures", "light"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-5)
    assert np.ptp(found.vertices.numpy(), axis=0).max() > 1e-3  # the answers differ from picture to picture
    assert (found.hands, found.refined) == (("right",) * 3, (False,) * 3)
    default = reconstructor.predict(image)
    assert default.focal_sources == ("default",) * 3
    assert default.K[0, 0, 0] == DEFAULT_FOCAL_OVER_LONGER_SIDE * SIZE


def test_arrays_paths_and_batches_give_the_same(reconstructor, photos, tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    boxes = np.array([[20, 10, 60, 80], [40.5, 30, 50, 50], [np.nan] * 4])
    together = reconstructor.predict(photos, K_PHOTO, boxes=boxes)
    one_by_one = s2hand.HandReconstructor(reconstructor.answerer, batch_size=1)
    from_files = one_by_one.predict(paths, np.stack([K_PHOTO] * 3), boxes=boxes)
    for name in ("vertices", "keypoints_2d", "face_textures", "K"):
        torch.testing.assert_close(getattr(from_files, name), getattr(together, name), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(from_files.parameters.hand_pose, together.parameters.hand_pose)
    assert from_files.image_sizes == ((160, 120),) * 3
    assert from_files.focal_sources == ("given",) * 3
    assert len(reconstructor.predict(photos[0])) == 1


def test_a_square_in_the_middle_is_a_plain_crop(reconstructor, photos):
    """Cutting by hand, with the camera of the cut-out, gives the same hand; it projects onto the photo."""
    side = SIZE
    left, top = int(K_SQUARE[0, 2]) - side // 2, int(K_SQUARE[1, 2]) - side // 2
    patch = photos[0][top : top + side, left : left + side]
    K_patch = K_SQUARE - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]])
    expected = reconstructor.predict(patch, K_patch)
    inner = side / (1 + 2 * DEFAULT_MARGIN)
    corner = (side - inner) / 2
    found = reconstructor.predict(
        photos[0], K_SQUARE, boxes=np.array([[left + corner, top + corner, inner, inner]])
    )
    torch.testing.assert_close(found.vertices, expected.vertices, rtol=0, atol=1e-4)
    moved = expected.keypoints_2d + torch.tensor([left, top])
    torch.testing.assert_close(found.keypoints_2d, moved, rtol=1e-3, atol=0.05)
    assert (found.looked_at, expected.looked_at) == (("box",), ("whole picture",))


def test_a_reconstruction_is_a_sequence_of_hands(reconstructor, photos, tmp_path):
    Image.fromarray(photos[1]).save(tmp_path / "a.png")
    found = reconstructor.predict([photos[0], tmp_path / "a.png"], K_PHOTO, ["left", "right"])
    first, second = found
    assert (first.hand, second.hand, first.image, second.image) == (
        "left",
        "right",
        "",
        str(tmp_path / "a.png"),
    )
    np.testing.assert_array_equal(found[0].vertices, found.vertices[0])
    np.testing.assert_array_equal(found[-1].joints, found.joints[1])
    np.testing.assert_array_equal(found[1:].keypoints_2d, found.keypoints_2d[1:])
    with pytest.raises(IndexError):
        found[2]
    for shown in (repr(found), repr(first)):
        assert len(shown.splitlines()) == 1
        assert len(shown) < 110
        assert "left" in shown


class FlatHands:
    """Answers with the same flat hand for every view, at the distance of half the focal length in metres."""

    def __init__(self, answerer):
        self.place_hand, self.hand_model, self.squares = (
            answerer.place_hand,
            answerer.hand_model,
            answerer.squares,
        )
        self.path, self.notes, self.device = Path("flat"), (), torch.device("cpu")
        self.image_size, self.upright = 32, False
        self.finds_keypoints, self.paints_from_photos = False, False
        self.asked = []

    def __call__(self, batch, views, keypoints):
        self.asked.append((batch, views))
        count = len(views)
        parameters = {"hand_pose": 30, "betas": 10, "rotation": 3, "translation": 3}
        values = {name: torch.zeros(count, size) for name, size in parameters.items()}
        values["translation"][:, 2] = 0.5
        return HandPrediction(parameters=HandParameters(**values, scale=torch.ones(count)))


def test_anything_that_answers_views_can_stand_in_for_the_network(reconstructor, photos):
    flat = FlatHands(reconstructor.answerer)
    keypoints = np.random.default_rng(0).uniform(40, 90, (1, 21, 2))
    found = s2hand.HandReconstructor(flat).predict(photos[0], K_PHOTO, "left", keypoints=keypoints)
    ((batch, (view,)),) = flat.asked
    assert batch.image.shape == (1, 3, 32, 32)
    np.testing.assert_allclose(batch.keypoints_2d[0], view.square.pixels(keypoints[0]), rtol=1e-6)
    assert (batch.confidence == 1).all()
    assert (found.hands, found.face_textures, found.light) == (("left",), None, None)
    # The hand is before the middle of the square that it was seen in, half a metre away.
    middle = np.array([0, 0, 0.5]) @ view.square.rotation * [-1, 1, 1]
    at_root = found.parameters.translation[0] * torch.tensor([-1, 1, 1])
    np.testing.assert_allclose(at_root, middle, atol=1e-6)


@pytest.mark.slow
def test_squares_have_the_margin_of_training(photos, tmp_path):
    write_own(tmp_path / "c.pt", folder_crop_margin=0.0)
    reconstructor = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")
    wide = np.array([[40.0, 30, 48, 48]])
    grown = wide + np.array([-1, -1, 2, 2]) * 48 * DEFAULT_MARGIN
    assert reconstructor.answerer.squares.margin == 0
    write_own(tmp_path / "d.pt")
    usual = s2hand.HandReconstructor.from_checkpoint(tmp_path / "d.pt", device="cpu")
    found, expected = (
        one.predict(photos[0], K_PHOTO, boxes=box) for one, box in ((reconstructor, grown), (usual, wide))
    )
    torch.testing.assert_close(found.vertices, expected.vertices, rtol=0, atol=1e-5)


def turned_photo(photo, K, rotation):
    """What the camera would see, turned: the homography K R K^-1, here by OpenCV alone."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    homography = np.linalg.inv(shift) @ K @ rotation @ np.linalg.inv(K) @ shift
    return cv2.warpPerspective(photo, homography, photo.shape[1::-1], flags=cv2.INTER_CUBIC)


def test_turning_the_camera_turns_the_hand(reconstructor, photos):
    """A network that sees only the square must find the same hand wherever in the photo it is."""
    smooth = cv2.GaussianBlur(cv2.resize(photos[0], (320, 240)), (0, 0), 3)
    K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
    rotation = Rotation.from_rotvec([0.06, -0.15, 0.0]).as_matrix()  # some 10 degrees
    corners = np.array([[130.0, 90], [190, 90], [190, 150], [130, 150]])
    mapped = transform_points(K @ rotation @ np.linalg.inv(K), corners.mean(0)[None])[0]
    stretch = np.linalg.norm(np.linalg.solve(K, [*mapped, 1]))
    side = 60 * stretch  # the same solid angle, as the square is measured across
    middle = reconstructor.predict(smooth, K, boxes=np.array([[130, 90, 60, 60]]))
    turned = reconstructor.predict(
        turned_photo(smooth, K, rotation), K, boxes=np.array([[*(mapped - side / 2), side, side]])
    )
    matrix = torch.from_numpy(rotation).float()
    torch.testing.assert_close(turned.joints[0], middle.joints[0] @ matrix.T, rtol=0, atol=5e-4)
    assert (turned.joints - middle.joints).norm(dim=-1).mean() > 0.05
    torch.testing.assert_close(turned.keypoints_2d, project_points(turned.joints, turned.K))
    posed = reconstructor.answerer.place_hand(turned.parameters, turned.K)
    torch.testing.assert_close(posed["vertices"], turned.vertices)


@pytest.mark.parametrize("hand_input", ["image", "keypoints", "image+keypoints"])
def test_a_mirrored_picture_has_the_mirrored_prediction(hand_input, photos, tmp_path):
    write_own(tmp_path / "c.pt", hand_input=hand_input)
    reconstructor = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")
    width = photos[0].shape[1]
    boxes = np.array([[20, 10, 60, 80], [40.5, 30, 50, 50], [np.nan] * 4])
    flipped_boxes = boxes.copy()
    flipped_boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
    hands = ["right", "left", "right"]
    other = {"right": "left", "left": "right"}
    right = reconstructor.predict(photos, K_PHOTO, hands, boxes=boxes)
    left = reconstructor.predict(
        [photo[:, ::-1] for photo in photos],
        mirror_camera(K_PHOTO, width),
        [other[hand] for hand in hands],
        boxes=flipped_boxes,
    )
    unmirrored = reconstructor.predict([photo[:, ::-1] for photo in photos], K_PHOTO, hands)
    assert (mirror_points(unmirrored.vertices) - right.vertices).abs().max() > 0.01
    close = {"rtol": 0, "atol": TOLERANCE}
    torch.testing.assert_close(mirror_points(left.vertices), right.vertices, **close)
    torch.testing.assert_close(mirror_points(left.joints), right.joints, **close)
    torch.testing.assert_close(mirror_camera(left.K, width), right.K, **close)
    torch.testing.assert_close(
        mirror_keypoints(left.keypoints_2d, width), right.keypoints_2d, rtol=TOLERANCE, atol=0.01
    )
    torch.testing.assert_close(left.face_textures, right.face_textures, **close)
    torch.testing.assert_close(mirror_points(left.light[:, 8:]), right.light[:, 8:], **close)
    if right.heatmap_keypoints is not None:
        torch.testing.assert_close(
            mirror_keypoints(left.heatmap_keypoints, width),
            right.heatmap_keypoints,
            rtol=TOLERANCE,
            atol=0.01,
        )
    assert torch.equal(left.faces(0), mirror_faces(right.faces(0)))
    assert torch.equal(left.faces(1), right.faces(0))


def outward_volume(vertices, faces):
    """Signed volume: positive where the faces are counter-clockwise from outside."""
    a, b, c = vertices[faces].unbind(1)
    return (a * torch.linalg.cross(b, c)).sum(-1).sum()


def test_faces_look_outwards_for_both_hands(reconstructor, photos):
    found = reconstructor.predict(photos[:2], K_PHOTO, ["right", "left"])
    for index in range(2):
        centred = found.vertices[index] - found.vertices[index].mean(0)
        assert outward_volume(centred, found.faces(index)) > 0


@pytest.mark.slow
def test_refinement_follows_detections_and_else_the_2d_branch(reconstructor, photos):
    start = reconstructor.predict(photos, K_PHOTO, ["left", "right", "right"])
    wanted = start.keypoints_2d.numpy() + np.array([6.0, -4.0])
    confidence = np.ones((3, 21))
    confidence[2] = 0
    confidence[0, 3] = 0
    wanted[0, 3] = 0
    asked = {"keypoints": wanted, "confidence": confidence, "boxes": np.array([[40, 20, 50, 50]] * 3)}
    plain = reconstructor.predict(photos, K_PHOTO, ["left", "right", "right"], **asked)
    refined = reconstructor.predict(photos, K_PHOTO, ["left", "right", "right"], **asked, refine=True)
    assert refined.refined == (True, True, True)
    seen = confidence[:2, :, None] > 0
    errors = [(np.abs(one.keypoints_2d[:2].numpy() - wanted[:2]) * seen).sum() for one in (plain, refined)]
    assert errors[1] < 0.6 * errors[0]
    # The third hand has no detection and follows the branch's own keypoints.
    before, after = (
        (one.keypoints_2d[2] - refined.heatmap_keypoints[-1, 2]).norm(dim=-1).mean()
        for one in (plain, refined)
    )
    assert after < before
    assert not torch.equal(refined.parameters.rotation, plain.parameters.rotation)


def test_refinement_needs_something_to_follow(photos, tmp_path):
    write_own(tmp_path / "checkpoint_0001.pt", train_requires=["joints", "verts"], losses=["open_2dj"])
    reconstructor = s2hand.HandReconstructor.from_checkpoint(tmp_path, device="cpu", refine_steps=2)
    with pytest.raises(S2HandError, match="nothing to refine with"):
        reconstructor.predict(photos, refine=True)
    keypoints = np.random.default_rng(0).uniform(20, 100, (3, 21, 2))
    confidence = np.ones((3, 21))
    confidence[1] = 0
    some = reconstructor.predict(photos, keypoints=keypoints, confidence=confidence, refine=True)
    assert some.refined == (True, False, True)
    plain = reconstructor.predict(photos, keypoints=keypoints, confidence=confidence)
    torch.testing.assert_close(some.vertices[1], plain.vertices[1])
    assert some.face_textures is None
    assert some[0].colors().shape == (1538, 3)


def test_averaged_weights_are_taken_where_there_are_some(checkpoint, tmp_path, photos):
    state = torch.load(checkpoint)
    moved = {name: value * 1.5 for name, value in state["model"].items()}
    write_checkpoint(
        tmp_path / "c.pt", {"model": moved, "average": state["model"], "config": state["config"]}
    )
    found, expected = (
        s2hand.HandReconstructor.from_checkpoint(path, device="cpu").predict(photos).vertices
        for path in (tmp_path / "c.pt", checkpoint)
    )
    assert torch.equal(found, expected)


def published_weight(key, shape):
    """Any weights will do, if they stay finite through the network."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    value = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode()))) * 0.05
    if key.endswith("running_var"):
        return value.abs() + 0.5
    return 1 + value if len(shape) == 1 and key.endswith("weight") else value


@pytest.mark.slow
def test_published_checkpoints_and_converted_ones(photos, tmp_path):
    keys = json.loads((FIXTURES / "checkpoint_keys.json").read_text())
    parts = {
        part: {key: published_weight(key, shape) for key, shape in keys[part].items()}
        for part in ("encoder", "decoder", "texture_light_from_low")
    }
    settings = argparse.Namespace(use_mean_shape=True)
    torch.save({"epoch": 7, "args": settings, **parts}, tmp_path / "texturehand.t7")
    convert_published(tmp_path / "texturehand.t7", tmp_path / "converted.safetensors")
    found, again = (
        s2hand.HandReconstructor.from_checkpoint(tmp_path / name, device="cpu")
        for name in ("texturehand.t7", "converted.safetensors")
    )
    (note,) = found.notes
    assert "was trained with MANO" in note
    assert found.answerer.image_size == 224
    first, second = (one.predict(photos[:1], K_PHOTO) for one in (found, again))
    assert torch.equal(first.vertices, second.vertices)
    assert (first.parameters.betas == 0).all()  # use_mean_shape, as stored
    assert torch.equal(first.joints[0, 8], first.vertices[0, 320])  # the published code's index fingertip
    parts.pop("encoder")
    torch.save(parts, tmp_path / "headless.t7")
    with pytest.raises(S2HandError, match="holds no hand network"):
        s2hand.HandReconstructor.from_checkpoint(tmp_path / "headless.t7")


def test_sizes_that_a_published_checkpoint_brought_are_stored(tmp_path):
    """A run that started from a .t7 takes over its sizes, which its own config does not name."""
    keys = json.loads((FIXTURES / "checkpoint_keys.json").read_text())
    decoder = {key: published_weight(key, shape) for key, shape in keys["decoder"].items()}
    torch.save({"encoder": {"w": torch.zeros(1)}, "decoder": decoder}, tmp_path / "a.t7")
    config = config_from_dict(E2E | {"pretrain_model": str(tmp_path / "a.t7")})
    assert (config.use_mean_shape, config.fingertips) == (False, "freihand")
    network = StartingWeights(config).network(say=lambda line: None)
    assert (network.use_mean_shape, network.fingertips) == (True, "s2hand")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": np.zeros((1, 4, 4))}, r"K: expected shape \(1, 3, 3\) for 1 images"),
        ({"K": -np.eye(3)}, "K must be"),
        ({"hand": "up"}, "expected right or left"),
        ({"hand": ["left", "left"]}, "expected right or left"),
        ({"images": []}, "no images"),
        ({"images": [np.zeros((4, 4, 5), np.uint8)]}, r"image 0: expected shape \(H, W, 3\)"),
        ({"images": [np.full((4, 4, 3), 255.0)]}, r"floating-point numbers in \[0, 1\]"),
        ({"images": torch.zeros(1, 5, 8, 8)}, r"image 0: expected shape \(3, H, W\)"),
        ({"boxes": np.zeros((2, 4))}, "boxes: expected shape"),
        ({"boxes": np.zeros((1, 4))}, "expected width and height > 0"),
        ({"images": ["nowhere.jpg"]}, "nowhere.jpg"),
    ],
)
def test_bad_arguments_are_named(reconstructor, photos, changes, message):
    with pytest.raises(S2HandError, match=message):
        reconstructor.predict(**({"images": photos[:1]} | changes))


@pytest.mark.parametrize("steps", [0, -1, 10**6, 10**400])
def test_steps_without_end_are_refused(checkpoint, steps):
    with pytest.raises(S2HandError, match="refinement steps: expected 1 to 100,000, got"):
        s2hand.HandReconstructor.from_checkpoint(checkpoint, device="cpu", refine_steps=steps)


def test_keys_retired_since_are_passed_over(checkpoint, tmp_path):
    state = torch.load(checkpoint)
    config = json.loads(state["config"]) | {"demo_freq": 100}
    write_checkpoint(tmp_path / "c.pt", {"model": state["model"], "config": json.dumps(config)})
    assert s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")


def test_bad_checkpoints_are_named(checkpoint, tmp_path):
    load = s2hand.HandReconstructor.from_checkpoint
    state = torch.load(checkpoint)
    config = json.loads(state["config"])

    def fails(content, message):
        write_checkpoint(tmp_path / "c.pt", content)
        with pytest.raises(S2HandError, match=message):
            load(tmp_path / "c.pt", device="cpu")

    write_own(
        tmp_path / "kp.pt",
        task="hm_train",
        losses=["hm_integral"],
        train_requires=["heatmaps"],
        test_requires=["heatmaps"],
    )
    with pytest.raises(S2HandError, match="2D branch alone"):
        load(tmp_path / "kp.pt")
    fails({"model": state["model"]}, "holds no config")
    fails(
        {"model": state["model"], "config": json.dumps(config | {"shoe_size": 43})}, "unfit keys .shoe_size"
    )
    fails(
        {"model": state["model"], "config": json.dumps(config | {"num_pca": 20})},
        "says num_pca 20, but its weights have 30",
    )
    with pytest.raises(S2HandError, match="no such checkpoint"):
        load(tmp_path / "nothing.pt")
    with pytest.raises(S2HandError, match="no such file"):
        load(tmp_path / "nothing.t7")


def test_weights_that_are_not_finite_are_named(checkpoint, tmp_path, photos):
    state = torch.load(checkpoint)
    state["model"]["hand_head.translation.3.bias"] += float("nan")
    write_checkpoint(tmp_path / "c.pt", state)
    with pytest.raises(S2HandError, match=r"c\.pt: hand_head\.translation\.3\.bias holds NaN"):
        s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu").predict(photos)


def test_another_hand_model_is_warned_of(checkpoint, tmp_path):
    state = torch.load(checkpoint)
    config = json.loads(state["config"]) | {"hand_model": "MANO_RIGHT.pkl"}
    write_checkpoint(tmp_path / "c.pt", state | {"config": json.dumps(config)})
    with pytest.warns(UserWarning, match=r"trained with the hand model MANO_RIGHT\.pkl") as caught:
        found = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", "generic", "cpu")
    assert [str(warning.message) for warning in caught] == list(found.notes)
    with pytest.warns(UserWarning, match=r"hand model MANO_RIGHT\.pkl, which is not there, so takes generic"):
        s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")


def test_a_checkpoint_tells_its_generic_hand(checkpoint, tmp_path):
    """One that names none by number is from before there was a second."""
    state = torch.load(checkpoint)
    config = json.loads(state["config"])
    for stored, expected in (("generic-2", "generic"), ("generic-1", "generic-1"), ("generic", "generic-1")):
        write_checkpoint(tmp_path / "c.pt", state | {"config": json.dumps(config | {"hand_model": stored})})
        for asked in (None, "generic"):
            found = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", asked, "cpu")
            assert found.answerer.hand_model.name == expected
    first, second = (load_hand_model(name) for name in ("generic-1", "generic-2"))
    assert np.abs(first.v_template - second.v_template).max() > 0.005


def test_the_hand_of_the_training_is_the_default(checkpoint, tmp_path, photos, recwarn):
    generic = load_hand_model("generic")
    longer = generic.v_template * [1.3, 1, 1]
    save_hand_model(replace(generic, v_template=longer), tmp_path / "mano.npz")
    state = torch.load(checkpoint)
    config = json.loads(state["config"]) | {"hand_model": str(tmp_path / "mano.npz")}
    write_checkpoint(tmp_path / "c.pt", state | {"config": json.dumps(config)})
    default = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", device="cpu")
    np.testing.assert_array_equal(default.answerer.hand_model.v_template, longer)
    assert not recwarn.list
    named = s2hand.HandReconstructor.from_checkpoint(tmp_path / "c.pt", tmp_path / "mano.npz", "cpu")
    assert torch.equal(default.predict(photos[0]).vertices, named.predict(photos[0]).vertices)


def same(found, expected):
    torch.testing.assert_close(found.vertices, expected.vertices, rtol=0, atol=1e-6)
    assert found.K.equal(expected.K)


def test_images_of_every_kind_give_the_same(reconstructor, photos, tmp_path):
    photo = photos[0]
    expected = reconstructor.predict(photo)
    Image.fromarray(photo).save(tmp_path / "a.png")
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    for image in (
        Image.fromarray(photo),
        [Image.open(tmp_path / "a.png")],
        photo.astype(np.int64),
        photo[..., ::-1][..., ::-1],
        opaque,
        Image.fromarray(opaque),
        tensor,
        (one for one in [photo]),
    ):
        same(reconstructor.predict(image), expected)
    for image in (
        (tensor / 255).requires_grad_(),
        (tensor / 255).bfloat16(),
        (photo / 255).astype(np.float16),
    ):
        found = reconstructor.predict(image)  # not rounded to 8 bits when it is resampled
        torch.testing.assert_close(found.vertices, expected.vertices, rtol=0, atol=2e-3)
    grey = photo[..., 0]
    expected = reconstructor.predict(np.repeat(grey[..., None], 3, -1))
    for image in (grey, grey[..., None], [grey], Image.fromarray(grey), torch.from_numpy(grey)[None]):
        same(reconstructor.predict(image), expected)


def test_images_of_pillow_are_put_upright(reconstructor, photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 35  # focal length in 35 mm film
    Image.fromarray(photos[0]).save(tmp_path / "a.png", exif=exif)
    found = reconstructor.predict(Image.open(tmp_path / "a.png"))
    assert found.image_sizes == ((120, 160),)
    assert found.focal_sources == ("EXIF",)
    same(found, reconstructor.predict(tmp_path / "a.png"))


def test_numbers_of_one_image_need_no_first_axis(reconstructor, photos):
    keypoints = np.random.default_rng(0).uniform(40, 100, (21, 2))
    box = [40, 30, 50, 50]
    whole = np.eye(4)
    whole[:3, :3] = K_PHOTO
    expected = reconstructor.predict(
        photos[0], K_PHOTO, boxes=[box], keypoints=keypoints[None], confidence=np.full((1, 21), 0.5)
    )
    same(
        reconstructor.predict(
            photos[0], whole, boxes=box, keypoints=np.column_stack([keypoints, np.full(21, 0.5)])
        ),
        expected,
    )
    same(
        reconstructor.predict(
            photos[0], whole[:3], boxes=box, keypoints=keypoints, confidence=np.full(21, 0.5)
        ),
        expected,
    )


def test_missing_numbers_are_no_numbers(reconstructor, photos):
    keypoints = np.random.default_rng(0).uniform(40, 100, (3, 21, 2))
    keypoints[0, 4] = np.nan
    boxes = [None, [40, 30, 50, 50], None]
    found = reconstructor.predict(
        photos, [None, K_PHOTO, None], boxes=boxes, keypoints=[*keypoints[:2], None]
    )
    assert found.looked_at == ("keypoints", "box", "whole picture")
    assert found.focal_sources == ("default", "given", "default")
    missed = np.ones((1, 21))
    missed[0, 4] = 0
    zero = np.nan_to_num(keypoints[:1])
    same(found[:1], reconstructor.predict(photos[0], keypoints=zero, confidence=missed))
    nothing = reconstructor.predict(photos[0], keypoints=np.full((21, 2), np.nan))
    assert nothing.looked_at == ("whole picture",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "image 0 is None, as cv2.imread returns"),
        ({"images": [None]}, "image 0 is None, as cv2.imread returns"),
        ({"images": b"JPEG"}, "image 0 is of type bytes: give a path"),
        ({"images": {"image": 1}}, "image 0 is of type dict: give a path"),
        ({"images": np.zeros((0, 5, 3), np.uint8)}, "image 0 is empty: it has 5 x 0 px"),
        ({"images": torch.zeros(8, 9, 3)}, r"got \(8, 9, 3\): move the channels"),
        ({"images": np.zeros((4, 4, 3), bool)}, "got bool"),
        ({"images": np.full((4, 4, 3), 1000)}, "whole numbers from 0 to 255, got 1000"),
        ({"images": torch.full((3, 4, 4), float("nan"))}, r"numbers in \[0, 1\], got nan"),
        ({"images": "a\0.jpg"}, "no file can have this name"),
        ({"images": "a\ud800.jpg"}, "no file can have this name"),
        ({"images": 5}, "image 0 is of type int: give a path"),
        ({"images": torch.eye(8).to_sparse()}, "a tensor without plain values"),
        ({"images": torch.empty(3, 8, 8, device="meta")}, "a tensor without plain values"),
        ({"images": Image.new("RGB", (0, 5))}, "image 0 is empty: it has 0 x 5 px"),
        ({"hand": 5}, "hand: expected right or left, once or for each of 1 images, got 5"),
        ({"hand": True}, "hand: expected right or left"),
        ({"keypoints": np.arange(42).reshape(21, 2) * (1 + 1j)}, "keypoints: expected numbers"),
        ({"K": np.diag([500.0, 500, 1, 2])}, r"K: expected shape \(1, 3, 3\)"),
        ({"K": np.diag([1e300, 1e300, 1])}, "is no camera's: give it in pixels"),
        ({"K": np.diag([1.2, 1.6, 1])}, "it looks like shares of the image"),
        ({"boxes": [[100, 80, 150, 115]]}, "looks like left, top, right and bottom"),
        ({"boxes": [[0.2, 0.2, 0.5, 0.5]]}, "looks like shares of the image"),
        ({"boxes": [[1, 2, 3], None]}, "boxes: expected"),
        ({"boxes": ["left"]}, "boxes: expected numbers"),
        ({"boxes": [[1, 2, np.inf, 4]]}, "boxes: expected finite numbers"),
        ({"keypoints": np.linspace(0, 1, 42).reshape(21, 2)}, "keypoints look like shares of the image"),
        ({"keypoints": 5000 + np.arange(42).reshape(21, 2)}, "px outside of an image"),
        ({"keypoints": np.arange(42).reshape(21, 2), "confidence": np.full(21, 90)}, "look like per cent"),
    ],
)
def test_other_inputs_end_in_one_line(reconstructor, photos, changes, message):
    with pytest.raises(S2HandError, match=message) as caught:
        reconstructor.predict(**({"images": photos[:1]} | changes))
    assert "\n" not in str(caught.value)


def test_a_folder_of_stages_stands_for_the_best_of_them(tmp_path, photos):
    """As on the command line: the stage with the lowest pa_mpjpe."""
    for name, error, rotation in (("shape", 9.0, 0.1), ("finetune", 7.0, 0.9)):
        model = write_own(tmp_path / name / "checkpoint_last.pt")
        model.hand_head.rotation[-1].bias.data.fill_(rotation)
        state = read_checkpoint(tmp_path / name / "checkpoint_last.pt")
        write_checkpoint(tmp_path / name / "checkpoint_last.pt", state | {"model": model.state_dict()})
        record = {"kind": "evaluation", "epoch": 1, "step": 1, "time": 1.0, "pa_mpjpe": error}
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    load = s2hand.HandReconstructor.from_checkpoint
    with pytest.warns(UserWarning, match=f"{tmp_path}: takes its best stage, {tmp_path / 'finetune'}"):
        found = load(tmp_path, device="cpu").predict(photos[0])
    expected = load(tmp_path / "finetune", device="cpu").predict(photos[0])
    assert torch.equal(found.vertices, expected.vertices)
    assert not torch.allclose(
        load(tmp_path / "shape", device="cpu").predict(photos[0]).vertices, found.vertices
    )
