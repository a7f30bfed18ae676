"""The demo's figure: the inputs above the hands found in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.panels import OTHER_VIEW_DEG, evaluation_panel
from s2hand.visualize.sheets import GAP, QUIET_INK, tile_row
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
        prediction: the predictions for them.
        indices: which samples to draw, left to right.
        faces: (F, 3) vertex numbers.
        tile: side of a tile in pixels.
        yaw_deg: turn of the other view about the vertical axis, degrees.

    Returns:
        (H, W, 3) uint8, with labels to the left of the rows.
    """
    labels = {"input": "input", "portrait": "predicted hand", "other_view": f"turned {yaw_deg:.0f}°"}
    faces = torch.as_tensor(faces)
    rows = []
    for key, label in labels.items():
        shown = {"tile": tile, "yaw_deg": yaw_deg, "columns": [key]}
        panels = [evaluation_panel(batch, prediction, index, faces, **shown) for index in indices]
        row = np.concatenate([_upright_label(label, tile), tile_row(panels)], 1)
        rows.append(np.pad(row, ((GAP, 0), (0, GAP), (0, 0)), constant_values=255))
    return np.pad(np.concatenate(rows), ((0, GAP), (0, 0), (0, 0)), constant_values=255)


def _upright_label(text: str, length: int) -> np.ndarray:
    """A label that reads upwards, (length, LABEL_BAND_PX, 3)."""
    text, size = fit_text(text, length, LABEL_PX, bold=True)
    band = np.full((LABEL_BAND_PX, length, 3), 255, np.uint8)
    middle = (length / 2, LABEL_BAND_PX / 2)
    return np.rot90(draw_text(band, text, middle, size, anchor="mm", bold=True, color=QUIET_INK))
