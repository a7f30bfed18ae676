"""MediaPipe's full hand landmark network: a convolutional trunk, usable alone, and four linear layers."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from s2hand.models.mediapipe.blocks import InvertedResidual, SameConv2d
from s2hand.skeleton import NUM_JOINTS

HAND_IMAGE_SIZE = 224
"""Side of the hand's square in pixels."""

DEPTH_SCALE = 0.4
"""The network's depths are divided by this to have the unit of its x and y (the published graph's value)."""

FEATURE_CHANNELS = 1152
STRIDE4_CHANNELS = 24

STEM_CHANNELS = (24, 16)

BLOCKS = (
    # expanded, out, kernel, stride
    (64, 24, 3, 2),
    (144, 24, 3, 1),
    (144, 40, 5, 2),
    (240, 40, 5, 1),
    (240, 80, 3, 2),
    (480, 80, 3, 1),
    (480, 80, 3, 1),
    (480, 112, 5, 1),
    (672, 112, 5, 1),
    (672, 112, 5, 1),
    (672, 192, 5, 2),
    (1152, 192, 5, 1),
    (1152, 192, 5, 1),
    (1152, 192, 5, 1),
)
"""EfficientNet-B0's rows (Tan and Le, ICML 2019), without squeeze-and-excitation."""

STRIDE4_BLOCKS = 2
"""The blocks after which the map has 56 x 56 cells for the last time."""


class TrunkOutput(NamedTuple):
    """What the trunk answers.

    Attributes:
        stride4: (B, 24, 56, 56) the map of a quarter of the image's side.
        feature: (B, 1152) the last map's mean.
    """

    stride4: Tensor
    feature: Tensor


class HandOutput(NamedTuple):
    """What the landmark network answers about a square around one hand.

    Attributes:
        landmarks: (B, 21, 3) x, y in pixels of the square, z in the same unit times ``DEPTH_SCALE``, less the
            wrist's, smaller nearer; FreiHAND's order.
        presence: (B,) probability that the square shows a hand.
        right: (B,) probability that it is a right hand, in a photo that is not mirrored.
        world: (B, 21, 3) metres about the hand's middle, x right, y down, z away, turned as the square is.
    """

    landmarks: Tensor
    presence: Tensor
    right: Tensor
    world: Tensor


class HandTrunk(nn.Module):
    """The convolutional part of the landmark network, which serves as an encoder of hands as it stands."""

    def __init__(self):
        super().__init__()
        wide, narrow = STEM_CHANNELS
        self.stem = SameConv2d(3, wide, 3, stride=2, relu6=True)
        self.stem_depthwise = SameConv2d(wide, wide, 3, groups=wide, relu6=True)
        self.stem_project = SameConv2d(wide, narrow, 1)
        rows = zip((narrow, *(row[1] for row in BLOCKS[:-1])), BLOCKS, strict=True)
        self.blocks = nn.ModuleList(InvertedResidual(channels, *row) for channels, row in rows)
        self.last_expand = SameConv2d(BLOCKS[-1][1], FEATURE_CHANNELS, 1, relu6=True)
        self.last_depthwise = SameConv2d(
            FEATURE_CHANNELS, FEATURE_CHANNELS, 3, groups=FEATURE_CHANNELS, relu6=True
        )

    def forward(self, image: Tensor) -> TrunkOutput:
        """Encodes hands.

        Args:
            image: (B, 3, 224, 224) RGB in [0, 1].
        """
        x = self.stem_project(self.stem_depthwise(self.stem(image)))
        for block in self.blocks[:STRIDE4_BLOCKS]:
            x = block(x)
        stride4 = x
        for block in self.blocks[STRIDE4_BLOCKS:]:
            x = block(x)
        x = self.last_depthwise(self.last_expand(x))
        return TrunkOutput(stride4, x.mean(dim=(2, 3)))


class HandLandmarkNet(nn.Module):
    """The landmark network (Zhang et al., "MediaPipe Hands", 2020; weights of November 2021's full model)."""

    def __init__(self):
        super().__init__()
        self.trunk = HandTrunk()
        self.landmarks = nn.Linear(FEATURE_CHANNELS, 3 * NUM_JOINTS)
        self.presence = nn.Linear(FEATURE_CHANNELS, 1)
        self.right = nn.Linear(FEATURE_CHANNELS, 1)
        self.world = nn.Linear(FEATURE_CHANNELS, 3 * NUM_JOINTS)

    def forward(self, image: Tensor) -> HandOutput:
        """Reads the landmarks of the hands in squares.

        Args:
            image: (B, 3, 224, 224) RGB in [0, 1], fingers up.
        """
        return self.read(self.trunk(image).feature)

    def read(self, feature: Tensor) -> HandOutput:
        """The answers to a trunk's feature, (B, 1152)."""
        return HandOutput(
            self.landmarks(feature).unflatten(1, (NUM_JOINTS, 3)),
            self.presence(feature).sigmoid()[:, 0],
            self.right(feature).sigmoid()[:, 0],
            self.world(feature).unflatten(1, (NUM_JOINTS, 3)),
        )
