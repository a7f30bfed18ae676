"""The samples of a report: predicted anew, a few at a time, as scenes that the page shows in 3D."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from s2hand.datasets import CombinedDataset, HandDataset
from s2hand.experiment.datasets import sample_name
from s2hand.experiment.experiment import Experiment
from s2hand.geometry.mirror import mirror_camera, mirror_faces, mirror_points
from s2hand.pages import HandShape, ReportSample, SceneHand, report_sample, vertex_colors
from s2hand.prediction.reconstruction import LIGHT_DIRECTION
from s2hand.structures import HandBatch, HandPrediction
from s2hand.visualize.photo import Overlay
from s2hand.visualize.pixels import to_array, to_image


def predicted_samples(
    experiment: Experiment, name: str, indices: Sequence[int], with_truth: bool
) -> Iterator[ReportSample]:
    """Predicts samples, a few at a time.

    Args:
        experiment: its network predicts.
        name: the dataset's.
        indices: the samples' numbers.
        with_truth: whether true vertices correspond to the predicted ones, and are shown.
    """
    dataset, size = experiment.val_datasets[name], experiment.config.val_batch
    faces = experiment.hand_model.faces
    for start in range(0, len(indices), size):
        chunk = indices[start : start + size]
        batch, prediction = experiment.panel_maker.predict(dataset, chunk)
        for row, index in enumerate(chunk):
            yield _sample(dataset, index, row, batch, prediction, faces, with_truth)


def _sample(
    dataset: HandDataset | CombinedDataset,
    index: int,
    row: int,
    batch: HandBatch,
    prediction: HandPrediction,
    faces: np.ndarray,
    with_truth: bool,
) -> ReportSample:
    """A sample as the network sees it, but with left hands, which it sees in a mirror, as left ones.

    Args:
        dataset: names the sample.
        index: its number there.
        row: its place in the batch.
        batch: image, camera and labels.
        prediction: the network's answer.
        faces: (F, 3) of the right hand's mesh.
        with_truth: whether to show the true vertices.
    """

    def values(source: HandBatch | HandPrediction, field: str) -> np.ndarray | None:
        found = getattr(source, field)
        return None if found is None else to_array(found[row])

    image, K = to_image(batch.image[row]), values(batch, "K")
    still = Overlay.of_photo(image).with_hand(prediction.vertices[row], torch.from_numpy(faces), batch.K[row])
    still = still.image
    points = {
        "vertices": values(prediction, "vertices"),
        "joints": values(prediction, "joints"),
        "gt_vertices": values(batch, "gt_vertices") if with_truth else None,
        "gt_joints": values(batch, "gt_joints"),
    }
    textures, light = values(prediction, "face_textures"), values(prediction, "light")
    # The renderer's colours: textures pass through tanh before they are lit.
    colors = None if textures is None else vertex_colors(np.tanh(textures), faces)
    mirrored = batch.mirrored is not None and bool(batch.mirrored[row])
    if mirrored:
        image, still = (np.ascontiguousarray(pixels[:, ::-1]) for pixels in (image, still))
        K, faces = mirror_camera(K, image.shape[1]), mirror_faces(faces)
        points = {field: None if array is None else mirror_points(array) for field, array in points.items()}
        if light is not None:
            light[LIGHT_DIRECTION] = mirror_points(light[LIGHT_DIRECTION])
    hand = SceneHand("Left hand" if mirrored else "Right hand", faces, colors, light)
    shape = HandShape(**points, confidence=values(batch, "confidence"))
    return report_sample(
        sample_name(dataset, index), image, (image.shape[1], image.shape[0]), K, hand, shape, still
    )
