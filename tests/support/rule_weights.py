"""OpenPose's network with the weights that the fixture's results were computed with."""

import json
import math
import zlib
from pathlib import Path

import torch

from s2hand.detection.openpose import OpenPoseHandNet

FIXTURES = Path(__file__).parent.parent / "fixtures"


def rule_weights():
    """A weight is normal noise, seeded by its name's checksum: times sqrt(2 / fan-in), biases times 0.05."""
    shapes = json.loads((FIXTURES / "checkpoint_keys.json").read_text())["hand_pose_model.pth"]
    weights = {}
    for key, shape in shapes.items():
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
        weights[key] = noise * (math.sqrt(2 / math.prod(shape[1:])) if key.endswith("weight") else 0.05)
    return weights


def rule_network():
    with torch.device("meta"):
        network = OpenPoseHandNet()
    network.load_state_dict(rule_weights(), assign=True)
    return network.eval().requires_grad_(False)
