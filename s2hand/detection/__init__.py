"""Running a 2D detector over many pictures: what to read, in which order, and records that survive a kill."""

from s2hand.detection.runner import DetectionSummary, DetectionTask, Detector, detect
from s2hand.detection.shards import DetectionError, Shard
from s2hand.detection.sources import Picture, PictureSource

__all__ = [
    "DetectionError",
    "DetectionSummary",
    "DetectionTask",
    "Detector",
    "Picture",
    "PictureSource",
    "Shard",
    "detect",
]
