"""The 3D encoder: any convolutional network of timm, read at two depths.

The hand's pose comes from the pooled last feature; its texture and light come from an early map of stride 4,
where colours are still local. The published encoder is EfficientNet-B3 with TensorFlow-style 'same' padding
and images in [0, 1].
"""

import difflib

import torch
from torch import Tensor, nn

from s2hand.errors import NetworkError, reason_of

LOW_STRIDE = 4
"""Stride of the low-level map, in pixels of the image."""

DEFAULT_BACKBONE = "tf_efficientnet_b3"


CHOICE = f"choose a convolutional network such as '{DEFAULT_BACKBONE}' or 'resnet50'"

MAX_SHOWN_NAME = 100
"""Longest name in a message, of which a file may hold any; timm's own are shorter."""


class Backbone(nn.Module):
    """A timm network that returns its stride-4 map and its pooled feature.

    For an EfficientNet the feature is the pooled output of the head convolution (1536 channels for B3), and
    the low-level map is the output of the second stage (32 channels). For other networks they are what timm
    pools before its classifier, and the last stage of stride 4. The classifier itself is left out.

    Attributes:
        name: timm's name of the network.
        network: the timm network.
        feature_channels: C, width of the pooled feature.
        low_channels: Cl, width of the low-level map.
    """

    def __init__(self, name: str = DEFAULT_BACKBONE, pretrained: bool = False):
        """Builds the network.

        Args:
            name: a convolutional network of timm, such as ``resnet50``, with or without a pretraining tag.
            pretrained: let timm fetch ImageNet weights (needs an internet connection or timm's cache).
                Whatever the weights, images are fed in [0, 1] without ImageNet's normalisation, as published.

        Raises:
            NetworkError: timm has no such network or cannot build it, or it has no map of stride 4.
        """
        import timm  # takes seconds, which only networks with a backbone are to cost

        super().__init__()
        if not timm.is_model(name):
            raise NetworkError(_unknown_name(name))
        # num_classes=0 drops the classifier: no unused parameter, and none to miss in a checkpoint.
        self.name = name
        try:
            self.network = timm.create_model(name, pretrained=pretrained, num_classes=0)
        except Exception as error:  # a missing download, an unknown tag or an option that the network lacks
            reason = reason_of(error)
            raise NetworkError(f"backbone '{name}' cannot be built ({reason}): {CHOICE}") from None
        stages = getattr(self.network, "feature_info", None) or []
        at_stride = [number for number, stage in enumerate(stages) if stage["reduction"] == LOW_STRIDE]
        if not at_stride or not hasattr(self.network, "forward_intermediates"):
            raise NetworkError(f"backbone '{name}' has no feature map of stride {LOW_STRIDE}: {CHOICE}")
        self._low_stage = at_stride[-1]
        self.low_channels: int = stages[self._low_stage]["num_chs"]
        self.feature_channels: int = getattr(self.network, "head_hidden_size", self.network.num_features)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes a batch of images.

        Args:
            image: (B, 3, S, S) RGB in [0, 1].

        Returns:
            Low-level features (B, Cl, ceil(S / 4), ceil(S / 4)) and pooled features (B, C).
        """
        last, (low_features,) = self.network.forward_intermediates(image, indices=[self._low_stage])
        return low_features, self.network.forward_head(last, pre_logits=True)

    @torch.no_grad()
    def check_size(self, image_size: int) -> None:
        """Refuses a network that cannot take images of a size, or gives other maps than it declares.

        Args:
            image_size: S, side of the images in pixels.

        Raises:
            NetworkError: it does.
        """
        was_training = self.training
        try:
            low_features, feature = self.eval()(torch.zeros(1, 3, image_size, image_size))
            found = low_features.shape[1], feature.shape[1:]
        except Exception as error:  # an assertion on the size, or a map that has shrunk to nothing
            found = reason_of(error)
        self.train(was_training)
        if found != (self.low_channels, (self.feature_channels,)):
            raise NetworkError(
                f"backbone '{self.name}' cannot take images of {image_size} px ({found}): change image_size, "
                f"or {CHOICE}"
            )


def _unknown_name(name: str) -> str:
    import timm

    if len(name) > MAX_SHOWN_NAME:
        name = f"{name[:MAX_SHOWN_NAME]}..."
    close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists the names"
    return f"backbone '{name}' is not a network of timm {timm.__version__}: {hint}"
