"""Stores synthetic samples as a user's own photos: folders of photos of all shapes, and detections.

``training/`` and ``evaluation/`` are folders as :class:`s2hand.datasets.FolderDataset` reads them: albums of
JPEG and PNG files, ``detections.json``, and the truth in ``truth.json``. Every other hand is a left one,
photos are portrait, landscape and square, some JPEG files are stored turned with an EXIF orientation, and
cameras are known from the detections, or from EXIF, or not at all, in turn. What a photo is like depends on
its number alone, so that even a few photos show some of everything.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from s2hand.datasets.detection_files import write_versioned_detections
from s2hand.datasets.detections import Detections, DetectorInfo
from s2hand.datasets.folder import DETECTIONS_FILE
from s2hand.geometry.mirror import mirror_camera, mirror_keypoints, mirror_points
from s2hand.images.exif import FULL_FRAME_DIAGONAL_MM
from s2hand.synthetic.freihand_layout import METRE_DECIMALS
from s2hand.synthetic.photograph import write_file
from s2hand.synthetic.scene import Framing
from s2hand.synthetic.studio import SyntheticSample

TRUTH_FILE = "truth.json"
PHOTOS_PER_ALBUM = 100
PIXEL_DECIMALS = 3

SHAPES = ((1.0, 0.75), (0.625, 5 / 6), (0.75, 1.0), (0.8, 0.8))
"""Width and height in sides of the square that was drawn: 480 x 360, 300 x 400, 360 x 480, 384 x 384."""

ORIENTATIONS = (1, 6, 1, 3, 1, 8)
"""EXIF orientation of JPEG files, in turn: half of them are stored upright."""

STORED_FROM_UPRIGHT = {1: 0, 3: 2, 6: 1, 8: 3}
"""Quarter turns against the clock that take the upright image to the stored one."""

CAMERA_KNOWN_FROM = ("detections", "exif", "nothing")
PNG_EVERY = 5
FOCAL_RANGE_PX = (180.0, 270.0)
FILL_RANGE = (0.22, 0.42)
OFF_CENTRE = 0.08
"""A phone's camera (0.8 to 1.2 sides), and hands anywhere in the part that every shape shows."""


@dataclass(frozen=True)
class PhotoPlan:
    """The properties of one photo.

    Attributes:
        hand: ``left`` or ``right``.
        shape: one of ``SHAPES``.
        orientation: value of the EXIF tag.
        suffix: ending of the file's name.
        camera: one of ``CAMERA_KNOWN_FROM``.
        has_box: whether the detections have a box about the hand.
    """

    hand: str
    shape: tuple[float, float]
    orientation: int
    suffix: str
    camera: str
    has_box: bool


