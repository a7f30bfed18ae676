"""The photos that the lift's statistics come from: their landmarks, and their two halves.

The folder of photos holds ``letters`` (American Sign Language Letters by David Lee), ``digits`` (Sign
Language Digits Dataset), ``gestures`` (HandsDataset by SubhiH, cropped) and ``reference.json``: what the
published MediaPipe solution finds in each photo, as a list of hands with ``xyz``, ``world`` and ``hand``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s2hand.models.hand_view import HandLandmarks

FOLDERS = ("letters", "digits", "gestures")
FIT_LETTERS = "ACEGIKMOQSUWY"
FIRST_HELD_OUT_DIGIT = 4946
FIT_SESSIONS = ("2", "15", "16", "25", "26", "35", "96")

FOCAL_PER_DIAGONAL = 1.125
"""Focal length in diagonals of the photo, as these crops do not tell theirs."""


def in_fit_half(name: str) -> bool:
    """Whether a photo belongs to the half that is fitted to; the other half is held out.

    Letters: every other letter of the alphabet, so that neither augmented copies nor takes of one sign in one
    scene are parted. Digits: about half of the persons, who were photographed one after the other. Gestures:
    by the recording that the photo is a frame of.
    """
    folder, file = name.split("/")[0], name.split("/")[-1]
    if folder == "letters":
        return file[0] in FIT_LETTERS
    if folder == "digits":
        return int(file.split("_")[1].split(".")[0]) < FIRST_HELD_OUT_DIGIT
    return file.split("_pic")[0] in FIT_SESSIONS


def without_copies(names: list[str]) -> list[str]:
    """The first of the augmented copies of each letter's take; names of other folders as they are."""
    first: dict[str, str] = {}
    for name in sorted(names):
        first.setdefault(name.split("_")[0] if name.startswith("letters/") else name, name)
    return list(first.values())


def read_landmarks(photos: Path, names: list[str]) -> tuple[HandLandmarks, Tensor, list[str]]:
    """Landmarks of right and of mirrored left hands; which were left, (B,); the names of their photos."""
    reference = json.loads((photos / "reference.json").read_text())
    rows = [(name, hand) for name in names for hand in reference[name]]
    sizes = {name: Image.open(photos / name).size for name in names}
    matrices = []
    for name, _ in rows:
        width, height = sizes[name]
        focal = FOCAL_PER_DIAGONAL * np.hypot(width, height)
        matrices.append([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    xyz, world, K = (
        torch.tensor(np.array(values), dtype=torch.float32)
        for values in ([hand["xyz"] for _, hand in rows], [hand["world"] for _, hand in rows], matrices)
    )
    left = torch.tensor([hand["hand"] == "left" for _, hand in rows])
    landmarks = HandLandmarks.from_pixels(xyz[..., :2], K, depths_px=xyz[..., 2], world=world)
    return landmarks.mirrored(left), left, [name for name, _ in rows]
