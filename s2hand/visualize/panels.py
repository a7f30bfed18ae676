"""Evaluation panels: what went in, what the network says of it, one row of tiles per sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.drawing import draw_keypoints
from s2hand.visualize.pictures import composite, resize, to_picture
from s2hand.visualize.shading import depth_picture
from s2hand.visualize.sheets import framed, tile_row
from s2hand.visualize.text import draw_badge
from s2hand.visualize.views import View, render_from, render_view

TILE_PX = 224
OTHER_VIEW_DEG = 60.0
BADGE_FRACTION = 1 / 17
"""Size of a tile's label as a fraction of its side."""


@dataclass(frozen=True)
class Sample:
    """One sample of a batch with its prediction, drawn at a tile's size.

    Attributes:
        batch, prediction: of which this is sample ``index``.
        index: position in the batch.
        faces: (F, 3) vertex numbers.
        tile: side of a tile in pixels.
        yaw_deg: turn of the other view in degrees.
        caption: label of the input tile or None.
    """

    batch: HandBatch
    prediction: HandPrediction
    index: int
    faces: Tensor
    tile: int
    yaw_deg: float
    caption: str | None

    @cached_property
    def picture(self) -> np.ndarray:
        """The input (tile, tile, 3) uint8."""
        return resize(to_picture(self.batch.image[self.index]), self.tile, self.tile)

    @property
    def scale(self) -> float:
        """Tile pixels per image pixel."""
        return self.tile / self.batch.image.shape[-1]

    @cached_property
    def view(self) -> View:
        """The hand as the input's camera sees it."""
        to_tile = torch.diag(self.batch.K.new_tensor([self.scale, self.scale, 1.0]))
        K = to_tile @ self.batch.K[self.index]
        return render_view(self._of("vertices"), self.faces, K, self.tile, *self._appearance())

    @cached_property
    def other_view(self) -> View:
        """The hand turned by ``yaw_deg``."""
        return render_from(self._of("vertices"), self.faces, self.tile, self.yaw_deg, *self._appearance())

    def _of(self, name: str) -> Tensor | None:
        values = getattr(self.prediction, name)
        return None if values is None else values[self.index].detach().float()

    def _appearance(self) -> tuple[Tensor | None, Tensor | None]:
        return self._of("face_textures"), self._of("light")

    def badge(self, picture: np.ndarray, text: str) -> np.ndarray:
        """Labels a tile at its lower left corner."""
        return draw_badge(picture, text, max(9, round(self.tile * BADGE_FRACTION)))


def _input(sample: Sample) -> np.ndarray:
    return sample.badge(sample.picture, sample.caption) if sample.caption else sample.picture


def _detected(sample: Sample) -> np.ndarray:
    keypoints = sample.batch.keypoints_2d[sample.index] * sample.scale
    confidence = None if sample.batch.confidence is None else sample.batch.confidence[sample.index]
    return draw_keypoints(sample.picture, keypoints, confidence)


def _projected(sample: Sample) -> np.ndarray:
    return draw_keypoints(sample.picture, sample.prediction.keypoints_2d[sample.index] * sample.scale)


def _heatmap(sample: Sample) -> np.ndarray:
    return draw_keypoints(
        sample.picture, sample.prediction.heatmap_keypoints[-1, sample.index] * sample.scale
    )


def _shape(sample: Sample) -> np.ndarray:
    return composite(sample.picture, sample.view.clay(), sample.view.silhouette)


def _textured(sample: Sample) -> np.ndarray:
    return composite(sample.picture, sample.view.rgb, sample.view.silhouette)


def _portrait(sample: Sample) -> np.ndarray:
    return composite(sample.picture, sample.view.smooth, sample.view.silhouette)


def _silhouette(sample: Sample) -> np.ndarray:
    return to_picture(sample.view.silhouette)


def _depth(sample: Sample) -> np.ndarray:
    rgb, limits = depth_picture(sample.view.surface, sample.tile)
    text = f"{limits[0] * 100:.1f} to {limits[1] * 100:.1f} cm" if limits else "nothing in view"
    return sample.badge(to_picture(rgb), text)


