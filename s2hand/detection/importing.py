"""Import of keypoints that other programs detected: what ``s2hand import-detections`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detections import (
    Detections,
    DetectorInfo,
    check_detections,
    write_versioned_detections,
)
from s2hand.datasets.json_files import parse_json
from s2hand.detection.imported_hands import ImportedHand
from s2hand.detection.imported_images import ImageFolder
from s2hand.detection.importing_csv import SHORT_HEADER, is_csv, read_csv
from s2hand.detection.importing_json import (
    is_coco,
    is_mmpose,
    is_openpose,
    read_coco,
    read_mmpose,
    read_openpose,
)
from s2hand.detection.importing_mediapipe import is_mediapipe, read_mediapipe
from s2hand.detection.joint_orders import better_order
from s2hand.errors import DatasetError
from s2hand.files import require_file
from s2hand.images.plausible import NORMALISED
from s2hand.skeleton import NUM_JOINTS

SUFFIXES = (".json", ".csv")
PIXEL_INDEX = 0.5
"""What is added to programs' pixel indices, whose pixel i is at i: here it covers [i, i + 1)."""


@dataclass(frozen=True)
class Format:
    """What another program writes.

    Attributes:
        title: the program's name.
        expected: what a file holds, for messages.
        fits: whether JSON's content is of the format.
        read: content, name without ending and path -> hands, None for those without a joint.
        unit: of the keypoints, for the user.
        shares: whether keypoints are shares of the image.
        origin: px to add to keypoints.
    """

    title: str
    expected: str
    fits: Callable[[Any], bool]
    read: Callable[[Any, str, str], Iterator[ImportedHand | None]]
    unit: str = "pixel indices"
    shares: bool = False
    origin: float = PIXEL_INDEX


FORMATS = {
    "openpose": Format(
        "OpenPose", '{"people": [{"hand_right_keypoints_2d": [...]}]}', is_openpose, read_openpose
    ),
    "coco-wholebody": Format(
        "COCO-WholeBody", "annotations or results with lefthand_kpts and righthand_kpts", is_coco, read_coco
    ),
    "mmpose": Format("MMPose", "instances with keypoints and keypoint_scores", is_mmpose, read_mmpose),
    "mediapipe": Format(
        "MediaPipe",
        '{"hand_landmarks": [...], "handedness": [...]}',
        is_mediapipe,
        read_mediapipe,
        "shares of the image",
        shares=True,
    ),
    "csv": Format(
        "CSV",
        f"the header {SHORT_HEADER}",
        lambda content: isinstance(content, str) and is_csv(content),
        lambda content, stem, path: read_csv(content, path),
        "pixels, pixel i covers i to i + 1",
        origin=0.0,
    ),
}
"""Name -> format."""


def import_detections(
    files: Sequence[str | Path],
    images: str | Path,
    out: str | Path,
    *,
    kind: str | None = None,
    hand: str | None = None,
    keep_labels: bool = False,
    say: Callable[[str], None] = print,
) -> Detections:
    """Reads what other programs detected and writes it as a detections file.

    Args:
        files: files of one format, and folders of such files.
        images: folder of the images.
        out: the versioned JSON.
        kind: a key of ``FORMATS``; None tells it from the content.
        hand: "left" or "right" for hands whose side the files do not say; None takes right ones.
        keep_labels: take MediaPipe's left and right as written; otherwise the other way round, as its labels
            are for mirrored images.
        say: takes each line meant for the user.

    Returns:
        What was written.

    Raises:
        DatasetError: a file is missing, damaged or of another format, names an image that is not in the
            folder, or its numbers have another unit or order of joints than the format.
    """
    folder = ImageFolder(images)
    contents = [(stem, path, *_content(path)) for stem, path in _listed(files)]
    kind = kind or _told_format(contents[0][3], contents[0][1])
    form = FORMATS[kind]
    digest = hashlib.sha256()
    hands: list[tuple[ImportedHand, str]] = []
    empty = 0
    for stem, path, raw, content in contents:
        if not form.fits(content):
            raise DatasetError(f"{path}: expected {form.title}'s {form.expected}{_looks_like(content)}")
        digest.update(raw)
        for found in form.read(content, stem, str(path)):
            empty += found is None
            hands += [] if found is None else [(found, str(path))]
    if not hands:
        raise DatasetError(f"{files[0]}: {form.title}'s files hold no hand ({len(contents):,} files read)")
    info = DetectorInfo(f"imported from {form.title}", digest.hexdigest(), {"format": kind})
    found = _detections(hands, folder, form, hand or "right", kind == "mediapipe" and not keep_labels, info)
    check_detections(found, files[0])
    say(
        f"{form.title}: {len(found):,} hands in {len(set(found.names)):,} images, from {form.unit}"
        + (f"; {empty:,} hands without a joint left out" if empty else "")
    )
    if kind == "mediapipe":
        taken = "as written" if keep_labels else "the other way round, for mirrored images (--keep-labels)"
        say(f"left and right are taken {taken}")
    if unsided := sum(one.hand is None for one, _ in hands):
        say(f"the side of {unsided:,} hands is not told: they are taken for {hand or 'right'} ones (--hand)")
    _check_order(found, files[0], form, say)
    write_versioned_detections(Path(out).expanduser(), found)
    say(f"{out}: written")
    return found


