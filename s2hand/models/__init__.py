"""The networks: 3D encoder and heads, 2D branch, and their composition."""

from s2hand.models.attention import HeatmapAttention
from s2hand.models.backbone import Backbone
from s2hand.models.build import build_encoder, build_hand_net
from s2hand.models.hand_net import MODULES_OF_PART, PARTS, HandNet, detections_for
from s2hand.models.heads import ConfidenceHead, HandHead, TextureLightHead
from s2hand.models.hourglass import KeypointNet, KeypointOutput, StackedHourglass
from s2hand.models.integral import integral_keypoints

__all__ = [
    "MODULES_OF_PART",
    "PARTS",
    "Backbone",
    "ConfidenceHead",
    "HandHead",
    "HandNet",
    "HeatmapAttention",
    "KeypointNet",
    "KeypointOutput",
    "StackedHourglass",
    "TextureLightHead",
    "build_encoder",
    "build_hand_net",
    "detections_for",
    "integral_keypoints",
]
