"""``s2hand predict`` writes skeletons, motion and joints for robots, of photos and of videos."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from support.untrained_checkpoint import write_own

from s2hand.cli import main
from s2hand.datasets.detection_files import write_versioned_detections
from s2hand.datasets.detections import Detections
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.images.videos import VideoFrames, VideoWriter
from s2hand.prediction.motion_files import VideoMotions
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.structures import HandParameters

WIDTH, HEIGHT, FRAMES = 80, 64, 10

pygltflib = pytest.importorskip("pygltflib")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint_last.pt"
    write_own(path, hand_input="keypoints")
    return str(path)


@pytest.fixture(scope="module")
def picture():
    coarse = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH + FRAMES, HEIGHT), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def video(picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with VideoWriter(path, 25.0, (WIDTH, HEIGHT)) as writer:
        for shift in range(FRAMES):
            writer.write(np.ascontiguousarray(picture[:, shift : shift + WIDTH]))
    return path


def detections(path, names, hands, confidence=1.0):
    keypoints = np.random.default_rng(1).uniform((20, 10), (60, 50), (len(names), 21, 2)).astype(np.float32)
    found = Detections(
        keypoints,
        np.full((len(names), 21), confidence, np.float32),
        tuple(names),
        sizes=np.tile([WIDTH, HEIGHT], (len(names), 1)),
        hands=tuple(hands),
    )
    write_versioned_detections(path, found)
    return path


def predict(*arguments):
    return main(["predict", *map(str, arguments), "--device", "cpu"])


def test_every_hand_of_a_photo_has_its_files(checkpoint, picture, tmp_path):
    Image.fromarray(picture[:, :WIDTH]).save(tmp_path / "a.jpg")
    known = detections(tmp_path / "d.json", ["a.jpg", "a.jpg"], ["left", "right"])
    out = tmp_path / "out"
    options = ["--detections", known, "--formats", "json,bvh,robot", "--skinned", "--out", out]
    assert predict(checkpoint, tmp_path / "a.jpg", *options) == 0
    (entry,) = json.loads((out / "index.json").read_text())["images"]
    for number, hand in enumerate(entry["hands"]):
        stem = f"a.hand{number}"
        assert hand["files"] == {
            "json": f"{stem}.json",
            "skinned": f"{stem}.skinned.glb",
            "bvh": f"{stem}.bvh",
            "robot": f"{stem}.robot.json",
        }
        numbers = json.loads((out / f"{stem}.json").read_text())
        skinned = pygltflib.GLTF2().load(out / f"{stem}.skinned.glb")
        wrist = next(node for node in skinned.nodes if node.name == "wrist")
        np.testing.assert_allclose(wrist.translation, np.array(numbers["joints"][0]) * (1, -1, -1), atol=1e-6)
        robot = json.loads((out / f"{stem}.robot.json").read_text())
        assert robot["hands"][0]["hand"] == hand["hand"] == ("left", "right")[number]
        np.testing.assert_allclose(
            robot["hands"][0]["frames"][0]["wrist_position"], numbers["joints"][0], atol=1e-6
        )
        assert (out / f"{stem}.bvh").read_text().startswith("HIERARCHY\nROOT wrist\n")
        assert f'href="{stem}.skinned.glb"' in (out / "index.html").read_text()


def test_a_video_has_one_animation_of_all_hands(checkpoint, video, tmp_path, capsys):
    names = [f"clip.mp4#{frame:06d}" for frame in (1, 1, 2, 5, 5)]
    known = detections(tmp_path / "d.json", names, ["left", "right", "right", "left", "right"])
    options = ["--detections", known, "--formats", "skinned,bvh,robot", "--out", tmp_path]
    assert predict(checkpoint, video, *options) == 0
    assert "resampled" not in capsys.readouterr().err
    (entry,) = json.loads((tmp_path / "index.json").read_text())["images"]
    assert entry["bvh"] == ["clip.hand0.bvh", "clip.hand1.bvh"]
    assert (entry["bvh_frame_time_s"], entry["bvh_resampled"]) == (pytest.approx(0.04), False)
    file = pygltflib.GLTF2().load(tmp_path / entry["skinned"])
    assert [mesh.name for mesh in file.meshes] == ["left_hand", "right_hand"]
    assert [len(skin.joints) for skin in file.skins] == [16, 16]
    (animation,) = file.animations
    ends = {file.accessors[sampler.input].max[0] for sampler in animation.samplers}
    assert max(ends) == min(ends) == pytest.approx(0.2)
    lines = [json.loads(line) for line in (tmp_path / "clip.jsonl").read_text().splitlines()[1:]]
    robot = json.loads((tmp_path / entry["robot"]).read_text())
    seen = {hand["hand"]: [frame["frame"] for frame in hand["frames"]] for hand in robot["hands"]}
    assert seen == {"left": [1, 5], "right": [1, 2, 5]}
    left = robot["hands"][0]["frames"][1]
    joints = np.array(left["joints"]) @ np.array(left["wrist_rotation"]).T + left["wrist_position"]
    np.testing.assert_allclose(joints, lines[5]["hands"][0]["joints"], atol=1e-6)
    assert left["time_s"] == lines[5]["time_s"]


def test_uneven_frames_are_told(checkpoint, video, tmp_path, capsys, monkeypatch):
    own = VideoFrames.__iter__
    times = np.cumsum([0, *[0.04, 0.04, 0.04, 0.09] * 3])

    def uneven(frames):
        return ((times[number], pixels) for number, (_, pixels) in enumerate(own(frames)))

    monkeypatch.setattr(VideoFrames, "__iter__", uneven)
    assert predict(checkpoint, video, "--formats", "skinned,bvh", "--out", tmp_path) == 0
    assert "clip.mp4: its frames are not evenly spaced" in capsys.readouterr().err
    (entry,) = json.loads((tmp_path / "index.json").read_text())["images"]
    assert entry["bvh_resampled"]
    assert "Frame Time: 0.04000000" in (tmp_path / "clip.bvh").read_text()
    file = pygltflib.GLTF2().load(tmp_path / "clip.skinned.glb")
    accessor = file.accessors[file.animations[0].samplers[0].input]
    view = file.bufferViews[accessor.bufferView]
    content = file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    np.testing.assert_allclose(np.frombuffer(content, np.float32), times[:FRAMES], rtol=1e-6)


def test_a_video_without_hands_has_no_motion(checkpoint, video, tmp_path):
    known = detections(tmp_path / "d.json", ["clip.mp4#000003"], ["left"], confidence=0.0)
    assert predict(checkpoint, video, "--detections", known, "--skinned", "--out", tmp_path) == 0
    assert not list(tmp_path.glob("*.skinned.glb"))


def test_files_of_other_photos_are_never_overwritten(checkpoint, picture, tmp_path):
    for name in ("a.jpg", "a.skinned.jpg", "a.robot.jpg"):
        Image.fromarray(picture[:, :WIDTH]).save(tmp_path / name)
    assert (
        predict(checkpoint, tmp_path, "--formats", "glb,json,skinned,robot", "--out", tmp_path / "out") == 0
    )
    entries = json.loads((tmp_path / "out/index.json").read_text())["images"]
    files = [name for entry in entries for hand in entry["hands"] for name in hand["files"].values()]
    assert len(files) == len(set(files)) == 12


def test_a_hand_takes_its_colours_from_the_clearest_frame():
    """Of three frames of one colour each, the second is seen with most confidence."""
    model = load_hand_model("generic")
    hand = ManoLayer(model)(torch.zeros(1, 30), torch.zeros(1, 10), torch.tensor([[0.0, 1.2, 0]]))
    place = torch.tensor([0.0, 0, 0.5]) - hand.vertices.mean(1)
    K = torch.tensor([[[400.0, 0, 80], [0, 400, 60], [0, 0, 1]]])
    found = Reconstruction(
        vertices=hand.vertices + place,
        joints=hand.joints + place,
        keypoints_2d=torch.zeros(1, 21, 2),
        parameters=HandParameters(
            torch.zeros(1, 30), torch.zeros(1, 10), torch.zeros(1, 3), place[None, 0], torch.ones(1)
        ),
        pose_axis_angle=hand.pose_axis_angle,
        K=K,
        names=("clip.mp4",),
        hands=("right",),
        image_sizes=((160, 120),),
        focal_sources=("given",),
        looked_at=("box",),
        refined=(False,),
        right_faces=torch.from_numpy(model.faces),
        tracks=(None,),
        confidence=torch.ones(1, 21),
    )
    colors = [(200, 150, 120), (180, 120, 90), (220, 180, 160)]
    motions = VideoMotions("clip.mp4", paints=True)
    for number, (color, confidence) in enumerate(zip(colors, (0.5, 0.9, 0.7), strict=True)):
        pixels = np.full((120, 160, 3), color, np.uint8)
        seen = replace(found, confidence=torch.full((1, 21), confidence))
        motions.add(number, number / 25, pixels, [("right", 0)], seen)
    (motion,) = motions.motions()
    ratio = np.median(motion.face_colors, axis=0) / colors[1]
    np.testing.assert_allclose(ratio / ratio[0], 1, atol=0.02)  # of its hue; how bright depends on the light
    assert motion.times_s.tolist() == [0, 0.04, 0.08]