def plan_photo(number: int) -> PhotoPlan:
    """The properties of the photo with this number; neighbours differ in all of them."""
    suffix = ".png" if number % PNG_EVERY == PNG_EVERY - 1 else ".jpg"
    return PhotoPlan(
        hand=("right", "left")[number % 2],
        shape=SHAPES[number // 3 % len(SHAPES)],
        orientation=1 if suffix == ".png" else ORIENTATIONS[number // 2 % len(ORIENTATIONS)],
        suffix=suffix,
        camera=CAMERA_KNOWN_FROM[number % len(CAMERA_KNOWN_FROM)],
        has_box=number // 4 % 2 == 0,
    )


def photo_name(number: int) -> str:
    """A photo's name relative to its folder."""
    return f"album{number // PHOTOS_PER_ALBUM}/{number:06d}{plan_photo(number).suffix}"


class FolderLayout:
    """One folder of photos for each split; a photo is a part of the square that the studio draws."""

    framing = Framing(FOCAL_RANGE_PX, FILL_RANGE, OFF_CENTRE, region=min(min(shape) for shape in SHAPES))

    def make_folders(self, root: Path, counts: dict[str, int]) -> None:
        """Creates the albums."""
        for split, count in counts.items():
            for number in range(0, count, PHOTOS_PER_ALBUM):
                (root / split / photo_name(number)).parent.mkdir(parents=True)

    def adapt(self, sample: SyntheticSample, number: int) -> SyntheticSample:
        """The part of the square that the photo shows, mirrored if the hand is to be a left one.

        A photo without a K of its own shows the middle: its camera is assumed to look at its centre.
        """
        plan = plan_photo(number)
        side = len(sample.image)
        width, height = (round(share * side) for share in plan.shape)
        left, top = (side - width) // 2, (side - height) // 2
        if plan.camera == "detections":  # cut out of a larger photo: the hand is near a corner
            low, high = sample.keypoints_2d.min(0), sample.keypoints_2d.max(0)
            left = _between(low[0] - 0.2 * width, high[0] - width, low[0], side - width)
            top = _between(low[1] - 0.2 * height, high[1] - height, low[1], side - height)
        part = _cut(sample, left, top, width, height)
        return part if plan.hand == "right" else _mirrored(part)

    def write_sample(self, root: Path, split: str, number: int, sample: SyntheticSample) -> None:
        """Writes a photo, with its orientation and focal length in EXIF as planned."""
        plan = plan_photo(number)
        exif = Image.Exif()
        if plan.orientation != 1:
            exif[ExifTags.Base.Orientation] = plan.orientation
        if plan.camera == "exif":
            diagonal_px = np.hypot(*sample.image.shape[:2])
            film_mm = round(float(sample.K[0, 0]) / diagonal_px * FULL_FRAME_DIAGONAL_MM)
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = film_mm
        stored = np.ascontiguousarray(np.rot90(sample.image, STORED_FROM_UPRIGHT[plan.orientation]))
        encoded = io.BytesIO()
        if plan.suffix == ".png":
            Image.fromarray(stored).save(encoded, "PNG", exif=exif.tobytes())
        else:
            Image.fromarray(stored).save(encoded, "JPEG", quality=sample.jpeg_quality, exif=exif.tobytes())
        write_file(root / split / photo_name(number), encoded.getvalue())

    def label_rows(self, split: str, first: int, samples: Iterable[SyntheticSample]) -> dict[str, list]:
        """The true labels of some samples, for the hand that the photo shows."""
        rows = [
            {
                "name": photo_name(number),
                "hand": sample.hand,
                "K": sample.K.tolist(),
                "keypoints": sample.keypoints_2d.round(PIXEL_DECIMALS).tolist(),
                "joints": sample.joints.round(METRE_DECIMALS).tolist(),
                "vertices": sample.vertices.round(METRE_DECIMALS).tolist(),
            }
            for number, sample in enumerate(samples, first)
        ]
        return {f"{split}/{TRUTH_FILE}": rows}

    def write_detections(self, root: Path, split: str, found: Detections) -> None:
        """Writes a split's detections in the versioned format, with the planned boxes and cameras."""
        numbers = range(len(found))
        plans = [plan_photo(number) for number in numbers]
        with_camera = np.array([plan.camera == "detections" for plan in plans])
        with_box = np.array([plan.has_box for plan in plans])
        complete = replace(
            found,
            names=tuple(photo_name(number) for number in numbers),
            boxes=np.where(with_box[:, None], found.boxes, np.nan),
            cameras=np.where(with_camera[:, None, None], found.cameras, np.nan),
            detector=DetectorInfo("simulated", "", {}),
        )
        write_versioned_detections(root / split / DETECTIONS_FILE, complete)


def _between(wanted: float, least: float, most: float, last: int) -> int:
    """The whole number nearest to ``wanted`` in [least, most] and in [0, last]."""
    return int(np.clip(np.clip(round(wanted), np.ceil(least), np.floor(most)), 0, last))


def _cut(sample: SyntheticSample, left: int, top: int, width: int, height: int) -> SyntheticSample:
    """A part of the image; joints detected outside of it become missed ones."""
    corner = np.array([left, top])
    window = (slice(top, top + height), slice(left, left + width))
    detected = sample.detected - corner
    inside = ((detected >= 0) & (detected < (width, height))).all(-1) & (sample.confidence > 0)
    return replace(
        sample,
        image=sample.image[window],
        mask=sample.mask[window],
        K=sample.K - [[0, 0, left], [0, 0, top], [0, 0, 0]],
        keypoints_2d=sample.keypoints_2d - corner,
        detected=np.where(inside[:, None], detected, 0),
        confidence=np.where(inside, sample.confidence, 0),
    )


def _mirrored(sample: SyntheticSample) -> SyntheticSample:
    """The left hand that a mirror shows; MANO's parameters remain those of the right hand."""
    width = sample.image.shape[1]
    found = sample.confidence[:, None] > 0
    return replace(
        sample,
        image=sample.image[:, ::-1],
        mask=sample.mask[:, ::-1],
        K=mirror_camera(sample.K, width),
        joints=mirror_points(sample.joints),
        vertices=mirror_points(sample.vertices),
        keypoints_2d=mirror_keypoints(sample.keypoints_2d, width),
        detected=np.where(found, mirror_keypoints(sample.detected, width), 0),
        hand="left",
    )
