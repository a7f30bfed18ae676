"""Records the network's maps of the published picture at the detector's four scales, which take 20 s a core.

``PYTHONPATH=tests python tests/support/record_openpose_maps.py`` writes them anew, after the whole detector
has given the published peaks and confidences.
"""

import numpy as np
import torch

from s2hand.detection.openpose import OpenPoseEstimator
from s2hand.detection.openpose.network import BACKGROUND
from support.rule_weights import FIXTURES, rule_network

RECORDED = FIXTURES / "openpose_maps.npz"


class RecordingNetwork(torch.nn.Module):
    """The network, and the joints' maps that it gave by their height."""

    def __init__(self, network):
        super().__init__()
        self.network, self.maps = network, {}

    def set_precision(self, dtype):
        return self

    def forward(self, image):
        maps = self.network(image)
        self.maps[str(maps.shape[-2])] = maps[:, :BACKGROUND].numpy().astype(np.float16)
        return maps


def main():
    published = np.load(FIXTURES / "openpose.npz")
    recording = RecordingNetwork(rule_network())
    peaks, confidence = OpenPoseEstimator(recording).peaks(published["image0"][None, ..., ::-1])
    assert np.abs(peaks[0] - published["peaks0"]).max() <= 1
    np.testing.assert_allclose(confidence[0], published["confidence0"], atol=1e-3)
    np.savez_compressed(RECORDED, **recording.maps)


if __name__ == "__main__":
    main()
