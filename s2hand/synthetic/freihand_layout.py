"""Stores synthetic samples in FreiHAND's layout: images, and one JSON list for each label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.datasets.detection_files import write_detections
from s2hand.datasets.detections import Detections
from s2hand.datasets.freihand import DETECTION_FILES
from s2hand.skeleton import SCALE_BONE
from s2hand.synthetic.photograph import write_image
from s2hand.synthetic.scene import FREIHAND_FRAMING
from s2hand.synthetic.studio import SyntheticSample

METRE_DECIMALS = 6
MASK_QUALITY = 95
MANO_ROOT = Rotation.from_rotvec([np.pi, 0, 0])
"""The hand layer's constant rotation of the wrist, which is not part of MANO parameters in files."""


class FreiHandLayout:
    """FreiHAND's layout: square crops."""

    framing = FREIHAND_FRAMING

    def make_folders(self, root: Path, counts: dict[str, int]) -> None:
        """Creates the folders of images."""
        for folder in ("training/rgb", "training/mask", "evaluation/rgb"):
            (root / folder).mkdir(parents=True)

    def adapt(self, sample: SyntheticSample, number: int) -> SyntheticSample:
        """The sample as this layout shows it: whole."""
        return sample

    def write_sample(self, root: Path, split: str, number: int, sample: SyntheticSample) -> None:
        """Writes a sample's image and, in training, its mask."""
        name = f"{number:08d}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, sample.jpeg_quality]
        write_image(root / split / "rgb" / name, sample.image[..., ::-1], quality)
        if split == "training":
            path = root / split / "mask" / name
            write_image(path, sample.mask, [cv2.IMWRITE_JPEG_QUALITY, MASK_QUALITY])

    def label_rows(self, split: str, first: int, samples: Iterable[SyntheticSample]) -> dict[str, list]:
        """The rows of some samples, for each JSON file of labels by its name.

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
        return {f"{split}_{name}.json": values for name, values in rows.items()}

    def write_detections(self, root: Path, split: str, found: Detections) -> None:
        """Writes a split's detections."""
        names = tuple(f"{number:08d}.jpg" for number in range(len(found)))
        write_detections(root / DETECTION_FILES[split], replace(found, names=names))
