"""Pictures of an evaluation: a sheet of samples, spread evenly over the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from s2hand.datasets import HandDataset, collate_hands
from s2hand.structures import HandBatch, HandPrediction
from s2hand.training.reporting import RunRecorder
from s2hand.training.trainer import Progress
from s2hand.visualize import evaluation_panel, evaluation_sheet, panel_titles

if TYPE_CHECKING:
    from s2hand.experiment.run import Experiment

SAMPLES_SHOWN = 6


def write_panels(
    experiment: Experiment, name: str, dataset: HandDataset, recorder: RunRecorder, progress: Progress
) -> None:
    """Saves a sheet of ``SAMPLES_SHOWN`` samples as pictures/NAME_epochNNNN.jpg and in TensorBoard."""
    indices = np.linspace(0, len(dataset) - 1, min(SAMPLES_SHOWN, len(dataset))).round().astype(int)
    sheet = sample_sheet(experiment, dataset, indices.tolist())
    recorder.picture(f"{name}_epoch{progress.epoch:04d}", sheet, step=progress.step)


def sample_sheet(experiment: Experiment, dataset: HandDataset, indices: list[int]) -> np.ndarray:
    """A sheet of chosen samples, one a row.

    Args:
        experiment: whose network predicts.
        dataset: the samples'.
        indices: which samples.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    batch, prediction = predict_samples(experiment, dataset, indices)
    if prediction.vertices is None and prediction.heatmap_keypoints is None:
        raise ValueError("nothing to show: test_requires asks for neither joints nor heatmaps")
    faces = torch.from_numpy(experiment.hand_model.faces)
    rows = [evaluation_panel(batch, prediction, index, faces) for index in range(len(indices))]
    return evaluation_sheet(rows, panel_titles(batch, prediction))


@torch.no_grad()
def predict_samples(
    experiment: Experiment, dataset: HandDataset, indices: list[int]
) -> tuple[HandBatch, HandPrediction]:
    """The network's answer to chosen samples, with texture and light if it has them, on the CPU."""
    batch = collate_hands([dataset[index] for index in indices])
    parts = set(experiment.evaluation_parts)
    if experiment.model.texture_light_head is not None and "hand" in parts:
        parts.add("texture")
    experiment.model.eval()
    moved = batch.to(experiment.device)
    prediction = experiment.model(moved.image, moved.K, parts)
    return batch, prediction.to("cpu")
