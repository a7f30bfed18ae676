"""OpenPose's hand detector: network, scales, peaks."""

from s2hand.detection.openpose.estimator import FAST_SCALES, SCALES, ImageShapeError, OpenPoseEstimator
from s2hand.detection.openpose.network import DetectorWeightsError, OpenPoseHandNet, load_openpose

__all__ = [
    "FAST_SCALES",
    "SCALES",
    "DetectorWeightsError",
    "ImageShapeError",
    "OpenPoseEstimator",
    "OpenPoseHandNet",
    "load_openpose",
]
