"""Checkpoints of small untrained networks, for tests of what is done with trained ones."""

import torch

from s2hand.checkpoints.checkpoint import write_checkpoint
from s2hand.config import config_from_dict
from s2hand.hand import load_hand_model
from s2hand.models import build_hand_net

SIZE = 64

E2E = {
    "train_datasets": ["Synthetic"],
    "synthetic_base_path": "unused",
    "losses": ["tsa_poses", "open_2dj", "hm_integral", "texture"],
    "train_requires": ["joints", "verts", "textures", "lights", "heatmaps"],
    "test_requires": ["joints", "verts"],
    "image_size": SIZE,
    "backbone": "test_resnet",
    "hourglass_stacks": 1,
    "hourglass_features": 16,
    "hourglass_modules": 1,
    "base_out_path": "unused",
    "device": "cpu",
}


def write_own(path, **changes):
    """A checkpoint of an untrained network whose answers depend on the picture; returns the network too."""
    config = config_from_dict(E2E | changes)
    torch.manual_seed(0)
    model = build_hand_net(config, config.network_parts, load_hand_model("generic")).eval()
    if model.hand_head is not None:
        model.hand_head.rotation[-1].bias.data.copy_(torch.tensor([0.2, 0.3, -0.4]))
        model.hand_head.trunk[0].weight.data *= 50
        for layer in (model.hand_head.pose, model.hand_head.rotation):
            layer[-1].weight.data.normal_(std=0.3)
    write_checkpoint(path, {"model": model.state_dict(), "config": config.to_json()})
    return model
