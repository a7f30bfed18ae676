"""Networks prepared for inference on the CPU: packed weights, activations and sums done on the way.

PyTorch's CPU library, oneDNN, reorders a convolution's weights at every call and clips its output in a pass
of its own. The operators that compiled networks use do neither, and need no compiler. A 1 x 1 convolution
that ends a block is a product of matrices where channels lie last, and adds itself to the block's skip path.
Answers differ in rounding alone.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2hand.models.mediapipe.blocks import BlazeBlock, InvertedResidual, SameConv2d, skip_path

UNIT_DILATION = [1, 1]

Sizes = dict[nn.Module, tuple[int, ...]]
"""(B, in, h, w) of the input of each convolution."""


def can_pack() -> bool:
    """Whether this build of PyTorch has the operators."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


class PackedConv2d(nn.Module):
    """A :class:`SameConv2d` for inference in float32 on the CPU.

    Args:
        source: the convolution, whose weights are copied.
        input_size: (B, in, h, w), for which the weights are packed; others are worked on too, more slowly.
    """

    def __init__(self, source: SameConv2d, input_size: tuple[int, ...]):
        super().__init__()
        weight, padding = source.weight.detach().clone(), source.padding[0]
        if source.uneven is not None:
            # A row and a column of zeros before the kernel make the padding even, which spares a copy.
            weight, padding = F.pad(weight, (1, 0, 1, 0)), source.uneven[0] + 1
        self.geometry = ([padding] * 2, list(source.stride), UNIT_DILATION, source.groups)
        self.activation = ("hardtanh", [0.0, 6.0]) if source.relu6 else ("none", [])
        self.bias = None if source.bias is None else source.bias.detach().clone()
        self.input_size = list(input_size)
        self.weight = self._packed(weight)

    def _packed(self, weight: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(weight, *self.geometry, self.input_size)

    def __getstate__(self) -> dict[str, Any]:
        """Plain weights, for copies and pickles, which cannot hold packed ones."""
        return self.__dict__ | {"weight": self.weight.to_dense()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.weight = self._packed(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h / stride, w / stride), channels last."""
        return torch.ops.mkldnn._convolution_pointwise.default(
            x, self.weight, self.bias, *self.geometry, *self.activation, ""
        )


class Pointwise(nn.Module):
    """A 1 x 1 :class:`SameConv2d` without activation as a product of matrices; maps must lie channels last.

    Args:
        source: the convolution, whose weights are copied.
    """

    def __init__(self, source: SameConv2d):
        super().__init__()
        self.weight = source.weight.detach()[:, :, 0, 0].t().contiguous()
        self.bias = source.bias.detach().clone()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h, w)."""
        rows = torch.addmm(self.bias, _rows(x), self.weight)
        return rows.view(x.shape[0], *x.shape[2:], rows.shape[1]).permute(0, 3, 1, 2)

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Adds the answer to x, (B, in, h, w), to a map (B, out, h, w), in place."""
        _rows(total).add_(self.bias).addmm_(_rows(x), self.weight)
        return total


def _rows(x: Tensor) -> Tensor:
    """(B, C, h, w), channels last, seen as (B * h * w, C)."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


class PackedInvertedResidual(nn.Module):
    """An :class:`InvertedResidual` for inference in float32 on the CPU.

    Where the block adds its input, the input is overwritten: nothing else may read it.
    """

    def __init__(self, source: InvertedResidual, sizes: Sizes):
        super().__init__()
        self.expand, self.depthwise = (
            PackedConv2d(part, sizes[part]) for part in (source.expand, source.depthwise)
        )
        self.project, self.adds_input = Pointwise(source.project), source.adds_input

    def forward(self, x: Tensor) -> Tensor:
        """As the block's."""
        wide = self.depthwise(self.expand(x))
        return self.project.add_to(x, wide) if self.adds_input else self.project(wide)


class PackedBlazeBlock(nn.Module):
    """A :class:`BlazeBlock` for inference in float32 on the CPU.

    At stride 1 its input is overwritten: nothing else may read it.
    """

    def __init__(self, source: BlazeBlock, sizes: Sizes):
        super().__init__()
        self.depthwise = PackedConv2d(source.depthwise, sizes[source.depthwise])
        self.pointwise, self.activation = Pointwise(source.pointwise), source.activation
        self.stride, self.added_channels = source.stride, source.added_channels

    def forward(self, x: Tensor) -> Tensor:
        """As the block's."""
        filtered = self.depthwise(x)
        skip = skip_path(x, self.stride, self.added_channels)
        return self.activation(self.pointwise.add_to(skip, filtered))


@torch.no_grad()
def pack_network(net: nn.Module, image_size: int) -> nn.Module:
    """Replaces a network's blocks, in place, by packed ones, which can be neither trained nor moved.

    Args:
        net: on the CPU.
        image_size: side of its images in pixels.

    Returns:
        The network.
    """
    sizes: Sizes = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs: sizes.update({module: inputs[0].shape}))
        for module in net.modules()
        if isinstance(module, SameConv2d)
    ]
    net(torch.zeros(1, 3, image_size, image_size).to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    _pack_children(net, sizes)
    return net


def _pack_children(parent: nn.Module, sizes: Sizes) -> None:
    for name, child in parent.named_children():
        if isinstance(child, InvertedResidual):
            setattr(parent, name, PackedInvertedResidual(child, sizes))
        elif isinstance(child, BlazeBlock):
            setattr(parent, name, PackedBlazeBlock(child, sizes))
        elif isinstance(child, SameConv2d):
            setattr(parent, name, PackedConv2d(child, sizes[child]))
        else:
            _pack_children(child, sizes)
