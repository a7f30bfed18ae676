"""Keypoints as an input of the hand head: where joints appear in the image says much about where they are in
space.

This goes beyond the paper: there the hand head sees the image feature alone. Short trainings gain most from
it, since lifting points to a pose is a smaller problem than finding them, which the 2D branch learns fast.
"""

import torch
from torch import Tensor

from s2hand.skeleton import NUM_JOINTS

RAY_FEATURES = 2 * NUM_JOINTS
RAY_GAIN = 8.0
"""A hand that fills a FreiHAND crop spans about 0.25 in x / z; this brings it to order 1, as features are."""


def keypoint_rays(keypoints_2d: Tensor, K: Tensor) -> Tensor:
    """Keypoints as directions from the camera, so that they mean the same at every focal length and crop.

    Args:
        keypoints_2d: (B, 21, 2) px.
        K: (B, 3, 3) px.

    Returns:
        (B, 42) x / z and y / z of each joint times ``RAY_GAIN``. No gradient goes back to the keypoints: the
        2D branch learns from detections and ``kp_cons``, not from what would please the hand head.
    """
    rays = (keypoints_2d.detach() - K[:, None, :2, 2]) / torch.diagonal(K[:, :2, :2], dim1=1, dim2=2)[:, None]
    return RAY_GAIN * rays.flatten(1)
