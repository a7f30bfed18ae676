"""The page's opening picture: the inputs above the hands found in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.panels import OTHER_VIEW_DEG, evaluation_panel
from s2hand.visualize.sheets import GAP, QUIET_INK
from s2hand.visualize.text import draw_text, fit_text

HERO_TILE_PX = 256
LABEL_PX = 16
LABEL_BAND_PX = 30


def hero_strip(
    batch: HandBatch,
    prediction: HandPrediction,
    indices: Sequence[int],
    faces: Tensor,
    *,
    tile: int = HERO_TILE_PX,
    yaw_deg: float = OTHER_VIEW_DEG,
) -> np.ndarray:
    """One column per sample: the input, the predicted hand laid over it, and the hand from another side.

    Args:
        batch: the samples.
        prediction: what the network says of them.
        indices: which of them, left to right.
        faces: (F, 3) vertex numbers.
        tile: side of a tile in pixels.
        yaw_deg: turn of the other view about the vertical axis, degrees.

    Returns:
        (H, W, 3) uint8, rows labelled at the left.
    """
    keys = ("input", "portrait", "other_view")
    rows = {key: [] for key in keys}
    for index in indices:
        for key in keys:
            panel = evaluation_panel(
                batch, prediction, index, torch.as_tensor(faces), tile=tile, yaw_deg=yaw_deg, columns=[key]
            )
            rows[key] += [np.full((tile, GAP, 3), 255, np.uint8), panel]
    labels = ("input", "predicted hand", f"turned {yaw_deg:.0f}°")
    bands = []
    for key, label in zip(keys, labels, strict=True):
        row = np.concatenate([_upright_label(label, tile), *rows[key][1:]], 1)
        bands += [row, np.full((GAP, row.shape[1], 3), 255, np.uint8)]
    return np.pad(np.concatenate(bands[:-1]), ((GAP, GAP), (0, GAP), (0, 0)), constant_values=255)


def _upright_label(text: str, length: int) -> np.ndarray:
    """A label that reads upwards, (length, LABEL_BAND_PX, 3)."""
    text, size = fit_text(text, length, LABEL_PX, bold=True)
    band = np.full((LABEL_BAND_PX, length, 3), 255, np.uint8)
    middle = (length / 2, LABEL_BAND_PX / 2)
    return np.rot90(draw_text(band, text, middle, size, anchor="mm", bold=True, color=QUIET_INK))
