"""Which files of folders and patterns are photos or videos, what they are called, and what is passed over."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from s2hand.errors import DatasetError
from s2hand.images.images import readable_formats
from s2hand.images.videos import VIDEO_SUFFIXES

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""Format -> endings of photos in it, where this installation can read the format."""

REMEDIES = {"AVIF": "pip install -U pillow", "HEIF": "pip install pillow-heif"}

OTHER_SUFFIXES = (
    ".jxl",
    ".jp2",
    ".psd",
    ".dng",
    ".cr2",
    ".cr3",
    ".nef",
    ".arw",
    ".orf",
    ".rw2",
    ".raf",
)
"""Endings of images that are not read as photos: other codecs and cameras' raw data."""


def photo_suffixes() -> tuple[str, ...]:
    """Endings of the photos that this installation can read."""
    return tuple(suffix for kind in SUFFIXES if kind in readable_formats() for suffix in SUFFIXES[kind])


def list_photos(source: str | Path, *, videos: bool = False) -> list[Path]:
    """The photos that a folder (with its sub-folders), a pattern such as ``"trip/*.jpg"`` or a file names.

    Files and folders whose names start with a dot are passed over, links to folders are followed, and no
    folder is searched twice. A file named by itself is taken whatever its ending.

    Args:
        source: what to search.
        videos: take videos too.

    Returns:
        Paths, sorted.

    Raises:
        DatasetError: there are no photos.
    """
    if not str(source):  # as of a shell's variable that is not set; a path would take it for this folder
        raise DatasetError("the name of a photo is empty: name a folder, a pattern or a file")
    source = Path(source).expanduser()
    wanted = photo_suffixes() + (VIDEO_SUFFIXES if videos else ())
    files = _files(source)
    photos = files if files == [source] else [path for path in files if path.suffix.lower() in wanted]
    if not photos:
        others = passed_over(source, videos=videos)
        by_itself = not videos and any(path.suffix.lower() in VIDEO_SUFFIXES for path in files)
        raise DatasetError(
            f"{source}: no photos{' or videos' if videos else ''} there ({', '.join(wanted)}"
            f"{f'; passed over: {others}' if others else ''}): name a folder, a pattern or a file"
            f"{', a video by itself' if by_itself else ''}"
        )
    return sorted(photos)


def passed_over(source: str | Path, *, videos: bool = False) -> str:
    """How many files :func:`list_photos` passes over although they hold images; empty if there are none.

    Returns:
        For example "3 .heic (pip install pillow-heif), 1 .cr2".
    """
    known = {suffix: REMEDIES.get(kind) for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
    known |= dict.fromkeys((*OTHER_SUFFIXES, *VIDEO_SUFFIXES))
    for suffix in photo_suffixes() + (VIDEO_SUFFIXES if videos else ()):
        known.pop(suffix)
    source = Path(source).expanduser()
    files = _files(source)
    counts = Counter(path.suffix.lower() for path in files if files != [source])
    return ", ".join(
        f"{counts[suffix]:,} {suffix}" + (f" ({remedy})" if remedy else "")
        for suffix, remedy in known.items()
        if counts[suffix]
    )


def photo_names(source: str | Path, photos: Sequence[Path]) -> list[str]:
    """The names of photos in detections files: paths from the folder, or from the innermost that holds all.

    Args:
        source: the argument of :func:`list_photos`.
        photos: its result.

    Returns:
        Names with "/", in the same order, none of which leads out of the folder; bytes that are no UTF-8 are
        spelt out, as JSON could not hold them.
    """
    root, normal = Path(source).expanduser(), list(photos)
    if not root.is_dir():  # a pattern may climb: a/*/../../b.jpg
        normal = [Path(os.path.normpath(photo)) for photo in photos]
        root = Path(os.path.commonpath([photo.parent.absolute() for photo in normal]))
        normal = [photo.absolute() for photo in normal]
    names = [photo.relative_to(root).as_posix() for photo in normal]
    return [name.encode("utf-8", "backslashreplace").decode("utf-8") for name in names]


def _files(source: Path) -> list[Path]:
    """All files that a source names, in no particular order."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        return [Path(name) for name in glob.glob(str(source), recursive=True) if os.path.isfile(name)]
    files: list[Path] = []
    seen: set[tuple[int, int]] = set()
    links = [source]
    while links:  # what lies in the folder itself comes before what links lead to
        linked: list[Path] = []
        for link in links:
            for folder, folders, names in os.walk(link):
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                linked += [
                    Path(folder, name) for name in folders if os.path.islink(os.path.join(folder, name))
                ]
                files += [Path(folder, name) for name in names if not name.startswith(".")]
        links = linked
    return files
