"""Putting a :class:`HandNet` together from plain values."""

from __future__ import annotations

from torch import nn

from s2hand.hand.assets import HandModel
from s2hand.hand.mano import ManoLayer
from s2hand.models.attention import HeatmapAttention
from s2hand.models.backbone import DEFAULT_BACKBONE, Backbone
from s2hand.models.hand_net import HandNet
from s2hand.models.heads import HandHead, TextureLightHead
from s2hand.models.hourglass import KeypointNet, StackedHourglass
from s2hand.models.lifting import RAY_FEATURES


def build_hand_net(
    hand_model: HandModel | None = None,
    renderer: nn.Module | None = None,
    *,
    image_size: int = 224,
    hand: bool = True,
    texture: bool = True,
    heatmaps: bool = True,
    attention: bool = False,
    image_input: bool = True,
    keypoint_input: bool = False,
    backbone: str = DEFAULT_BACKBONE,
    backbone_pretrained: bool = False,
    num_pca: int = 30,
    use_mean_shape: bool = False,
    fingertips: str = "freihand",
    hourglass_stacks: int = 2,
    hourglass_depth: int = 4,
    hourglass_modules: int = 2,
    hourglass_features: int = 256,
    hourglass_input_size: int | None = None,
) -> HandNet:
    """Builds the network; the defaults are the published sizes.

    Args:
        hand_model: the hand's arrays; needed for ``hand``.
        renderer: (vertices, K, face_textures, light) to ``RenderOutput``, or None if nothing is rendered.
        image_size: S, side of the images in pixels.
        hand: with encoder, hand head and hand layer.
        texture: with texture and light head; needs ``hand``.
        heatmaps: with the 2D branch.
        attention: let the 2D branch weigh the encoder's feature; needs ``hand`` and ``heatmaps``.
        image_input: let the hand head read the encoder's feature; ``keypoint_input`` the 2D branch's
            keypoints, which needs ``hand`` and ``heatmaps``.
        backbone: a timm network, see :class:`Backbone`; ``backbone_pretrained`` with timm's weights.
        num_pca: components of the pose basis; ``use_mean_shape`` to answer the mean shape.
        fingertips: which vertices stand for the tips, see :class:`ManoLayer`.
        hourglass_stacks: stages of the hourglass; its other sizes are as :class:`StackedHourglass` says.
        hourglass_input_size: side in pixels that images are padded to. None: the smallest that fits.

    Returns:
        the network, in training mode, on the CPU.

    Raises:
        ValueError: if the values contradict each other or a part refuses its own.
    """
    _check_parts(hand_model, hand, texture, heatmaps, attention, image_input, keypoint_input)
    parts = {}
    if hand:
        parts["backbone"] = encoder = Backbone(backbone, backbone_pretrained)
        width = encoder.feature_channels * image_input + RAY_FEATURES * keypoint_input
        parts["hand_head"] = HandHead(width, num_pca, use_mean_shape=use_mean_shape)
        parts["mano_layer"] = ManoLayer(hand_model, num_pca, fingertips)
    if texture:
        parts["texture_light_head"] = TextureLightHead(encoder.low_channels, len(hand_model.faces))
    if heatmaps:
        sizes = (hourglass_stacks, hourglass_depth, hourglass_modules, hourglass_features)
        parts["keypoint_net"] = _keypoint_net(StackedHourglass(*sizes), hourglass_input_size, image_size)
    if attention:
        parts["attention"] = HeatmapAttention(encoder.feature_channels, hourglass_features)
    return HandNet(renderer=renderer, image_input=image_input, keypoint_input=keypoint_input, **parts)


def _keypoint_net(hourglass: StackedHourglass, input_size: int | None, image_size: int) -> KeypointNet:
    """The 2D branch, by default with the smallest input that holds the image and that the hourglass can
    halve evenly (256 for 224)."""
    fitting = -(-image_size // hourglass.size_multiple) * hourglass.size_multiple
    return KeypointNet(hourglass, input_size or fitting)


def _check_parts(
    hand_model: HandModel | None,
    hand: bool,
    texture: bool,
    heatmaps: bool,
    attention: bool,
    image_input: bool,
    keypoint_input: bool,
) -> None:
    if hand and hand_model is None:
        raise ValueError("a network with a hand needs hand_model: load one with load_hand_model('generic')")
    if texture and not hand:
        raise ValueError("texture needs the hand's encoder: set hand=True or texture=False")
    if attention and not (hand and heatmaps):
        raise ValueError("attention joins the 2D branch to the encoder: set hand=True and heatmaps=True")
    if hand and not (image_input or keypoint_input):
        raise ValueError("the hand head reads nothing: set image_input or keypoint_input")
    if attention and not image_input:
        raise ValueError("attention weighs the image feature, which image_input leaves out")
    if keypoint_input and not (hand and heatmaps):
        raise ValueError("keypoint_input gives the hand the 2D branch's keypoints: set hand and heatmaps")
