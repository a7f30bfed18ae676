"""Which photos nothing of the bundled network was fitted to, persons and copies kept apart.

The folder of photos holds ``letters`` (American Sign Language Letters by David Lee), ``digits`` (Sign
Language Digits Dataset), ``gestures`` (HandsDataset by SubhiH, cropped to the hand), ``people`` (some of the
same whole) and ``green`` (rps-cv-images by Julien de la Bruère-Terreault). The first three are halved; the
bundled network was fitted to one half. All of any other folder is held out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

FOLDERS = ("letters", "digits", "gestures")
"""The folders whose fit half was used."""

FIT_LETTERS = "ACEGIKMOQSUWY"
FIRST_HELD_OUT_DIGIT = 4946
FIT_SESSIONS = ("2", "15", "16", "25", "26", "35", "96")

DEFAULT_COUNT, DEFAULT_SEED = 200, 3
"""Photos that are drawn from each folder, and the seed of the draw."""


def in_fit_half(name: str) -> bool:
    """Whether a photo belongs to the half that is fitted to; the other half is held out.

    Letters: every other letter of the alphabet, so that neither augmented copies nor takes of one sign in one
    scene are parted. Digits: about half of the persons, who were photographed one after the other. Gestures
    and people: by the recording that the photo is a frame of.

    Args:
        name: path of the photo in the folder of photos, with forward slashes.
    """
    folder, file = name.split("/")[0], name.split("/")[-1]
    if folder == "letters":
        return file[0] in FIT_LETTERS
    if folder == "digits":
        number = re.search(r"_(\d+)", file)
        return number is not None and int(number[1]) < FIRST_HELD_OUT_DIGIT
    return folder in ("gestures", "people") and file.split("_pic")[0] in FIT_SESSIONS


def without_copies(names: Sequence[str]) -> list[str]:
    """The first of the augmented copies of each letter's take; names of other folders as they are."""
    first: dict[str, str] = {}
    for name in sorted(names):
        first.setdefault(name.split("_")[0] if name.startswith("letters/") else name, name)
    return list(first.values())


def held_out(names: Sequence[str]) -> list[str]:
    """The photos that a benchmark may measure, one of each take."""
    return without_copies([name for name in names if not in_fit_half(name)])
