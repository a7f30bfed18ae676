"""OpenPose's hand network: a convolutional pose machine (Simon et al., CVPR 2017; Wei et al., CVPR 2016).

A VGG-style trunk leads to 128 features at stride 8; six stages answer 22 maps each, 21 joints and the
background, every stage after the first from the maps before it and the features. Layers have the names of
``hand_pose_model.pth``, the hand model of OpenPose's PyTorch port, whose state dict is flat.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from s2hand.errors import S2HandError, reason_of
from s2hand.files import sha256_of_file
from s2hand.torch_files import read_torch_file
from s2hand.torch_pickle import without_wrapper

STRIDE = 8
"""Input pixels per cell of a map."""

NUM_MAPS = 22
BACKGROUND = 21
"""Index of the background's map, which belongs to no joint."""

FEATURES = 128
STAGES = 6
POOL = "pool"

TRUNK = (
    *(("conv1_1", 3, 64), ("conv1_2", 64, 64), POOL),
    *(("conv2_1", 64, 128), ("conv2_2", 128, 128), POOL),
    *(("conv3_1", 128, 256), *((f"conv3_{number}", 256, 256) for number in (2, 3, 4)), POOL),
    *(("conv4_1", 256, 512), *((f"conv4_{number}", 512, 512) for number in (2, 3, 4))),
    *(("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3_CPM", 512, FEATURES)),
)
"""The 3 x 3 convolutions (name, channels in, channels out), each followed by a ReLU; three are followed by a
2 x 2 max pooling."""

WIDE_LAYERS = 5
"""Number of 7 x 7 convolutions in each stage after the first; two 1 x 1 convolutions follow them."""

REMEDY = "get hand_pose_model.pth of OpenPose's PyTorch port again"


class DetectorWeightsError(S2HandError):
    """A file of weights cannot be read, or belongs to another network."""


class OpenPoseHandNet(nn.Module):
    """The network: 760,000 multiplications per input pixel, all of them in convolutions."""

    def __init__(self):
        super().__init__()
        for layer in TRUNK:
            if layer != POOL:
                self._add(*layer, kernel=3)
        self._add("conv6_1_CPM", FEATURES, 512, kernel=1)
        self._add("conv6_2_CPM", 512, NUM_MAPS, kernel=1)
        for stage in range(2, STAGES + 1):
            for number in range(1, WIDE_LAYERS + 1):
                channels = NUM_MAPS + FEATURES if number == 1 else FEATURES
                self._add(f"Mconv{number}_stage{stage}", channels, FEATURES, kernel=7)
            self._add(f"Mconv6_stage{stage}", FEATURES, FEATURES, kernel=1)
            self._add(f"Mconv7_stage{stage}", FEATURES, NUM_MAPS, kernel=1)

    def _add(self, name: str, in_channels: int, out_channels: int, kernel: int) -> None:
        self.add_module(name, nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2))

    @property
    def last_layer(self) -> nn.Conv2d:
        """The convolution that yields the last stage's maps."""
        return self.get_submodule(f"Mconv7_stage{STAGES}")

    def set_precision(self, dtype: torch.dtype) -> OpenPoseHandNet:
        """Converts all layers to ``dtype`` except the last one, which stays float32.

        This costs one part in ten thousand. Only the maps' peaks count, and a half precision would round them
        to three digits.

        Returns:
            The network itself.
        """
        self.to(dtype)
        self.last_layer.float()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Computes the last stage's maps.

        Args:
            image: (B, 3, H, W) BGR / 256 - 0.5; H and W divisible by ``STRIDE``.

        Returns:
            (B, 22, H / 8, W / 8) float32: about 1 where a joint is, about 0 elsewhere; the last map is
            the background.
        """
        layers = self._modules
        x = image.to(layers["conv1_1"].weight.dtype)
        for layer in TRUNK:
            x = nn.functional.max_pool2d(x, 2) if layer == POOL else layers[layer[0]](x).relu_()
        features = x
        maps = layers["conv6_2_CPM"](layers["conv6_1_CPM"](features).relu_())
        for stage in range(2, STAGES + 1):
            x = torch.cat([maps, features], 1)
            for number in range(1, WIDE_LAYERS + 2):
                x = layers[f"Mconv{number}_stage{stage}"](x).relu_()
            head = layers[f"Mconv7_stage{stage}"]
            maps = head(x.to(head.weight.dtype))
        return maps


def load_openpose(path: str | Path) -> tuple[OpenPoseHandNet, str]:
    """Reads ``hand_pose_model.pth`` without running code that it might hold.

    Args:
        path: a file that holds a flat state dict.

    Returns:
        The network in evaluation mode, and the file's SHA-256 in hexadecimal.

    Raises:
        DetectorWeightsError: the file is missing or damaged, or holds other weights.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DetectorWeightsError(f"no file {path}: expected hand_pose_model.pth of OpenPose's PyTorch port")
    try:
        weights = read_torch_file(path)
    except (OSError, pickle.UnpicklingError) as error:
        raise DetectorWeightsError(
            f"{path}: cannot be read as torch weights ({reason_of(error)}): {REMEDY}"
        ) from None
    if isinstance(weights, dict):
        weights = without_wrapper(weights)
    with torch.device("meta"):  # shapes alone, not 37 million random weights that would be overwritten
        network = OpenPoseHandNet()
    _check_weights(path, weights, network.state_dict())
    network.load_state_dict({name: weight.float() for name, weight in weights.items()}, assign=True)
    return network.eval().requires_grad_(False), sha256_of_file(path)


def _check_weights(path: Path, weights: object, expected: Mapping[str, Tensor]) -> None:
    """Compares names, shapes and dtypes with the network's; the error names the first difference."""
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DetectorWeightsError(f"{path}: expected a flat dict of tensors by layer: {REMEDY}")
    missing = [name for name in expected if name not in weights]
    unknown = [str(name)[:80] for name in weights if name not in expected]
    if missing or unknown:
        raise DetectorWeightsError(
            f"{path}: not the hand network's weights: {len(missing)} of {len(expected)} are missing"
            f"{f' (first {missing[0]})' if missing else ''}, {len(unknown)} are unknown"
            f"{f' (first {unknown[0]})' if unknown else ''}: {REMEDY}"
        )
    for name, weight in expected.items():
        found = weights[name]
        if found.shape != weight.shape or not found.is_floating_point():
            raise DetectorWeightsError(
                f"{path}: {name} is {tuple(found.shape)} {found.dtype}, expected floating point of "
                f"{tuple(weight.shape)}: {REMEDY}"
            )
        if not found.isfinite().all():
            raise DetectorWeightsError(f"{path}: {name} holds values that are not finite numbers: {REMEDY}")
