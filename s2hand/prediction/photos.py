"""Which photos and videos to predict from, and what their results are called."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2hand.images.listing import list_photos, photo_names
from s2hand.images.videos import is_video

INDEX_STEM = "index"
"""Stem of index.json, which lists everything that was written."""

OWN_ENDING = re.compile(r"\.(hand\d+|mask|overlay|skinned|robot)$")
"""What follows the photo's stem in the names of files that are written."""

LONGEST_STEM_BYTES = 180
"""Limit of a file's name before its ending: systems take 255 bytes, and partial files' names are longer."""


@dataclass(frozen=True)
class Photo:
    """A photo, or a video.

    Attributes:
        path: the file, absolute.
        name: relative to the folder it was found in, with "/", as in detections files.
        stem: what its results are called, without ending; no other photo has the same.
    """

    path: Path
    name: str
    stem: str

    @property
    def root(self) -> Path:
        """The folder that the name is relative to."""
        return self.path.parents[self.name.count("/")]

    @property
    def is_video(self) -> bool:
        return is_video(self.path)


def find_photos(sources: Sequence[str | Path]) -> list[Photo]:
    """Lists the photos and videos of folders, patterns and files.

    Args:
        sources: see :func:`s2hand.images.listing.list_photos`.

    Returns:
        Each photo once, in the order given.

    Raises:
        DatasetError: a source has no photo.
    """
    found: dict[Path, str] = {}
    for source in sources:
        paths = list_photos(source, videos=True)
        for path, name in zip(paths, photo_names(source, paths), strict=True):
            found.setdefault(Path(os.path.abspath(path)), name)
    stems = [str(Path(name).with_suffix("")) for name in found.values()]
    taken = {INDEX_STEM}
    photos = []
    for (path, name), stem in zip(found.items(), stems, strict=True):
        # a.jpg and a.png of one folder keep their endings, and so does a.hand0.jpg, since its results would
        # otherwise be called as those of the first hand of a.jpg; stems that are still the same get a number.
        free = base = _writable(name if stems.count(stem) > 1 or OWN_ENDING.search(stem) else stem)
        number = 2
        while _folded(free) in taken:
            free, number = f"{base}_{number}", number + 1
        taken.add(_folded(free))
        photos.append(Photo(path, name, free))
    return photos


def _folded(stem: str) -> str:
    """The same for stems that some file systems take for one: A and a, or composed and decomposed letters."""
    return unicodedata.normalize("NFC", stem).casefold()


def _writable(stem: str) -> str:
    """A stem that leaves room for endings, and that fits on one line of the files that mention it."""
    stem = "".join(character if character.isprintable() else "_" for character in stem)
    folder, slash, last = stem.rpartition("/")
    return folder + slash + last.encode()[:LONGEST_STEM_BYTES].decode(errors="ignore")
