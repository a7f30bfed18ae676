"""Import of keypoints that other programs detected: what ``s2hand import-detections`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2hand.datasets.detection_files import check_detections, write_versioned_detections
from s2hand.datasets.detections import Detections, DetectorInfo
from s2hand.datasets.json_files import parse_json
from s2hand.detection.imported_hands import ImportedHand
from s2hand.detection.imported_images import ImageFolder
from s2hand.detection.importing_formats import FORMATS, Format
from s2hand.errors import DatasetError
from s2hand.files import require_file
from s2hand.images.joint_orders import better_order
from s2hand.images.plausible import NORMALISED
from s2hand.skeleton import NUM_JOINTS

SUFFIXES = (".json", ".csv")


class _File(NamedTuple):
    """A file: its name without ending, relative to the folder that was named, its path, bytes and content."""

    stem: str
    path: Path
    raw: bytes
    content: Any


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
    contents = [_File(stem, path, *_content(path)) for stem, path in _listed(files)]
    kind = kind or _told_format(contents)
    form = FORMATS[kind]
    hands, empty = _read_hands(contents, form)
    source = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
    if not hands:
        raise DatasetError(f"{source}: {form.title}'s files hold no hand ({len(contents):,} files read)")
    digest = hashlib.sha256(b"".join(file.raw for file in contents)).hexdigest()
    info = DetectorInfo(f"imported from {form.title}", digest, {"format": kind})
    found = _detections(hands, folder, form, hand or "right", kind == "mediapipe" and not keep_labels, info)
    check_detections(found, source)
    say(
        f"{form.title}: {len(found):,} hands in {len(set(found.names)):,} images, from {form.unit}"
        + (f"; {empty:,} hands without a joint left out" if empty else "")
    )
    if kind == "mediapipe":
        taken = "as written" if keep_labels else "the other way round, for mirrored images (--keep-labels)"
        say(f"left and right are taken {taken}")
    if unsided := sum(one.hand is None for one, _ in hands):
        say(f"the side of {unsided:,} hands is not told: they are taken for {hand or 'right'} ones (--hand)")
    _check_order(found, source, form, say)
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


def _told_format(files: Sequence[_File]) -> str:
    """The format that the first file with some content has."""
    first = next((file for file in files if file.content != []), files[0])
    kinds = [kind for kind, form in FORMATS.items() if form.fits(first.content)]
    if not kinds:
        raise DatasetError(f"{first.path}: none of the known formats, {', '.join(FORMATS)}")
    return kinds[0]


def _read_hands(files: Sequence[_File], form: Format) -> tuple[list[tuple[ImportedHand, str]], int]:
    """All hands, each with its file, and the number of those without a joint."""
    hands: list[tuple[ImportedHand, str]] = []
    empty = 0
    for file in files:
        if file.content == []:  # an image without a hand, in several formats
            continue
        if not form.fits(file.content):
            raise DatasetError(
                f"{file.path}: expected {form.title}'s {form.expected}{_looks_like(file.content)}"
            )
        for found in form.read(file.content, file.stem, str(file.path)):
            if found is None:
                empty += 1
            else:
                hands.append((found, str(file.path)))
    return hands, empty


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


def _check_order(found: Detections, source: str, form: Format, say: Callable[[str], None]) -> None:
    """Refuses joints that are certainly in another order, and says it where that is likely."""
    order = better_order(found.keypoints, found.confidence)
    if order is None:
        say("order of joints: wrist, then thumb to little finger, base to tip; nothing speaks against it")
        return
    looks, certain = order
    line = (
        f"{source}: {form.title}'s joints are wrist, then thumb to little finger from base to tip, but these "
        f"look like {looks}"
    )
    if certain:
        raise DatasetError(f"{line}: reorder them, in a .csv for example")
    say(f"{line}; too few hands to be certain")