def _other_view(sample: Sample) -> np.ndarray:
    return to_picture(sample.other_view.smooth)


@dataclass(frozen=True)
class Column:
    """A column of the panel.

    Attributes:
        title: its title; ``{yaw}`` stands for the other view's turn.
        draw: makes the tile of a sample.
        needs: what it shows, as ``batch.`` or ``prediction.`` fields: the column is left out without it.
        default: whether it is drawn without being asked for.
    """

    title: str
    draw: Callable[[Sample], np.ndarray]
    needs: tuple[str, ...] = ()
    default: bool = True


COLUMNS = {
    "input": Column("input", _input),
    "detected": Column("detected", _detected, ("batch.keypoints_2d",)),
    "heatmap": Column("2D branch", _heatmap, ("prediction.heatmap_keypoints",)),
    "projected": Column("projected", _projected, ("prediction.keypoints_2d",)),
    "shape": Column("shape", _shape, ("prediction.vertices",)),
    "textured": Column("texture + light", _textured, ("prediction.vertices", "prediction.face_textures")),
    "portrait": Column("predicted hand", _portrait, ("prediction.vertices",), default=False),
    "silhouette": Column("silhouette", _silhouette, ("prediction.vertices",)),
    "depth": Column("depth", _depth, ("prediction.vertices",)),
    "other_view": Column("turned {yaw:.0f}°", _other_view, ("prediction.vertices",)),
}
"""The panel's columns by key, left to right.

``textured`` is what the training's renderer draws, face by face; ``portrait`` and ``other_view`` show it with
normals and colours interpolated.
"""


def evaluation_panel(
    batch: HandBatch,
    prediction: HandPrediction,
    index: int,
    faces: Tensor,
    *,
    tile: int = TILE_PX,
    yaw_deg: float = OTHER_VIEW_DEG,
    caption: str | None = None,
    columns: Sequence[str] | None = None,
) -> np.ndarray:
    """One sample as a row of tiles; :func:`panel_titles` names its columns.

    Columns whose data the batch or the prediction lacks are left out. Renderings are made anew at the tile's
    size, so they are sharp whatever size the network works at.

    Args:
        batch: the samples, S x S pixels.
        prediction: what the network says of them.
        index: which of them.
        faces: (F, 3) vertex numbers of the hand.
        tile: side of a tile in pixels.
        yaw_deg: turn of the other view about the vertical axis, degrees.
        caption: label of the input tile, such as the sample's number and error.
        columns: keys of ``COLUMNS`` to draw, by default all but ``portrait``.

    Returns:
        (tile, W, 3) uint8.

    Raises:
        ValueError: if a column is unknown or the data for it are missing.
    """
    sample = Sample(batch, prediction, index, torch.as_tensor(faces), tile, yaw_deg, caption)
    present = _present_columns(batch, prediction, columns)
    return tile_row([framed(column.draw(sample)) for column in present])


def panel_titles(
    batch: HandBatch,
    prediction: HandPrediction,
    yaw_deg: float = OTHER_VIEW_DEG,
    columns: Sequence[str] | None = None,
) -> list[str]:
    """Titles of the columns that :func:`evaluation_panel` draws for this batch and prediction."""
    return [column.title.format(yaw=yaw_deg) for column in _present_columns(batch, prediction, columns)]


def _present_columns(
    batch: HandBatch, prediction: HandPrediction, keys: Sequence[str] | None
) -> list[Column]:
    """The wanted columns, or all whose data are there."""
    sources = {"batch": batch, "prediction": prediction}

    def present(need: str) -> bool:
        source, field = need.split(".")
        return getattr(sources[source], field) is not None

    available = {key: column for key, column in COLUMNS.items() if all(map(present, column.needs))}
    if keys is None:
        return [column for column in available.values() if column.default]
    if missing := [key for key in keys if key not in available]:
        raise ValueError(f"no such column or no data for it: {missing}; available: {list(available)}")
    return [available[key] for key in keys]
