"""How good predicted hands are: the official metrics, 2D errors, and checks of the inputs."""

from s2hand.metrics.checks import check_axes, check_handedness, check_joint_order, check_units
from s2hand.metrics.fscore import f_scores
from s2hand.metrics.hand import (
    DEFAULT_SCALE_JOINT,
    FREIHAND_SCALE_JOINT,
    MetricAccumulator,
    hand_metrics,
    keypoint_error_px,
)
from s2hand.metrics.pck import THRESHOLDS_M, ErrorStatistics, area_under_curve

__all__ = [
    "DEFAULT_SCALE_JOINT",
    "FREIHAND_SCALE_JOINT",
    "THRESHOLDS_M",
    "ErrorStatistics",
    "MetricAccumulator",
    "area_under_curve",
    "check_axes",
    "check_handedness",
    "check_joint_order",
    "check_units",
    "f_scores",
    "hand_metrics",
    "keypoint_error_px",
]
