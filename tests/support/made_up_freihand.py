"""A few made-up samples in FreiHAND's layout."""

import json

import cv2
import numpy as np

from s2hand.datasets import Detections, write_detections

NUM_ROWS = 6
STORED_SIZE = 96


def made_up_rows(num_rows=NUM_ROWS, size=STORED_SIZE, seed=0):
    """Joints in front of a camera with fx = fy, their cameras and noisy detections."""
    random = np.random.default_rng(seed)
    joints = random.uniform((-0.08, -0.08, 0.62), (0.08, 0.08, 0.78), (num_rows, 21, 3))
    K = np.zeros((num_rows, 3, 3))
    K[:, 0, 0] = K[:, 1, 1] = random.uniform(1.9, 2.3, num_rows) * size
    K[:, :2, 2] = size / 2 + random.uniform(-4, 4, (num_rows, 2))
    K[:, 2, 2] = 1
    projected = np.einsum("nij,nkj->nki", K, joints)
    keypoints = projected[..., :2] / projected[..., 2:] + random.normal(0, 1, (num_rows, 21, 2))
    confidence = random.uniform(0.3, 1, (num_rows, 21))
    keypoints[0, 3], confidence[0, 3] = 0, 0
    return joints, K, keypoints.astype(np.float32), confidence.astype(np.float32)


def write_freihand(root, *, num_rows=NUM_ROWS, versions=2, size=STORED_SIZE, seed=0):
    """Writes both splits; every picture is noise blurred to survive JPEG."""
    random = np.random.default_rng(seed)
    joints, K, keypoints, confidence = made_up_rows(num_rows, size, seed)
    for split, count in (("training", num_rows * versions), ("evaluation", num_rows)):
        (root / split / "rgb").mkdir(parents=True)
        for number in range(count):
            picture = cv2.GaussianBlur(random.integers(0, 256, (size, size, 3), np.uint8), (0, 0), 5)
            cv2.imwrite(str(root / split / "rgb" / f"{number:08d}.jpg"), picture)
        labels = {
            "K": K,
            "xyz": joints,
            "verts": np.tile(joints[:, :1], (1, 778, 1)),
            "scale": np.linalg.norm(joints[:, 9] - joints[:, 10], axis=-1),
        }
        for name, array in labels.items():
            (root / f"{split}_{name}.json").write_text(json.dumps(array.tolist()))
    (root / "training" / "mask").mkdir()
    for row in range(num_rows):
        mask = np.zeros((size, size), np.uint8)
        mask[size // 4 : size // 2, size // 4 :] = 255
        cv2.imwrite(str(root / "training" / "mask" / f"{row:08d}.jpg"), mask)
    write_detections(root / "openpose_v2/training/detect_all.json", Detections(keypoints, confidence))
    return root
