"""Without labels an evaluation calls nothing an error: it tells how far predictions are from detections."""

import numpy as np
import pytest
import torch

from s2hand.evaluation.evaluator import evaluate
from s2hand.structures import HandBatch, HandPrediction


class FixedModel(torch.nn.Module):
    """Says the same of every picture."""

    def __init__(self, keypoints):
        super().__init__()
        self.keypoints = keypoints

    def forward(self, image, K, parts):
        count = len(image)
        keypoints = self.keypoints.expand(count, -1, -1)
        return HandPrediction(
            joints=torch.ones(count, 21, 3),
            vertices=torch.ones(count, 778, 3),
            keypoints_2d=keypoints,
            heatmap_keypoints=torch.stack([keypoints + 100, keypoints + torch.tensor([3.0, 4.0])]),
        )


def batches(**changes):
    random = torch.Generator().manual_seed(0)
    for start in (0, 3):
        yield HandBatch(
            image=torch.zeros(3, 3, 32, 32),
            K=torch.eye(3).expand(3, 3, 3),
            index=torch.arange(start, start + 3),
            keypoints_2d=20 * torch.rand(3, 21, 2, generator=random),
            confidence=(torch.rand(3, 21, generator=random) - 0.3).clamp(min=0),
            mirrored=torch.tensor([True, False, start > 0]),
            **changes,
        )


def test_distances_to_the_detector_leave_out_what_it_missed():
    keypoints = 20 * torch.rand(21, 2)
    found = evaluate(FixedModel(keypoints), list(batches()), parts=("hand", "heatmaps"), progress=False)
    expected = {"keypoints_to_detector_px": [], "heatmap_to_detector_px": []}
    for batch in batches():
        for detected, confidence in zip(batch.keypoints_2d, batch.confidence, strict=True):
            for joint in range(21):
                if confidence[joint] > 0:
                    apart = keypoints[joint] - detected[joint]
                    expected["keypoints_to_detector_px"].append(float(apart.norm()))
                    expected["heatmap_to_detector_px"].append(float((apart + torch.tensor([3, 4])).norm()))
    assert found.metrics == pytest.approx(
        {name: np.mean(values) for name, values in expected.items()}, rel=1e-5
    )
    assert found.mirrored.tolist() == [True, False, False, True, False, True]
    assert found.joints.shape == (6, 21, 3)


def test_with_labels_there_are_errors_and_no_distances():
    labelled = batches(gt_keypoints_2d=torch.zeros(3, 21, 2))
    metrics = evaluate(FixedModel(torch.zeros(21, 2)), list(labelled), progress=False).metrics
    assert metrics["keypoints_px"] == 0
    assert not any("to_detector" in name for name in metrics)


def test_nothing_detected_gives_no_figure():
    blind = [HandBatch(**{**vars(batch), "confidence": torch.zeros(3, 21)}) for batch in batches()]
    assert evaluate(FixedModel(torch.zeros(21, 2)), blind, progress=False).metrics == {}
