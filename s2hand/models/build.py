"""Putting a :class:`HandNet` together from the network section of a config."""

from __future__ import annotations

from collections.abc import Collection

import torch

from s2hand.config.sections import NetworkSection
from s2hand.errors import NetworkError
from s2hand.hand.assets import HandModel
from s2hand.hand.mano import ManoLayer
from s2hand.models.attention import HeatmapAttention
from s2hand.models.backbone import DEFAULT_BACKBONE, Backbone
from s2hand.models.hand_encoder import HAND_BACKBONE, HandEncoder
from s2hand.models.hand_net import PARTS, HandNet
from s2hand.models.heads import ConfidenceHead, HandHead, TextureLightHead
from s2hand.models.hourglass import KeypointNet, StackedHourglass
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.models.landmark_lift import RANDOM_HANDS_WEIGHTS, LandmarkLifter, LiftNet, bundled_weights
from s2hand.models.lifting import RAY_FEATURES
from s2hand.rendering import MeshRenderer


def build_hand_net(
    network: NetworkSection, parts: Collection[str], hand_model: HandModel | None = None
) -> HandNet:
    """Builds the parts that are asked for, and no others.

    Args:
        network: sizes and switches; what concerns a part that is not asked for has no effect.
        parts: any of ``PARTS``. ``render`` is the paper's renderer: white background, anti-aliased.
        hand_model: the hand's arrays; needed for ``hand``.

    Returns:
        The network, in training mode, on the CPU.

    Raises:
        NetworkError: the values contradict each other, or a part refuses its own.
    """
    hand, heatmaps = "hand" in parts, "heatmaps" in parts
    image_input = not hand or "image" in network.hand_input
    keypoint_input = hand and "keypoints" in network.hand_input
    attention = hand and network.attention
    _check_parts(parts, hand_model, attention, image_input, keypoint_input)
    children = {}
    detection_input = hand and "detections" in network.hand_input
    landmark_input = detection_input or (hand and "landmarks" in network.hand_input)
    if hand:
        encoder = build_encoder(network.backbone, network.backbone_pretrained)
        if network.backbone not in (DEFAULT_BACKBONE, HAND_BACKBONE):
            encoder.check_size(network.image_size)
        children["backbone"] = encoder
        width = encoder.feature_channels * (image_input or landmark_input) + RAY_FEATURES * keypoint_input
        if landmark_input:
            children["hand_head"] = _lifter(network, hand_model, encoder.feature_channels * image_input)
        else:
            children["hand_head"] = HandHead(width, network.num_pca, use_mean_shape=network.use_mean_shape)
        if "confidence" in parts:
            children["confidence_head"] = ConfidenceHead(width)
        children["mano_layer"] = ManoLayer(hand_model, network.num_pca, network.fingertips)
        if network.detected_points == "mediapipe":
            children["landmark_chain"] = mediapipe_chain(hand_model, network.fingertips)
    if "texture" in parts:
        children["texture_light_head"] = TextureLightHead(encoder.low_channels, len(hand_model.faces))
    if "render" in parts:
        faces = torch.from_numpy(hand_model.faces)
        children["renderer"] = MeshRenderer.for_s2hand(faces, network.image_size, gradient=network.renderer)
    if heatmaps:
        hourglass = StackedHourglass(
            *(network.hourglass_stacks, network.hourglass_depth),
            *(network.hourglass_modules, network.hourglass_features),
        )
        children["keypoint_net"] = KeypointNet(hourglass, network.hourglass_input_size)
    if attention:
        children["attention"] = HeatmapAttention(encoder.feature_channels, network.hourglass_features)
    inputs = {"image_input": image_input, "keypoint_input": keypoint_input, "landmark_input": landmark_input}
    inputs["detection_input"], inputs["encoder_depths"] = detection_input, network.encoder_depths
    return HandNet(**inputs, **children)


def build_encoder(name: str, pretrained: bool = False) -> Backbone | HandEncoder:
    """The 3D encoder of a name: MediaPipe's for hands, or one of timm's.

    Args:
        name: as ``backbone`` in configs.
        pretrained: start from the weights that come with it.

    Raises:
        NetworkError: there is no such network, or timm cannot build it.
    """
    return HandEncoder(pretrained) if name == HAND_BACKBONE else Backbone(name, pretrained)


def _lifter(network: NetworkSection, hand_model: HandModel, image_channels: int) -> LandmarkLifter:
    """The hand head that lifts landmarks, started from the bundled lift if the config asks for it."""
    lifter = LandmarkLifter(LiftNet(image_channels=image_channels), hand_model, network.fingertips)
    if network.hand_head_pretrained:
        lifter.net.load_state_dict(
            bundled_weights(RANDOM_HANDS_WEIGHTS), strict=False
        )  # but for the image's layers
    return lifter


def _check_parts(
    parts: Collection[str],
    hand_model: HandModel | None,
    attention: bool,
    image_input: bool,
    keypoint_input: bool,
) -> None:
    hand, heatmaps = "hand" in parts, "heatmaps" in parts
    if unknown := set(parts) - PARTS:
        raise NetworkError(f"unknown parts {sorted(unknown)}: choose from {sorted(PARTS)}")
    if hand and hand_model is None:
        raise NetworkError("a network with a hand needs hand_model: load one with load_hand_model('generic')")
    if not hand and ("texture" in parts or "render" in parts):
        raise NetworkError("texture and render need the hand's encoder and mesh: add hand to the parts")
    if not hand and "confidence" in parts:
        raise NetworkError("confidence is that of the hand's joints: add hand to the parts")
    if attention and not heatmaps:
        raise NetworkError("attention joins the 2D branch to the encoder: add heatmaps to the parts")
    if attention and not image_input:
        raise NetworkError("attention weighs the image feature, but hand_input leaves the image out")
    if keypoint_input and not heatmaps:
        raise NetworkError("hand_input reads the 2D branch's keypoints: add heatmaps to the parts")
