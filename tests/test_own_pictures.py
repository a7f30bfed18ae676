"""The whole path, by the command line alone: photos, detection, training, prediction, files.

Everything is generated and small; the networks learn next to nothing, but every number must be where its
file says it is.
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from s2hand.cli import main
from s2hand.datasets import read_detections
from s2hand.detection.openpose import OpenPoseHandNet
from s2hand.images.photos import read_photo

CONFIGS = Path(__file__).parent.parent / "configs/Folder"
PHOTOS, SIDE = 12, 160
SMALL = [
    *("image_size=64", "backbone=test_resnet", "hourglass_stacks=1", "hourglass_features=16"),
    *("hourglass_modules=1", "total_epochs=1", "train_batch=4", "val_batch=4", "num_workers=0"),
    *("folder_val_share=0.25", "is_write_tb=false"),
]
IOU = 0.95


def s2hand(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working folder: photos of left and right hands, and their hands' boxes."""
    root = tmp_path_factory.mktemp("own")
    sizes = ["--train-size", PHOTOS, "--eval-size", 1, "--image-size", SIDE]
    s2hand("synth", "--out", root / "synthetic", "--layout", "folder", *sizes)
    (root / "synthetic/training").rename(root / "photos")
    boxes = {}
    for entry in json.loads((root / "photos/truth.json").read_text()):
        points = np.array(entry["keypoints"])
        low, extent = points.min(0).tolist(), np.ptp(points, 0).tolist()
        boxes[entry["name"]] = [{"box": low + extent, "hand": entry["hand"]}]
    (root / "boxes.json").write_text(json.dumps(boxes))
    return root


@pytest.fixture(scope="module")
def hourglass_detections(folder):
    """A hourglass trained for a few steps on the photos, and what it then finds in them."""
    settings = [f"folder_base_path={folder / 'photos'}", f"base_out_path={folder / 'kp'}", "init_lr=0.003"]
    s2hand("train", CONFIGS / "SSL-kp.json", "--device", "cpu", "--set", *SMALL, *settings)
    detector = ["--detector", "hourglass", "--weights", folder / "kp", "--device", "cpu"]
    out = folder / "hourglass.json"
    s2hand("detect", folder / "photos", "--boxes", folder / "boxes.json", *detector, "--out", out)
    return out


@pytest.fixture(scope="module")
def run_folder(folder, hourglass_detections):
    """A network trained for a few steps on what the hourglass found."""
    settings = [
        f"folder_base_path={folder / 'photos'}",
        f"folder_detections={hourglass_detections}",
        f"base_out_path={folder / 'run'}",
        "folder_min_confidence=0",
    ]
    s2hand("train", CONFIGS / "SSL-e2e.json", "--device", "cpu", "--set", *SMALL, *settings)
    return folder / "run"


@pytest.fixture(scope="module")
def predictions(folder, run_folder, hourglass_detections):
    """Everything that can be written for every photo; and the index."""
    out = folder / "predictions"
    formats = ["--formats", "overlay,mask,glb,obj,ply,json,npz"]
    options = ["--detections", hourglass_detections, "--device", "cpu", *formats]
    s2hand("predict", run_folder, folder / "photos", "--out", out, *options)
    return out, json.loads((out / "index.json").read_text())


def test_detections_are_of_every_photo_and_hand(folder, hourglass_detections):
    found = read_detections(hourglass_detections)
    truth = {entry["name"]: entry for entry in json.loads((folder / "photos/truth.json").read_text())}
    assert sorted(found.names) == sorted(truth)
    assert [truth[name]["hand"] for name in found.names] == list(found.hands)
    assert set(found.hands) == {"left", "right"}
    assert (found.confidence > 0).all()
    assert found.detector.name == "hourglass"


def drawn(vertices, faces, K, size):
    """Coverage (H, W) of a photo by the projected triangles: drawn by OpenCV at 8 times the resolution."""
    fine = 8
    projected = vertices @ K.T
    pixels = fine * projected[:, :2] / projected[:, 2:]
    canvas = np.zeros((fine * size[1], fine * size[0]), np.uint8)
    for triangle in pixels[faces]:
        cv2.fillConvexPoly(canvas, np.rint(16 * triangle - 8).astype(np.int32), 255, shift=4)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA) / 255


def iou(one, other):
    return np.minimum(one, other).sum() / np.maximum(one, other).sum()


def outward(vertices, faces):
    """Whether faces are counter-clockwise from outside: the enclosed volume is positive."""
    a, b, c = (vertices[faces] - vertices.mean(0)).transpose(1, 0, 2)
    return (a * np.cross(b, c)).sum() > 0


