"""Figures of an evaluation: sheets of samples, one a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2hand.datasets import HandDataset, collate_hands
from s2hand.models import HandNet, detections_for
from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize import evaluation_panel, evaluation_sheet, panel_titles

SAMPLES_SHOWN = 6


@dataclass(frozen=True)
class PanelMaker:
    """Draws a network's answers to samples of a dataset.

    Attributes:
        model: the network, in evaluation mode.
        faces: (F, 3) of the hand's mesh.
        parts: what the network computes for a sheet, of "hand", "heatmaps" and "texture".
    """

    model: HandNet
    faces: Tensor
    parts: Collection[str]

    def spread_sheet(self, dataset: HandDataset) -> np.ndarray:
        """A sheet of ``SAMPLES_SHOWN`` samples, spread evenly over the dataset; see :meth:`sheet`."""
        count = min(SAMPLES_SHOWN, len(dataset))
        return self.sheet(dataset, np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist())

    def sheet(self, dataset: HandDataset, indices: Sequence[int]) -> np.ndarray:
        """A sheet of chosen samples.

        Args:
            dataset: where the samples come from.
            indices: the samples' numbers.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            ValueError: the parts hold neither the hand nor heat maps.
        """
        batch, prediction = self.predict(dataset, indices)
        if prediction.vertices is None and prediction.heatmap_keypoints is None:
            raise ValueError("nothing to show: test_requires asks for neither joints nor heatmaps")
        rows = [evaluation_panel(batch, prediction, index, self.faces) for index in range(len(indices))]
        return evaluation_sheet(rows, panel_titles(batch, prediction))

    @torch.no_grad()
    def predict(self, dataset: HandDataset, indices: Sequence[int]) -> tuple[HandBatch, HandPrediction]:
        """The samples as a batch, and the network's answer to them, both on the CPU."""
        batch = collate_hands([dataset[index] for index in indices])
        moved = batch.to(next(self.model.parameters()).device)
        known = detections_for(self.model, moved)
        return batch, self.model(moved.image, moved.K, self.parts, **known).to("cpu")
