"""The images to detect on: a folder, a pattern, a file, a video, FreiHAND or HO-3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from s2hand.datasets.freihand import DETECTION_FILES, FreiHandDataset
from s2hand.datasets.ho3d import DETECTION_FOLDER, Ho3dDataset
from s2hand.errors import DatasetError
from s2hand.images.crops import DEFAULT_MARGIN
from s2hand.images.images import read_image
from s2hand.images.listing import list_photos, passed_over, photo_names
from s2hand.images.photos import read_photo
from s2hand.images.videos import FRAME_NAME, VideoFrames, is_video


@dataclass(frozen=True)
class HandImage:
    """One hand in one image.

    Attributes:
        name: the image's name relative to the source, with ``/``; the same for an image's second hand.
        key: what the source reads it by: a path, or the number of a video's frame.
        box: (x, y, width, height) px of the hand; None takes the whole image.
        hand: "left", "right", or None for the run's default.
        K: (3, 3) px, or None.
    """

    name: str
    key: Path | int
    box: tuple[float, ...] | None = None
    hand: str | None = None
    K: np.ndarray | None = None


@dataclass(frozen=True)
class ImageSource:
    """Images in a fixed order, and the places of their published detections.

    Attributes:
        kind: photos, video, freihand or ho3d.
        images: what to detect, in order.
        read: takes an image's key and returns (H, W, 3) uint8 RGB; raises DatasetError. One thread at a time
            calls it.
        published: file -> indices of the ``images`` that its rows hold, -1 for a row without an image. Empty
            if only the caller can name the file.
        notes: lines for the user on what is missing.
    """

    kind: str
    images: tuple[HandImage, ...]
    read: Callable[[Path | int], np.ndarray]
    published: dict[Path, list[int]]
    notes: tuple[str, ...] = ()

    def with_images(self, images: list[HandImage]) -> ImageSource:
        """The same source with other boxes and hands."""
        return replace(self, images=tuple(images))


def open_source(source: str | Path, split: str | None = None) -> ImageSource:
    """Finds the images that a path names.

    Args:
        source: a folder of photos, a pattern such as ``"trip/*.jpg"``, a photo, a video, or the folder of
            FreiHAND or HO-3D, which is recognised by its lists.
        split: a dataset's split, training or evaluation; None takes training.

    Raises:
        DatasetError: there is nothing to read.
    """
    path = Path(source).expanduser()
    splits = ("training", "evaluation") if split is None else (split,)
    if path.is_dir():
        for name in splits:
            if (path / f"{name}_K.json").is_file():
                return _freihand(path, name)
            ho3d_name = "train" if name == "training" else name
            if (path / f"{ho3d_name}.txt").is_file() and (path / ho3d_name).is_dir():
                return _ho3d(path, ho3d_name)
    if split is not None:
        raise DatasetError(f"{source}: no {split} split of FreiHAND or HO-3D there: leave out --split")
    if path.is_file() and is_video(path):
        return _video(path)
    return _photos(path)


def _photos(path: Path) -> ImageSource:
    found = list_photos(path)
    images = tuple(map(HandImage, photo_names(path, found), found))
    others = passed_over(path)
    notes = (f"passed over: {others}",) if others else ()
    return ImageSource("photos", images, read_photo, {}, notes)


def _freihand(root: Path, split: str) -> ImageSource:
    """Only the images before the green screen: the other versions show the same poses."""
    dataset = FreiHandDataset(root, split, detections=None, versions=[0])
    records = [dataset.record(index) for index in range(len(dataset))]
    images = tuple(
        HandImage(record.image_path.relative_to(dataset.root).as_posix(), record.image_path, K=record.K)
        for record in records
    )
    published = {dataset.root / DETECTION_FILES[split]: list(range(len(images)))}
    return ImageSource("freihand", images, read_image, published)


def _ho3d(root: Path, split: str) -> ImageSource:
    """Frames with the dataset's own square about the hand as box; published rows are frame numbers."""
    dataset = Ho3dDataset(root, split, detections=None)
    images = []
    rows: dict[str, dict[int, int]] = {}
    for index, frame in enumerate(dataset.frames):
        record = dataset.record(index)
        name = record.image_path.relative_to(dataset.root).as_posix()
        images.append(HandImage(name, record.image_path, _box_in(record.crop), K=record.K))
        sequence, _, number = frame.partition("/")
        rows.setdefault(sequence, {})[int(number)] = index
    published = {
        dataset.root / DETECTION_FOLDER / sequence / "detect.json": [
            by_number.get(number, -1) for number in range(max(by_number) + 1)
        ]
        for sequence, by_number in rows.items()
    }
    return ImageSource("ho3d", tuple(images), read_image, published)


def _box_in(square: tuple[float, float, float]) -> tuple[float, ...]:
    """The box whose square with the usual margin is a given one."""
    left, top, side = square
    inner = side / (1 + 2 * DEFAULT_MARGIN)
    return (left + (side - inner) / 2, top + (side - inner) / 2, inner, inner)


def _video(path: Path) -> ImageSource:
    frames = VideoFrames(path)
    count = frames.count()
    images = tuple(
        HandImage(FRAME_NAME.format(video=path.name, frame=number), number) for number in range(count)
    )
    missing = frames.shortfall(count)
    return ImageSource("video", images, frames.read, {}, (f"{path.name}: {missing}",) if missing else ())