def _listed(files: Sequence[str | Path]) -> list[tuple[str, Path]]:
    """Name without ending and path of each file, with all those in folders."""
    listed = []
    for named in files:
        path = Path(named).expanduser()
        if not path.is_dir():
            listed.append((path.stem, require_file(path, remedy="name the files of a detector")))
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise DatasetError(f"{path}: no {' or '.join(SUFFIXES)} file there")
        listed += [(file.relative_to(path).with_suffix("").as_posix(), file) for file in inside]
    return listed


def _content(path: Path) -> tuple[bytes, Any]:
    """A file's bytes, and its content: parsed JSON, or the text of a table."""
    raw = path.read_bytes()
    if path.suffix.lower() != ".csv":
        return raw, parse_json(raw, path, remedy="expected the JSON of a detector, or a .csv table")
    try:
        return raw, raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not text in UTF-8: save it as such") from None


def _told_format(content: Any, path: Path) -> str:
    """The format that a file's content has."""
    for kind, form in FORMATS.items():
        if form.fits(content):
            return kind
    raise DatasetError(f"{path}: none of the known formats, {', '.join(FORMATS)}; choose one by --from")


def _looks_like(content: Any) -> str:
    kinds = [kind for kind, form in FORMATS.items() if form.fits(content)]
    return f"; it looks like --from {kinds[0]}" if kinds else ""


def _detections(
    hands: list[tuple[ImportedHand, str]],
    folder: ImageFolder,
    form: Format,
    unknown: str,
    swapped: bool,
    info: DetectorInfo,
) -> Detections:
    """The rows of the hands, in pixels of the images, sorted by name."""
    keypoints = np.stack([one.keypoints for one, _ in hands]).astype(np.float64)
    confidence = np.stack([one.confidence for one, _ in hands]).astype(np.float32)
    names = [folder.find(one.image, path) for one, path in hands]
    sizes = np.array(
        [folder.size(name, one.image, path) for name, (one, path) in zip(names, hands, strict=True)], np.int64
    )
    if form.shares:
        if (np.median(np.abs(keypoints), axis=(1, 2)) > NORMALISED).mean() > 0.5:
            raise DatasetError(
                f"{hands[0][1]}: {form.title}'s landmarks are shares of the image, in [0, 1], but these look "
                "like pixels: import the normalised landmarks, or write a .csv"
            )
        keypoints *= sizes[:, None]
    keypoints = np.where(confidence[..., None] > 0, keypoints + form.origin, 0).astype(np.float32)
    other = {"left": "right", "right": "left"} if swapped else {}
    sides = [other.get(one.hand, one.hand) or unknown for one, _ in hands]
    rows = sorted(range(len(hands)), key=lambda row: names[row])
    return Detections(
        keypoints[rows].reshape(-1, NUM_JOINTS, 2),
        confidence[rows],
        tuple(names[row] for row in rows),
        sizes[rows],
        hands=tuple(sides[row] for row in rows),
        detector=info,
    )


def _check_order(found: Detections, path: str | Path, form: Format, say: Callable[[str], None]) -> None:
    """Refuses joints that are certainly in another order, and says it where that is likely."""
    order = better_order(found.keypoints, found.confidence)
    if order is None:
        say("order of the joints: wrist, then thumb to little finger from base to tip, as it looks")
        return
    looks, certain = order
    line = (
        f"{path}: {form.title}'s joints are wrist, then thumb to little finger from base to tip, but these "
        f"look like {looks}"
    )
    if certain:
        raise DatasetError(f"{line}: reorder them, in a .csv for example")
    say(f"{line}; too few hands to be certain")
