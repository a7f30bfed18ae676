"""MediaPipe's hand landmark network as an encoder: its trunk's maps and feature, and the landmarks it reads.

The trunk has seen millions of hands, so a small head on top of it starts where a network trained from scratch
arrives after days. It expects a hand with its fingers up in a square of about twice its size.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

from s2hand.models.hand_view import HandLandmarks
from s2hand.models.mediapipe import HandLandmarkNet, load_landmark_net
from s2hand.models.mediapipe.landmarks import (
    DEPTH_SCALE,
    FEATURE_CHANNELS,
    HAND_IMAGE_SIZE,
    STRIDE4_CHANNELS,
)

HAND_BACKBONE = "mediapipe_hand"
"""The encoder's name in configs."""


class HandEncoder(nn.Module):
    """The landmark network, read at two depths like :class:`~s2hand.models.backbone.Backbone`.

    Args:
        pretrained: start from the bundled weights; otherwise from random ones.

    Attributes:
        network: the landmark network.
        feature_channels: C = 1152, width of the pooled feature.
        low_channels: Cl = 24, width of the low-level map.
    """

    name = HAND_BACKBONE
    feature_channels = FEATURE_CHANNELS
    low_channels = STRIDE4_CHANNELS

    def __init__(self, pretrained: bool = True):
        super().__init__()
        self.network = load_landmark_net() if pretrained else HandLandmarkNet()
        # Presence and handedness are the detector's business: here they would never get a gradient.
        del self.network.presence, self.network.right

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes a batch of images.

        Args:
            image: (B, 3, S, S) RGB in [0, 1]; other sides than 224 are resampled bilinearly.

        Returns:
            Low-level features (B, 24, 56, 56) and pooled features (B, 1152).
        """
        if image.shape[-1] != HAND_IMAGE_SIZE:
            size = (HAND_IMAGE_SIZE, HAND_IMAGE_SIZE)
            image = interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        return self.network.trunk(image)

    def landmarks(self, feature: Tensor, K: Tensor, image_size: int) -> HandLandmarks:
        """Reads the landmarks that a feature tells.

        Args:
            feature: (B, 1152).
            K: (B, 3, 3) px of the images.
            image_size: S, side of the images in pixels.

        Returns:
            The landmarks, all certain: one look does not tell where it errs.
        """
        found = self.network.landmarks(feature).unflatten(1, (-1, 3)).float()
        scale = image_size / HAND_IMAGE_SIZE
        # The network counts pixel centres from 0; the project's pixel i covers [i, i + 1).
        return HandLandmarks.from_pixels(
            keypoints_2d=(found[..., :2] + 0.5) * scale,
            K=K,
            depths_px=found[..., 2] / DEPTH_SCALE * scale,
            world=self.network.world(feature).unflatten(1, (-1, 3)).float(),
        )
