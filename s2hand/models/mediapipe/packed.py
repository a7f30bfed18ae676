"""Convolutions prepared for inference on the CPU: weights packed, the activation done on the way, no padding.

PyTorch's CPU library, oneDNN, reorders a convolution's weights at every call and clips its output in a pass
of its own. The operators that compiled networks use do neither, and need no compiler. Answers differ in
rounding alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2hand.models.mediapipe.blocks import SameConv2d

UNIT_DILATION = [1, 1]


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
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.geometry, list(input_size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h / stride, w / stride), channels last."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, *self.activation, ""
        )


@torch.no_grad()
def pack_convolutions(net: nn.Module, image_size: int) -> nn.Module:
    """Replaces a network's convolutions, in place, by packed ones, which can be neither trained nor moved.

    Args:
        net: on the CPU.
        image_size: side of its images in pixels.

    Returns:
        The network.
    """
    sizes: dict[nn.Module, tuple[int, ...]] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs: sizes.update({module: inputs[0].shape}))
        for module in net.modules()
        if isinstance(module, SameConv2d)
    ]
    net(torch.zeros(1, 3, image_size, image_size).to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, SameConv2d):
                setattr(parent, name, PackedConv2d(child, sizes[child]))
    return net
