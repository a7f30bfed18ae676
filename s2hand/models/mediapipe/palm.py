"""MediaPipe's full palm detector: a single-shot network with a small feature pyramid, and what it answers."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2hand.models.mediapipe.blocks import BlazeBlock, SameConv2d

PALM_IMAGE_SIZE = 192
"""Side of the letterboxed photo in pixels."""

BOX_VALUES = 18
"""Numbers per anchor: centre x, y, width, height of the palm's box, then x, y of seven points."""

FINE_ANCHORS, COARSE_ANCHORS = 2, 6
"""Anchors per cell of the 24 x 24 and of the 12 x 12 map."""

STAGE_CHANNELS = (32, 64, 128, 256, 256)
"""Channels at strides 2, 4, 8, 16 and 32."""

BLOCKS_PER_STAGE = 4
BLOCKS_AFTER_MERGING = 2


class PalmOutput(NamedTuple):
    """What the palm detector answers for every anchor, those of the 24 x 24 map first.

    Attributes:
        boxes: (B, 2016, 18) px of the letterboxed photo, relative to the anchor's centre.
        logits: (B, 2016) of there being a palm.
    """

    boxes: Tensor
    logits: Tensor


class UpBlock(nn.Module):
    """Doubles a map's sides, adapts its channels and adds the map of that size from the way down."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.pointwise = SameConv2d(in_channels, out_channels, 1)
        self.activation = nn.PReLU(out_channels)
        self.blocks = nn.Sequential(
            *(BlazeBlock(out_channels, out_channels) for _ in range(BLOCKS_AFTER_MERGING))
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, in, h, w) and (B, out, 2h, 2w) to (B, out, 2h, 2w)."""
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.blocks(self.activation(self.pointwise(x)).add_(skip))


class AnchorHead(nn.Module):
    """Reads boxes and logits of every anchor off a map."""

    def __init__(self, channels: int, anchors: int):
        super().__init__()
        self.boxes = SameConv2d(channels, anchors * BOX_VALUES, 1)
        self.logits = SameConv2d(channels, anchors, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) to boxes (B, h * w * anchors, 18) and logits (B, h * w * anchors), row by row."""
        boxes = self.boxes(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, BOX_VALUES)
        return boxes, self.logits(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    """One block that halves the map's sides, and four that keep them."""
    return nn.Sequential(
        BlazeBlock(in_channels, out_channels, stride=2),
        *(BlazeBlock(out_channels, out_channels) for _ in range(BLOCKS_PER_STAGE)),
    )


class PalmNet(nn.Module):
    """The palm detector (Zhang et al., "MediaPipe Hands", 2020; weights of November 2021's full model)."""

    def __init__(self):
        super().__init__()
        first, *others = STAGE_CHANNELS
        self.stem = SameConv2d(3, first, 5, stride=2)
        self.stem_activation = nn.PReLU(first)
        self.stem_blocks = nn.Sequential(*(BlazeBlock(first, first) for _ in range(BLOCKS_PER_STAGE)))
        self.stages = nn.ModuleList(
            _stage(low, high) for low, high in zip(STAGE_CHANNELS[:-1], others, strict=True)
        )
        self.up_coarse = UpBlock(STAGE_CHANNELS[4], STAGE_CHANNELS[3])
        self.up_fine = UpBlock(STAGE_CHANNELS[3], STAGE_CHANNELS[2])
        self.coarse_head = AnchorHead(STAGE_CHANNELS[3], COARSE_ANCHORS)
        self.fine_head = AnchorHead(STAGE_CHANNELS[2], FINE_ANCHORS)

    def forward(self, image: Tensor) -> PalmOutput:
        """Looks for palms.

        Args:
            image: (B, 3, 192, 192) RGB in [0, 1].
        """
        x = self.stem_blocks(self.stem_activation(self.stem(image)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        _, fine, coarse, coarsest = maps
        coarse = self.up_coarse(coarsest, coarse)
        fine = self.up_fine(coarse, fine)
        answers = zip(self.fine_head(fine), self.coarse_head(coarse), strict=True)
        return PalmOutput(*(torch.cat(pair, dim=1) for pair in answers))
