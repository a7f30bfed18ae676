"""This project's own 2D branch as a detector: keypoints in square images, each with a confidence."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from s2hand.models.hourglass import KeypointNet

NEAR = 1 / 20
"""A joint counts as near its keypoint within this share of the image's side: 11 of 224 pixels, or nearly
three cells of a map."""

LEAST_CELLS = 1.5
"""Smallest radius in cells, so that the circle holds some cells in small images too."""

AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class HourglassEstimator:
    """Finds the keypoints of one hand per image with a trained :class:`KeypointNet`.

    Args:
        network: the 2D branch.
        image_size: S, side in pixels of the images that it was trained on.
        precision: fp32, bf16 or fp16.
        device: where the network runs.
    """

    name = "hourglass"
    whole_images = False
    pixel_origin = 0.0
    """The network answers in the coordinates of its training data."""

    def __init__(
        self,
        network: KeypointNet,
        image_size: int,
        *,
        precision: str = "fp32",
        device: torch.device | str = "cpu",
    ):
        self.device = torch.device(device)
        self.precision = precision
        self.crop_size = image_size
        self.network = network.to(self.device).eval()

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds keypoints.

        Args:
            images: (B, S, S, 3) uint8 RGB.

        Returns:
            (B, 21, 2) float32 px, and (B, 21) float32 confidences as :func:`map_confidence` defines them.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).movedim(-1, 1)
        dtype = AUTOCAST_DTYPES.get(self.precision)
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
            found = self.network(pixels.float() / 255)
        keypoints = found.keypoints[-1].float()
        confidence = map_confidence(
            found.heatmaps[-1].float(), keypoints, self.network.input_size, NEAR * self.crop_size
        )
        return keypoints.cpu().numpy(), confidence.cpu().numpy()


def map_confidence(heatmaps: Tensor, keypoints: Tensor, size: int, radius: float) -> Tensor:
    """The probability, according to the heat map, that a joint is near its keypoint.

    A map with all its mass in a few cells about the keypoint gives nearly 1. A map with two modes has its
    mass far from the keypoint, which is their mean, and gives little. A uniform map gives the circle's share
    of the image. This is the network's own estimate; it is not calibrated against errors.

    Args:
        heatmaps: (B, J, n, n) unnormalised log-probabilities.
        keypoints: (B, J, 2) (u, v) px.
        size: N, side in pixels of the square that the maps span, corners aligned.
        radius: the circle's radius in px; at least ``LEAST_CELLS`` cells.

    Returns:
        (B, J) in [0, 1].
    """
    cells = heatmaps.shape[-1]
    spacing = (size - 1) / (cells - 1)
    radius = max(radius, LEAST_CELLS * spacing)
    places = torch.arange(cells, device=heatmaps.device) * spacing
    across = (places - keypoints[..., :1]) ** 2
    down = (places - keypoints[..., 1:]) ** 2
    near = across[..., None, :] + down[..., :, None] <= radius**2
    probabilities = heatmaps.flatten(-2).softmax(-1).view_as(heatmaps)
    return (probabilities * near).sum((-2, -1)).clamp(0, 1)
