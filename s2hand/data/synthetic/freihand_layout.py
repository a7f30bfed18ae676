"""Stores synthetic samples as FreiHAND stores its own: pictures, and one JSON list a label."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.data.errors import DatasetError
from s2hand.data.synthetic.studio import SyntheticSample
from s2hand.skeleton import SCALE_BONE

METRE_DECIMALS = 6
MASK_QUALITY = 95
MANO_ROOT = Rotation.from_rotvec([np.pi, 0, 0])
"""The hand layer's constant rotation of the wrist, which files of MANO parameters do not know of."""


def make_folders(root: Path) -> None:
    """Creates the folders of pictures."""
    for folder in ("training/rgb", "training/mask", "evaluation/rgb"):
        (root / folder).mkdir(parents=True)


def write_pictures(root: Path, split: str, number: int, sample: SyntheticSample) -> None:
    """Writes a sample's picture and, in training, its mask."""
    name = f"{number:08d}.jpg"
    _write_jpeg(root / split / "rgb" / name, sample.image[..., ::-1], sample.jpeg_quality)
    if split == "training":
        _write_jpeg(root / split / "mask" / name, sample.mask, MASK_QUALITY)


def _write_jpeg(path: Path, picture: np.ndarray, quality: int) -> None:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    try:
        path.write_bytes(encoded)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path} ({error.strerror}): free the disk or choose another folder"
        ) from None


def label_rows(samples: Iterable[SyntheticSample]) -> dict[str, list]:
    """The rows of ``<split>_<name>.json`` for some samples.

    ``mano`` is one list of 61 numbers: 48 axis-angles (global, then the finger joints' own, mean pose
    included), 10 betas, the wrist's pixel (2) and the scale.
    """
    rows = {"K": [], "scale": [], "mano": [], "xyz": [], "verts": []}
    for sample in samples:
        first, second = sample.joints[list(SCALE_BONE)]
        scale = np.linalg.norm(first - second)
        rotation = (Rotation.from_rotvec(sample.rotation) * MANO_ROOT).as_rotvec()
        mano = np.concatenate([rotation, sample.pose, sample.betas, sample.keypoints_2d[0], [scale]])
        rows["K"].append(sample.K.tolist())
        rows["scale"].append(round(float(scale), METRE_DECIMALS))
        rows["mano"].append([mano.round(METRE_DECIMALS).tolist()])
        rows["xyz"].append(sample.joints.round(METRE_DECIMALS).tolist())
        rows["verts"].append(sample.vertices.round(METRE_DECIMALS).tolist())
    return rows
