"""The regressors: the hand and its errors from the pooled feature, texture and light from the low-level one.

They compute in float32 even under autocast: half precision would round a translation of 0.65 m to
millimetres.
"""

import math

import torch
from torch import Tensor, nn

from s2hand.skeleton import NUM_BETAS, NUM_JOINTS
from s2hand.structures import HandParameters

INITIAL_SCALE = 0.95
INITIAL_TRANSLATION = (0.0, 0.0, 0.65)
"""Metres. As published, the hand starts in front of the camera and fills much of a FreiHAND crop."""

SMALL_STD = 1e-3
"""Standard deviation of the initial weights of layers that should start by yielding their bias."""

MEAN_SKIN_COLOR = (200 / 256, 150 / 256, 150 / 256)
LIGHT_SIZE = 11
TEXTURE_MAP_SIZE = 56
"""Side of the low-level map that the texture trunk is designed for: 224 px at stride 4."""

LEAST_ERROR, LARGEST_ERROR = 0.002, 0.25
"""Bounds of the error expected of a joint, in sides of the image: 0.4 and 56 px of 224. Beyond them a
likelihood rewards nothing but sureness, or gives a joint up."""

INITIAL_ERROR = 0.05


class HandHead(nn.Module):
    """Regresses pose, shape, rotation, translation and scale of the hand.

    Attributes:
        use_mean_shape: yield the mean shape (betas 0). The shape head stays, so that checkpoints fit.
    """

    def __init__(
        self, in_channels: int, num_pca: int = 30, num_betas: int = NUM_BETAS, use_mean_shape: bool = False
    ):
        """Builds trunk and heads.

        Args:
            in_channels: C, width of the encoder's feature.
            num_pca: number of components of the pose basis.
            num_betas: number of components of the shape basis.
            use_mean_shape: see the class.
        """
        super().__init__()
        self.use_mean_shape = use_mean_shape
        self.trunk = nn.Sequential(
            *(nn.Linear(in_channels, 1024), nn.BatchNorm1d(1024), nn.ReLU()),
            *(nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU()),
        )
        self.pose = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, num_pca))
        self.shape = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, num_betas))
        self.translation = _narrow_head(3)
        self.rotation = _narrow_head(3)
        self.scale = _narrow_head(1)
        _start_at(self.translation, INITIAL_TRANSLATION)
        _start_at(self.scale, (INITIAL_SCALE,))

    def forward(self, feature: Tensor) -> HandParameters:
        """Regresses hand parameters.

        Args:
            feature: (B, C) the encoder's pooled feature.

        Returns:
            The parameters, float32 under autocast. The scale may be negative; its absolute value counts.
        """
        with torch.autocast(feature.device.type, enabled=False):
            trunk = self.trunk(feature.to(self.scale[0].weight.dtype))
            betas = self.shape(trunk)
            return HandParameters(
                hand_pose=self.pose(trunk),
                betas=torch.zeros_like(betas) if self.use_mean_shape else betas,
                rotation=self.rotation(trunk),
                translation=self.translation(trunk),
                scale=self.scale(trunk).squeeze(-1),
            )


class TextureLightHead(nn.Module):
    """Regresses one colour per face and one light from the encoder's low-level map."""

    def __init__(self, in_channels: int, num_faces: int = 1538):
        """Builds trunk and heads.

        Args:
            in_channels: Cl, width of the low-level map.
            num_faces: F, number of faces of the hand model.
        """
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(in_channels, 48, 10, stride=4, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(48, 64, 3), nn.ReLU(), nn.MaxPool2d(2, stride=2)),
        )
        self.texture = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, num_faces * 3))
        self.light = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, LIGHT_SIZE))
        self.register_buffer("mean_color", torch.tensor(MEAN_SKIN_COLOR), persistent=False)
        _start_at(self.texture, 0.0)
        # Intensities, colours and direction all start at 1, so the first renderings show the mean skin.
        _start_at(self.light, 1.0)

    def forward(self, low_features: Tensor) -> tuple[Tensor, Tensor]:
        """Regresses texture and light.

        Args:
            low_features: (B, Cl, h, w). Maps of another size are resampled bilinearly to 56 x 56, so the
                published layer sizes hold at any image size.

        Returns:
            Face textures (B, F, 3), RGB before light, and the light (B, 11); float32 under autocast.
        """
        with torch.autocast(low_features.device.type, enabled=False):
            low_features = low_features.to(self.mean_color.dtype)
            if low_features.shape[-2:] != (TEXTURE_MAP_SIZE, TEXTURE_MAP_SIZE):
                low_features = nn.functional.interpolate(
                    low_features, size=TEXTURE_MAP_SIZE, mode="bilinear", align_corners=False
                )
            trunk = self.trunk(low_features).flatten(1)
            face_textures = self.texture(trunk).unflatten(1, (-1, 3)) + self.mean_color
            return face_textures, self.light(trunk)


class ConfidenceHead(nn.Module):
    """Regresses how far from its projection each joint is expected, see :mod:`s2hand.losses.likelihood`."""

    def __init__(self, in_channels: int):
        """Builds the layers.

        Args:
            in_channels: C, width of the hand head's input.
        """
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.BatchNorm1d(in_channels), nn.Linear(in_channels, 128), nn.ReLU()),
            nn.Linear(128, NUM_JOINTS),
        )
        share = math.log(INITIAL_ERROR / LEAST_ERROR) / math.log(LARGEST_ERROR / LEAST_ERROR)
        _start_at(self.layers[-1:], math.log(share / (1 - share)))

    def forward(self, hand_input: Tensor) -> Tensor:
        """Regresses the errors.

        Args:
            hand_input: (B, C) what the hand head reads.

        Returns:
            (B, 21) mean distances in sides of the image, between ``LEAST_ERROR`` and ``LARGEST_ERROR``;
            float32 under autocast.
        """
        with torch.autocast(hand_input.device.type, enabled=False):
            share = self.layers(hand_input.to(self.layers[-1].weight.dtype)).sigmoid()
            return LEAST_ERROR * (LARGEST_ERROR / LEAST_ERROR) ** share


def _narrow_head(size: int) -> nn.Sequential:
    """512-128-ReLU-32-size; as published, there is no activation between the last two layers."""
    return nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 32), nn.Linear(32, size))


@torch.no_grad()
def _start_at(head: nn.Sequential, value: float | tuple[float, ...]) -> None:
    """Initialises a head so that it yields ``value`` almost regardless of its input."""
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=SMALL_STD)
            nn.init.zeros_(layer.bias)
    head[-1].bias.copy_(torch.as_tensor(value))
