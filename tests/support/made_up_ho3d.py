"""A few made-up frames in HO-3D's layout: OpenGL axes, HO-3D's joint order, pickles of protocol 2."""

import json
import pickle

import cv2
import numpy as np

from s2hand.datasets import Detections, write_detections
from s2hand.skeleton import FREIHAND_TO_HO3D

SEQUENCES = {"train": ("ABF10", "MC1"), "evaluation": ("SM1",)}
NUMBERS = (0, 3, 7)
WIDTH, HEIGHT = 640, 480
OPENGL = np.array([1, -1, -1])
K = np.array([[610.0, 0, 320], [0, 610.0, 240], [0, 0, 1]])


def made_up_joints(frame, seed=0):
    """(21, 3) metres, FreiHAND order, camera frame."""
    random = np.random.default_rng((seed, *frame.encode()))
    centre = random.uniform((-0.1, -0.05, 0.5), (0.1, 0.05, 0.8))
    return centre + random.uniform(-0.07, 0.07, (21, 3))


def project(points):
    seen = points @ K.T
    return seen[:, :2] / seen[:, 2:]


def frames_of(split):
    return [f"{sequence}/{number:04d}" for sequence in SEQUENCES[split] for number in NUMBERS]


def write_ho3d(root, version="v2"):
    """Writes both splits; bright discs mark the joints in the pictures."""
    root.mkdir(exist_ok=True)
    for split in SEQUENCES:
        frames = frames_of(split)
        (root / f"{split}.txt").write_text("\n".join(frames) + "\n")
        for frame in frames:
            write_frame(root / split, frame, version, labelled=split == "train")
        for sequence in SEQUENCES[split]:
            keypoints = np.zeros((max(NUMBERS) + 1, 21, 2), np.float32)
            for number in NUMBERS:
                keypoints[number] = project(made_up_joints(f"{sequence}/{number:04d}"))
            confidence = np.full((len(keypoints), 21), 0.8, np.float32)
            write_detections(root / "openpose" / sequence / "detect.json", Detections(keypoints, confidence))
    labels = np.stack([made_up_joints(frame)[list(FREIHAND_TO_HO3D)] * OPENGL for frame in frames])
    (root / "evaluation_xyz.json").write_text(json.dumps(labels.tolist()))
    vertices = np.repeat(labels[:, :1], 778, 1)
    (root / "evaluation_verts.json").write_text(json.dumps(vertices.tolist()))
    return root


def write_frame(folder, frame, version, labelled):
    sequence, number = frame.split("/")
    joints = made_up_joints(frame)
    pixels = project(joints)
    picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    for point in pixels:
        cv2.circle(picture, np.rint(point - 0.5).astype(int).tolist(), 4, (0, 255, 0), -1)
    (folder / sequence / "rgb").mkdir(parents=True, exist_ok=True)
    (folder / sequence / "meta").mkdir(exist_ok=True)
    suffix = {"v2": ".png", "v3": ".jpg"}[version]
    assert cv2.imwrite(str(folder / sequence / "rgb" / f"{number}{suffix}"), picture)
    stored = joints[list(FREIHAND_TO_HO3D)] * OPENGL
    meta = {"camMat": K, "objName": "010_potted_meat_can", "objLabel": np.int64(9)}
    if labelled:
        meta |= {"handJoints3D": stored, "handPose": np.zeros(48), "handTrans": np.zeros(3)}
    else:
        box = [*pixels.min(0).tolist(), *pixels.max(0).tolist()]
        meta |= {"handJoints3D": stored[0], "handBoundingBox": box}
    (folder / sequence / "meta" / f"{number}.pkl").write_bytes(pickle.dumps(meta, protocol=2))
