"""The 2D branch: a stacked hourglass (Newell et al., ECCV 2016) and the keypoints read from its heat maps."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2hand.errors import NetworkError
from s2hand.models.integral import integral_keypoints
from s2hand.skeleton import NUM_JOINTS

STEM_STRIDE = 4
"""Pixels of the input per cell of a heat map."""

IMAGE_OFFSET = 0.5
"""Subtracted from an image in [0, 1]."""


@dataclass(frozen=True)
class KeypointOutput:
    """What the 2D branch predicts for a batch.

    Attributes:
        heatmaps: for each stage, (B, J, N / 4, N / 4) log-probabilities, where N is the padded input's side.
        encoding: (B, F, N / 4, N / 4), the last stage's features.
        keypoints: (stages, B, J, 2), expected (u, v) in pixels of the image.
    """

    heatmaps: list[Tensor]
    encoding: Tensor
    keypoints: Tensor


class Residual(nn.Module):
    """Pre-activation bottleneck of 1x1, 3x3 and 1x1 convolutions at half width; keeps the map's size."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        half = out_channels // 2
        self.norm1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, half, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(half), nn.Conv2d(half, half, 3, padding=1)
        self.norm3, self.conv3 = nn.BatchNorm2d(half), nn.Conv2d(half, out_channels, 1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h, w)."""
        # Nothing else reads the normalised maps, so the activations may overwrite them: a third less memory.
        out = self.conv1(self.norm1(x).relu_())
        out = self.conv2(self.norm2(out).relu_())
        out = self.conv3(self.norm3(out).relu_())
        return out + self.skip(x)


class Hourglass(nn.Module):
    """One hourglass: a skip path at this resolution and, recursively, an hourglass at half of it."""

    def __init__(self, depth: int, num_modules: int, features: int):
        """Builds this level and those below it.

        Args:
            depth: number of times that the map is halved.
            num_modules: number of residual modules on each path.
            features: F, channels throughout.
        """
        super().__init__()
        self.skip = _residuals(num_modules, features)
        self.pool = nn.MaxPool2d(2)
        self.down = _residuals(num_modules, features)
        self.inner = (
            Hourglass(depth - 1, num_modules, features) if depth > 1 else _residuals(num_modules, features)
        )
        self.up = _residuals(num_modules, features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, h, w) to (B, F, h, w); h and w divisible by 2^depth."""
        coarse = self.up(self.inner(self.down(self.pool(x))))
        return self.skip(x) + nn.functional.interpolate(coarse, scale_factor=2, mode="nearest")


class Stem(nn.Module):
    """From pixels to F channels at stride 4."""

    def __init__(self, features: int):
        super().__init__()
        quarter, half = features // 4, features // 2
        self.conv, self.norm = nn.Conv2d(3, quarter, 7, stride=2, padding=3), nn.BatchNorm2d(quarter)
        self.residual1 = Residual(quarter, half)
        self.pool = nn.MaxPool2d(2)
        self.residual2 = Residual(half, half)
        self.residual3 = Residual(half, features)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, N, N) to (B, F, N / 4, N / 4)."""
        x = self.pool(self.residual1(self.norm(self.conv(image)).relu_()))
        return self.residual3(self.residual2(x))


class Stack(nn.Module):
    """One stage: hourglass, residuals, linear layer, heat maps; except in the last, also the way back."""

    def __init__(self, depth: int, num_modules: int, features: int, num_joints: int, is_last: bool):
        super().__init__()
        self.hourglass = Hourglass(depth, num_modules, features)
        self.residuals = _residuals(num_modules, features)
        self.linear = nn.Sequential(nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU())
        self.heatmap = nn.Conv2d(features, num_joints, 1)
        self.merge_features = None if is_last else nn.Conv2d(features, features, 1)
        self.merge_heatmaps = None if is_last else nn.Conv2d(num_joints, features, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, h, w) to heat maps (B, J, h, w) and the next stage's input; the last gives the encoding."""
        features = self.linear(self.residuals(self.hourglass(x)))
        heatmaps = self.heatmap(features)
        if self.merge_features is None:
            return heatmaps, features
        return heatmaps, x + self.merge_features(features) + self.merge_heatmaps(heatmaps)


class StackedHourglass(nn.Module):
    """Stem and stacks. The published one has 2 stacks of depth 4, 2 residual modules and 256 features."""

    def __init__(
        self,
        num_stacks: int = 2,
        depth: int = 4,
        num_modules: int = 2,
        features: int = 256,
        num_joints: int = NUM_JOINTS,
    ):
        """Builds the network.

        Args:
            num_stacks: number of stages, each of which refines the one before.
            depth: number of times that each hourglass halves its map.
            num_modules: number of residual modules per path.
            features: F, a multiple of 8.
            num_joints: J, number of heat maps per stage.

        Raises:
            NetworkError: a size is impossible.
        """
        super().__init__()
        if min(num_stacks, depth, num_modules, num_joints) < 1 or features < 8 or features % 8:
            raise NetworkError(
                "hourglass: stacks, depth, modules and joints must be at least 1 and features a positive"
                f" multiple of 8, got {num_stacks}, {depth}, {num_modules}, {num_joints} and {features}"
            )
        self.features = features
        self.size_multiple = STEM_STRIDE * 2**depth
        self.stem = Stem(features)
        self.stacks = nn.ModuleList(
            Stack(depth, num_modules, features, num_joints, is_last=number == num_stacks - 1)
            for number in range(num_stacks)
        )

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Computes heat maps.

        Args:
            image: (B, 3, N, N) centred on 0; N divisible by ``size_multiple`` (64 at depth 4).

        Returns:
            Heat maps (B, J, N / 4, N / 4) of every stage, and the last stage's features (B, F, N / 4, N / 4).
        """
        x = self.stem(image)
        heatmaps = []
        for stack in self.stacks:
            stage_heatmaps, x = stack(x)
            heatmaps.append(stage_heatmaps)
        return heatmaps, x


class KeypointNet(nn.Module):
    """The hourglass, with its input prepared and its keypoints read from the heat maps."""

    def __init__(self, hourglass: StackedHourglass, input_size: int = 256):
        """Wraps an hourglass.

        Args:
            hourglass: the network.
            input_size: N, side in pixels to which images are padded.

        Raises:
            NetworkError: the hourglass cannot halve the maps of this input evenly.
        """
        super().__init__()
        if input_size < 1 or input_size % hourglass.size_multiple:
            raise NetworkError(
                f"hourglass input size {input_size} px must be a multiple of {hourglass.size_multiple} px"
            )
        self.hourglass = hourglass
        self.input_size = input_size

    def forward(self, image: Tensor) -> KeypointOutput:
        """Finds keypoints.

        Args:
            image: (B, 3, S, S) RGB in [0, 1], S at most N. It is padded with black on the right and
                bottom, so pixels keep their coordinates.

        Returns:
            Heat maps, encoding and keypoints in pixels of ``image``.

        Raises:
            ValueError: the image is larger than the input.
        """
        height, width = image.shape[-2:]
        if max(height, width) > self.input_size:
            raise ValueError(
                f"image of {width} x {height} px does not fit the hourglass input of {self.input_size} px:"
                " raise hourglass_input_size or lower image_size"
            )
        padding = (0, self.input_size - width, 0, self.input_size - height)
        heatmaps, encoding = self.hourglass(nn.functional.pad(image, padding) - IMAGE_OFFSET)
        keypoints = torch.stack([integral_keypoints(stage, self.input_size) for stage in heatmaps])
        return KeypointOutput(heatmaps, encoding, keypoints)


def _residuals(count: int, features: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(features, features) for _ in range(count)))
