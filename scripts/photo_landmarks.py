"""Landmarks of the folder of photos that the lift's statistics come from.

:mod:`s2hand.benchmark.photo_split` says what the folder holds. Its ``reference.json`` is what the published
MediaPipe solution finds in each photo, as a list of hands with ``xyz``, ``world`` and ``hand``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s2hand.models.hand_view import HandLandmarks

FOCAL_PER_DIAGONAL = 1.125
"""Focal length in diagonals of the photo, as these crops do not tell theirs."""


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
