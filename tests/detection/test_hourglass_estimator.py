import numpy as np
import pytest
import torch

from s2hand.detection.hourglass_estimator import HourglassEstimator, map_confidence
from s2hand.models import KeypointNet, StackedHourglass

CELLS, SIZE = 16, 64
SPACING = (SIZE - 1) / (CELLS - 1)


def sure_map(*cells):
    """Log-probabilities with all mass spread evenly over some (row, column) cells."""
    heatmap = torch.full((CELLS, CELLS), -1e4)
    for cell in cells:
        heatmap[cell] = 0
    return heatmap


@pytest.mark.parametrize(
    ("cells", "keypoint", "wanted"),
    [
        ([(3, 5)], (5, 3), 1.0),
        ([(3, 5)], (3, 5), 0.0),  # rows are not columns
        ([(3, 5), (3, 6)], (5.5, 3), 1.0),
        ([(3, 2), (3, 12)], (7, 3), 0.0),  # the mean of two places is neither
        ([(3, 5), (3, 6), (3, 7), (14, 14)], (6, 3), 0.75),
    ],
)
def test_confidence_is_the_mass_about_the_keypoint(cells, keypoint, wanted):
    keypoints = torch.tensor(keypoint, dtype=torch.float32)[None, None] * SPACING
    confidence = map_confidence(sure_map(*cells)[None, None], keypoints, SIZE, radius=2 * SPACING)
    assert confidence.item() == pytest.approx(wanted, abs=1e-6)


def test_confidence_of_an_even_map_is_the_circles_share():
    keypoints = torch.full((1, 1, 2), 7.5 * SPACING)
    confidence = map_confidence(torch.zeros(1, 1, CELLS, CELLS), keypoints, SIZE, radius=5 * SPACING)
    assert confidence.item() == pytest.approx(np.pi * 25 / CELLS**2, rel=0.05)


def test_a_small_radius_still_holds_cells():
    keypoints = torch.full((1, 1, 2), 5.5 * SPACING)
    heatmap = sure_map((5, 5), (6, 6))[None, None]
    assert map_confidence(heatmap, keypoints, SIZE, radius=0.1).item() == pytest.approx(1)


def test_the_estimator_answers_what_its_network_answers():
    torch.manual_seed(0)
    network = KeypointNet(StackedHourglass(num_stacks=2, depth=1, num_modules=1, features=8), 40).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 36, 36, 3), np.uint8)
    keypoints, confidence = HourglassEstimator(network, 36)(images)
    with torch.no_grad():
        wanted = network(torch.from_numpy(images).movedim(-1, 1) / 255)
    np.testing.assert_allclose(keypoints, wanted.keypoints[-1].numpy(), atol=1e-4)
    assert confidence.shape == (2, 21)
    assert ((confidence > 0) & (confidence <= 1)).all()