@pytest.mark.slow
def test_files_agree_and_land_on_the_photo(folder, predictions):
    out, index = predictions
    assert index["unreadable"] == []
    assert len(index["images"]) == PHOTOS
    truth = {entry["name"]: entry for entry in json.loads((folder / "photos/truth.json").read_text())}
    sources, covered = set(), 0
    for entry in index["images"]:
        (hand,) = entry["hands"]
        files = {kind: out / name for kind, name in hand["files"].items()}
        content = json.loads(files["json"].read_text())
        assert content["hand"] == hand["hand"] == truth[entry["name"]]["hand"]
        assert content["units"]["vertices"] == "metres"
        assert np.shape(content["joints"]) == (21, 3)
        vertices, K = np.array(content["vertices"]), np.array(content["K"])
        with np.load(files["npz"]) as arrays:
            np.testing.assert_allclose(arrays["vertices"], vertices, atol=1e-6)
            np.testing.assert_allclose(arrays["K"], K, atol=1e-6)
            faces, albedo = arrays["faces"], arrays["face_colors"]
        assert (vertices.shape, faces.shape, albedo.shape) == ((778, 3), (1538, 3), (1538, 3))
        assert 0.05 < np.ptp(vertices, 0).max() < 0.5  # metres
        assert outward(vertices, faces)
        check_meshes(files, vertices, faces)
        if content["focal_source"] == "detections file":
            np.testing.assert_allclose(K, truth[entry["name"]]["K"], atol=1e-3)
        sources.add(content["focal_source"])
        covered += check_pictures(folder / "photos" / entry["name"], out, entry, (vertices, faces, K))
    assert {"EXIF", "default"} <= sources
    assert covered >= PHOTOS // 2  # a network of a few steps may look past some


def check_meshes(files, vertices, faces):
    """The three meshes are the same hand, .glb in its own frame."""
    (glb,) = trimesh.load_scene(files["glb"]).geometry.values()
    np.testing.assert_allclose(glb.vertices[glb.faces] * (1, -1, -1), vertices[faces], atol=1e-6)
    assert outward(np.asarray(glb.vertices), glb.faces)
    for kind in ("obj", "ply"):
        mesh = trimesh.load_mesh(files[kind], process=False)
        np.testing.assert_allclose(mesh.vertices[mesh.faces], vertices[faces], atol=1e-6)
    assert sum(line.startswith("v ") for line in files["obj"].read_text().splitlines()) == 778


def check_pictures(photo_path, out, entry, mesh):
    """The exported mesh before the exported camera covers what the mask and the overlay show.

    Returns:
        Whether there was enough of the hand in the photo to tell.
    """
    photo = read_photo(photo_path)
    size = photo.shape[1], photo.shape[0]
    assert size == (entry["width"], entry["height"])
    expected = drawn(*mesh, size)
    mask = np.asarray(Image.open(out / entry["mask"])) / 255
    overlay = np.asarray(Image.open(out / entry["overlay"]))
    assert mask.shape == overlay.shape[:2] == photo.shape[:2]
    if expected.sum() < 200:
        return False
    assert iou(expected, mask) >= IOU, entry["name"]
    changed = np.abs(overlay.astype(int) - photo).max(-1) > 12
    assert changed[mask > 0.9].mean() > 0.9
    assert changed[cv2.dilate(mask, np.ones((9, 9))) == 0].mean() < 0.05  # skeletons and JPEG's noise
    return True


def seeded_openpose(path):
    """A weights file whose network answers with peaks as strong as a trained one's."""
    torch.manual_seed(0)
    weights = OpenPoseHandNet().state_dict()
    for name, weight in weights.items():
        if name.endswith("weight"):
            torch.nn.init.kaiming_normal_(weight)
        else:
            torch.nn.init.normal_(weight, std=0.05)
    torch.save(weights, path)


@pytest.mark.slow
def test_the_same_path_with_openposes_network(folder, tmp_path):
    """Two pictures at one small scale: the network itself costs seconds a picture at all four."""
    seeded_openpose(tmp_path / "hand_pose_model.pth")
    photos, found, out = tmp_path / "photos", tmp_path / "openpose.json", tmp_path / "out"
    boxes = dict(list(json.loads((folder / "boxes.json").read_text()).items())[:2])
    for name in boxes:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / "photos" / name, photos / name)
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    detector = ["--weights", tmp_path / "hand_pose_model.pth", "--scales", 0.25, "--device", "cpu"]
    s2hand("detect", photos, "--boxes", tmp_path / "boxes.json", *detector, "--out", found)
    detections = read_detections(found)
    assert set(detections.hands) == {"left", "right"}
    assert ((detections.confidence > 0.1).sum(-1) >= 11).all()
    settings = [
        f"folder_base_path={photos}",
        f"folder_detections={found}",
        f"base_out_path={tmp_path / 'run'}",
        *("train_batch=2", "folder_val_share=0"),
    ]
    s2hand("train", CONFIGS / "SSL-e2e.json", "--device", "cpu", "--set", *SMALL, *settings)
    options = ["--detections", found, "--refine", 2, "--device", "cpu"]
    s2hand("predict", tmp_path / "run", photos, "--out", out, *options)
    hands = [entry["hands"][0] for entry in json.loads((out / "index.json").read_text())["images"]]
    assert sorted(hand["hand"] for hand in hands) == ["left", "right"]
    assert all(hand["refined"] and hand["looked_at"] == "box" for hand in hands)
    for hand in hands:
        (glb,) = trimesh.load_scene(out / hand["files"]["glb"]).geometry.values()
        assert len(glb.faces) == 1538
