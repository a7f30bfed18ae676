"""Evaluation panels: one row of tiles per sample, which show the input and the prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.drawing import draw_keypoints
from s2hand.visualize.pixels import composite, resize, to_image
from s2hand.visualize.shading import depth_image
from s2hand.visualize.sheets import framed, tile_row
from s2hand.visualize.text import draw_badge
from s2hand.visualize.views import View, render_from, render_view

TILE_PX = 224
OTHER_VIEW_DEG = 60.0
BADGE_FRACTION = 1 / 17
"""Size of a tile's label as a fraction of its side."""


@dataclass(frozen=True)
class Sample:
    """One sample of a batch with its prediction, drawn at the size of a tile.

    Attributes:
        batch, prediction: they hold the sample at position ``index``.
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
    def image(self) -> np.ndarray:
        """The input (tile, tile, 3) uint8."""
        return resize(to_image(self.batch.image[self.index]), self.tile, self.tile)

    @property
    def scale(self) -> float:
        """Tile pixels per image pixel."""
        return self.tile / self.batch.image.shape[-1]

    @cached_property
    def view(self) -> View:
        """The hand as the camera of the input sees it."""
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

    def labelled(self, image: np.ndarray, text: str | None) -> np.ndarray:
        """The tile with a label at its lower left corner, if there is a text."""
        return draw_badge(image, text, max(9, round(self.tile * BADGE_FRACTION))) if text else image

    def skeleton(self, keypoints: Tensor, confidence: Tensor | None = None) -> np.ndarray:
        """The input with its own of a batch's keypoints (B, 21, 2) over it."""
        confidence = None if confidence is None else confidence[self.index]
        return draw_keypoints(self.image, keypoints[self.index] * self.scale, confidence)

    def overlay(self, rgb: np.ndarray) -> np.ndarray:
        """The input with a rendering of the hand over it."""
        return composite(self.image, rgb, self.view.silhouette)

    def depth(self) -> np.ndarray:
        """The depth in colour, labelled with its range."""
        rgb, limits = depth_image(self.view.surface, self.tile)
        text = f"{limits[0] * 100:.1f} to {limits[1] * 100:.1f} cm" if limits else "nothing in view"
        return self.labelled(to_image(rgb), text)


@dataclass(frozen=True)
class Column:
    """A column of the panel.

    Attributes:
        title: its title; ``{yaw}`` stands for the turn of the other view.
        draw: draws the tile of a sample.
        needs: fields of the ``batch`` or the ``prediction`` without which the column is left out.
        default: whether it is drawn without being asked for.
    """

    title: str
    draw: Callable[[Sample], np.ndarray]
    needs: tuple[str, ...] = ("prediction.vertices",)
    default: bool = True


COLUMNS = {
    "input": Column("input", lambda sample: sample.labelled(sample.image, sample.caption), ()),
    "detected": Column(
        "detected",
        lambda sample: sample.skeleton(sample.batch.keypoints_2d, sample.batch.confidence),
        ("batch.keypoints_2d",),
    ),
    "heatmap": Column(
        "2D branch",
        lambda sample: sample.skeleton(sample.prediction.heatmap_keypoints[-1]),
        ("prediction.heatmap_keypoints",),
    ),
    "projected": Column(
        "projected",
        lambda sample: sample.skeleton(sample.prediction.keypoints_2d),
        ("prediction.keypoints_2d",),
    ),
    "shape": Column("shape", lambda sample: sample.overlay(sample.view.clay())),
    "textured": Column(
        "texture + light",
        lambda sample: sample.overlay(sample.view.rgb),
        ("prediction.vertices", "prediction.face_textures"),
    ),
    "portrait": Column("predicted hand", lambda sample: sample.overlay(sample.view.smooth), default=False),
    "silhouette": Column("silhouette", lambda sample: to_image(sample.view.silhouette)),
    "depth": Column("depth", Sample.depth),
    "other_view": Column("turned {yaw:.0f}°", lambda sample: to_image(sample.other_view.smooth)),
}
"""The columns of the panel by key, left to right.

``textured`` shows what the renderer draws in training, face by face; ``portrait`` and ``other_view`` show it
with interpolated normals and colours.
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

    A column is left out where the batch or the prediction lacks its data. Renderings are made at the size of
    the tile, so they are sharp whatever the image size of the network.

    Args:
        batch: the samples, S x S pixels.
        prediction: the predictions for them.
        index: which sample to draw.
        faces: (F, 3) vertex numbers of the hand.
        tile: side of a tile in pixels.
        yaw_deg: turn of the other view about the vertical axis, degrees.
        caption: label of the input tile, such as the number and the error of the sample.
        columns: keys of ``COLUMNS`` to draw, by default all but ``portrait``.

    Returns:
        (tile, W, 3) uint8.

    Raises:
        ValueError: a column is unknown, or its data are missing.
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
    """The columns asked for, or all default columns that have their data."""
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
