"""Stores synthetic samples in HO-3D's layout: sequences of whole images, and one pickle for each frame.

Joints are in HO-3D's order, coordinates in OpenGL's frame (y up, z backwards). The layout has no objects.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.datasets.detection_files import write_detections
from s2hand.datasets.detections import Detections
from s2hand.datasets.ho3d import DETECTION_FOLDER, LABEL_FILES, SUFFIXES
from s2hand.datasets.ho3d_meta import OPENGL_TO_CAMERA
from s2hand.skeleton import FREIHAND_TO_HO3D
from s2hand.synthetic.freihand_layout import MANO_ROOT, METRE_DECIMALS
from s2hand.synthetic.photograph import write_image
from s2hand.synthetic.scene import Framing
from s2hand.synthetic.studio import SyntheticSample

FRAMES_PER_SEQUENCE = 100
HEIGHT_OVER_WIDTH = 3 / 4
PICKLE_PROTOCOL = 2
"""HO-3D's pickles were written by Python 2."""

FOLDERS = {"training": "train", "evaluation": "evaluation"}
SEQUENCE_PREFIXES = {"training": "SYNT", "evaluation": "SYNE"}
"""Detections of both splits lie in one folder, so no sequence may have another's name."""

FOCAL_RANGE_PX = (212.0, 218.0)
FILL_RANGE = (0.18, 0.38)
"""HO-3D's camera (about 614 px at 640 px), and hands that reach over a quarter of the image's width."""


class Ho3dLayout:
    """HO-3D's layout, in version ``v2`` (.png) or ``v3`` (.jpg).

    The studio draws squares as wide as the image; the rows above and below its middle three quarters,
    which no hand reaches, are cut off.
    """

    framing = Framing(FOCAL_RANGE_PX, FILL_RANGE)

    def __init__(self, version: str):
        self.suffix = SUFFIXES[version]

    def make_folders(self, root: Path, counts: dict[str, int]) -> None:
        """Creates the folders of every sequence, and the lists of frames."""
        for split, count in counts.items():
            frames = [frame_name(split, number) for number in range(count)]
            (root / f"{FOLDERS[split]}.txt").write_text("\n".join(frames) + "\n")
            for sequence in dict.fromkeys(frame.partition("/")[0] for frame in frames):
                for kind in ("rgb", "meta"):
                    (root / FOLDERS[split] / sequence / kind).mkdir(parents=True)

    def adapt(self, sample: SyntheticSample, number: int) -> SyntheticSample:
        """The sample as this layout shows it: the middle rows of the square."""
        width = len(sample.image)
        height = round(HEIGHT_OVER_WIDTH * width)
        top = (width - height) // 2
        rows = slice(top, top + height)
        up = np.array([0, top])
        return replace(
            sample,
            image=sample.image[rows],
            mask=sample.mask[rows],
            K=sample.K - [[0, 0, 0], [0, 0, top], [0, 0, 0]],
            keypoints_2d=sample.keypoints_2d - up,
            detected=np.where(sample.confidence[:, None] > 0, sample.detected - up, 0),
        )

    def write_sample(self, root: Path, split: str, number: int, sample: SyntheticSample) -> None:
        """Writes a sample's image and its pickle."""
        sequence, _, frame = frame_name(split, number).partition("/")
        folder = root / FOLDERS[split] / sequence
        quality = [cv2.IMWRITE_JPEG_QUALITY, sample.jpeg_quality] if self.suffix == ".jpg" else ()
        write_image(folder / "rgb" / f"{frame}{self.suffix}", sample.image[..., ::-1], quality)
        meta = _meta(sample, labelled=split == "training")
        (folder / "meta" / f"{frame}.pkl").write_bytes(pickle.dumps(meta, PICKLE_PROTOCOL))

    def label_rows(self, split: str, first: int, samples: Iterable[SyntheticSample]) -> dict[str, list]:
        """The rows of some samples, for each JSON file of labels; training's labels are in the pickles."""
        if split == "training":
            return {}
        points = {name: [] for name in LABEL_FILES}
        for sample in samples:
            points["joints"].append(_stored(sample.joints[list(FREIHAND_TO_HO3D)]).tolist())
            points["vertices"].append(_stored(sample.vertices).tolist())
        return {LABEL_FILES[name]: rows for name, rows in points.items()}

    def write_detections(self, root: Path, split: str, found: Detections) -> None:
        """Writes a split's detections, one file for each sequence."""
        for start in range(0, len(found), FRAMES_PER_SEQUENCE):
            sequence = frame_name(split, start).partition("/")[0]
            rows = slice(start, start + FRAMES_PER_SEQUENCE)
            part = Detections(found.keypoints[rows], found.confidence[rows])
            write_detections(root / DETECTION_FOLDER / sequence / "detect.json", part)


def frame_name(split: str, number: int) -> str:
    """``<sequence>/<frame>`` of a sample."""
    sequence, frame = divmod(number, FRAMES_PER_SEQUENCE)
    return f"{SEQUENCE_PREFIXES[split]}{sequence}/{frame:04d}"


def _meta(sample: SyntheticSample, *, labelled: bool) -> dict:
    """A frame's pickle: all joints and MANO's parameters in training, root and box in evaluation.

    The hand layer's constant rotation is also the change from one camera frame to the other, so the rotation
    from MANO's own axes to OpenGL's has it on both sides. MANO turns about the wrist, the hand layer about
    the origin, so ``handTrans`` is what takes the resting wrist to the posed one.
    """
    joints = _stored(sample.joints[list(FREIHAND_TO_HO3D)])
    if not labelled:
        box = [*sample.keypoints_2d.min(0).tolist(), *sample.keypoints_2d.max(0).tolist()]
        return {"camMat": sample.K, "handJoints3D": joints[0], "handBoundingBox": box}
    turn = Rotation.from_rotvec(sample.rotation)
    resting_wrist = turn.inv().apply(sample.joints[0] - sample.place)
    rotation = (MANO_ROOT * turn * MANO_ROOT).as_rotvec()
    return {
        "camMat": sample.K,
        "handJoints3D": joints,
        "handPose": np.concatenate([rotation, sample.pose]),
        "handBeta": sample.betas,
        "handTrans": joints[0] - resting_wrist,
    }


def _stored(points: np.ndarray) -> np.ndarray:
    """Points (N, 3) in OpenGL's frame, rounded."""
    return (points * OPENGL_TO_CAMERA).round(METRE_DECIMALS)
