"""Optional attention: the 2D branch's encoding weights the channels of the 3D feature."""

from torch import Tensor, nn

ATTENTION_MAP_SIZE = 64
"""Side of the encoding that the layers are designed for: 256 px at stride 4."""


class HeatmapAttention(nn.Module):
    """Turns the hourglass's last encoding into one factor per channel of the encoder's feature."""

    def __init__(self, out_channels: int, features: int = 256):
        """Builds the layers.

        Args:
            out_channels: C, width of the encoder's feature.
            features: F, channels of the hourglass.
        """
        super().__init__()
        self.trunk = nn.Sequential(
            nn.BatchNorm2d(features),
            *(nn.Conv2d(features, 64, 10, stride=7, padding=1), nn.ReLU()),
            *(nn.Conv2d(64, 64, 5, stride=3, padding=1), nn.ReLU()),
            nn.MaxPool2d(3),
        )
        self.weights = nn.Linear(64, out_channels)

    def forward(self, encoding: Tensor) -> Tensor:
        """Computes the factors.

        Args:
            encoding: (B, F, h, w). Maps of another size are resampled bilinearly to 64 x 64.

        Returns:
            (B, C), to be multiplied with the encoder's feature.
        """
        if encoding.shape[-2:] != (ATTENTION_MAP_SIZE, ATTENTION_MAP_SIZE):
            encoding = nn.functional.interpolate(
                encoding, size=ATTENTION_MAP_SIZE, mode="bilinear", align_corners=False
            )
        return self.weights(self.trunk(encoding).flatten(1))
