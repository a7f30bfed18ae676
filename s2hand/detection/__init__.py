"""Running a 2D detector over many images: what to read, in which order, and records that survive a kill."""

from s2hand.datasets.detections import read_detections
from s2hand.datasets.detections import write_versioned_detections as write_detections
from s2hand.detection.runner import DetectionSummary, DetectionTask, Detector, detect
from s2hand.detection.shares import DetectionError, Share
from s2hand.detection.sources import HandImage, ImageSource

__all__ = [
    "DetectionError",
    "DetectionSummary",
    "DetectionTask",
    "Detector",
    "HandImage",
    "ImageSource",
    "Share",
    "detect",
    "read_detections",
    "write_detections",
]
