"""From the names that other programs' files give to the images of a folder, and their sizes."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

from s2hand.detection.imported_hands import ImageRef
from s2hand.errors import DatasetError, shown
from s2hand.files import inside_folder
from s2hand.images.listing import list_photos, photo_names
from s2hand.images.photos import read_photo_header


class ImageFolder:
    """The images of a folder, found by name, by name without ending, or by COCO's number.

    Args:
        folder: the folder, with its sub-folders.

    Raises:
        DatasetError: it is no folder, or holds no images.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise DatasetError(f"no folder {folder}: name the folder of the images with --images")
        paths = list_photos(self.folder)
        self._paths = dict(zip(photo_names(self.folder, paths), paths, strict=True))
        self._by_key: dict[str | int, list[str]] = {}
        for name in self._paths:
            stem = PurePosixPath(name).with_suffix("")
            for key in (_composed(name), _composed(str(stem))):
                self._by_key.setdefault(key, []).append(name)
            if stem.name.isdecimal():
                self._by_key.setdefault(int(stem.name), []).append(name)
        self._sizes: dict[str, tuple[int, int]] = {}

    def find(self, image: ImageRef, what: str) -> str:
        """The name of an image relative to the folder, with its ending.

        Args:
            image: as a file refers to it.
            what: the file, for messages.

        Raises:
            DatasetError: there is no such image, or several, or the name leads out of the folder.
        """
        if image.name:
            inside = inside_folder(image.name)
            if inside is None:
                raise DatasetError(
                    f"{what}: {shown(image.name)} does not lie inside of --images: names must be relative to "
                    "it"
                )
            key: str | int = _composed(inside)
        else:
            key = image.number
        names = self._by_key.get(key, [])
        if len(names) > 1:
            raise DatasetError(f"{what}: {image} may be {names[0]} or {names[1]} of {self.folder}")
        if not names:
            raise DatasetError(
                f"{what}: {self.folder} holds no image for {shown(str(image))}: name the folder that it was "
                "detected on with --images"
            )
        return names[0]

    def size(self, name: str, image: ImageRef, what: str) -> tuple[int, int]:
        """Width and height in px of the upright image.

        Raises:
            DatasetError: the image cannot be read, or the file states another size.
        """
        if name not in self._sizes:
            header = read_photo_header(self._paths[name])
            self._sizes[name] = header.width, header.height
        size = self._sizes[name]
        if image.size not in (None, size):
            reason = "it was not turned upright by its EXIF entry" if image.size == size[::-1] else "resized?"
            raise DatasetError(
                f"{what}: {name} is stated to have {image.size[0]} x {image.size[1]} px, but has {size[0]} x "
                f"{size[1]} ({reason}): keypoints must be pixels of the upright image"
            )
        return size


def _composed(name: str) -> str:
    """A name in NFC: file systems differ in how letters are composed."""
    return unicodedata.normalize("NFC", name)
