"""Running a 2D detector over many images: what to read, in which order, and records that survive a kill."""

from s2hand.datasets.detection_files import read_detections
from s2hand.datasets.detection_files import write_versioned_detections as write_detections
from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.one_hand import Estimator
from s2hand.detection.runner import DetectionSummary, DetectionTask, Worker, detect
from s2hand.detection.shares import DetectionError, Share
from s2hand.detection.sources import HandImage, ImageSource

__all__ = [
    "DetectedHand",
    "DetectionError",
    "DetectionSummary",
    "DetectionTask",
    "Estimator",
    "HandDetector",
    "HandImage",
    "ImageSource",
    "Share",
    "Worker",
    "detect",
    "read_detections",
    "write_detections",
]
