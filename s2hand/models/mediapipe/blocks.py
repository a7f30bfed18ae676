"""What MediaPipe's two hand networks are built of.

Both were exported from TensorFlow, whose ``same`` padding differs from PyTorch's at stride 2: the rows and
columns that an even side lacks are added after the last one rather than before the first.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's ``same`` padding, for maps whose sides are multiples of the stride."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = True,
        relu6: bool = False,
    ):
        """Builds the convolution.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            kernel_size: side of the kernel, odd.
            stride: 1 or 2.
            groups: 1, or ``in_channels`` for a depthwise convolution.
            bias: whether a bias is added.
            relu6: whether the output is clipped to [0, 6].
        """
        missing = kernel_size - stride if kernel_size > 1 else 0
        symmetric = missing % 2 == 0
        padding = missing // 2 if symmetric else 0
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias)
        self.uneven = None if symmetric else (missing // 2, missing - missing // 2)
        self.relu6 = relu6

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h / stride, w / stride)."""
        if self.uneven is not None:
            x = F.pad(x, self.uneven * 2)
        x = super().forward(x)
        return F.relu6(x, inplace=True) if self.relu6 else x


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen by 1 x 1, filter each channel, narrow by 1 x 1 (Sandler et al., CVPR 2018).

    The input is added where the output has its shape.
    """

    def __init__(self, in_channels: int, expanded: int, out_channels: int, kernel_size: int, stride: int):
        """Builds the block.

        Args:
            in_channels: channels of the input.
            expanded: channels of the filtered map.
            out_channels: channels of the output.
            kernel_size: side of the depthwise kernel.
            stride: the depthwise convolution's stride.
        """
        super().__init__()
        self.expand = SameConv2d(in_channels, expanded, 1, relu6=True)
        self.depthwise = SameConv2d(expanded, expanded, kernel_size, stride, groups=expanded, relu6=True)
        self.project = SameConv2d(expanded, out_channels, 1)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h / stride, w / stride)."""
        out = self.project(self.depthwise(self.expand(x)))
        # In place: nothing else reads a convolution's output, and new memory is what costs time here.
        return out.add_(x) if self.adds_input else out


class BlazeBlock(nn.Module):
    """BlazeFace's block: a 5 x 5 depthwise and a 1 x 1 convolution beside a skip path.

    It is that of Bazarevsky et al., 2019. At stride 2 the skip path is a maximum pool, in which channels that
    the input lacks are zero.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        """Builds the block.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output, not fewer.
            stride: 1 or 2.
        """
        super().__init__()
        self.depthwise = SameConv2d(in_channels, in_channels, 5, stride, groups=in_channels, bias=False)
        self.pointwise = SameConv2d(in_channels, out_channels, 1)
        self.activation = nn.PReLU(out_channels)
        self.stride = stride
        self.added_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h / stride, w / stride)."""
        out = self.pointwise(self.depthwise(x))
        return self.activation(out.add_(skip_path(x, self.stride, self.added_channels)))


def skip_path(x: Tensor, stride: int, added_channels: int) -> Tensor:
    """What a :class:`BlazeBlock` adds to its answer, of its shape; at stride 1 the input itself."""
    skip = F.max_pool2d(x, stride) if stride > 1 else x
    return F.pad(skip, (0, 0, 0, 0, 0, added_channels)) if added_channels else skip
