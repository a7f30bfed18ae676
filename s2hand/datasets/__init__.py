"""Datasets: images, cameras and detected keypoints, from the disk to batches."""

from s2hand.datasets.base import HandDataset, SampleRecord
from s2hand.datasets.combined import CombinedDataset
from s2hand.datasets.detection_files import read_detections, write_detections, write_versioned_detections
from s2hand.datasets.detections import Detections, DetectorInfo
from s2hand.datasets.folder import FolderDataset
from s2hand.datasets.freihand import FreiHandDataset
from s2hand.datasets.ho3d import Ho3dDataset
from s2hand.datasets.loader import HandLoader, collate_hands, make_loader
from s2hand.datasets.shards.dataset import ShardDataset
from s2hand.datasets.shards.writer import ShardSummary, write_shards
from s2hand.errors import DatasetError
from s2hand.images.transforms import AugmentationConfig

__all__ = [
    "AugmentationConfig",
    "CombinedDataset",
    "DatasetError",
    "Detections",
    "DetectorInfo",
    "FolderDataset",
    "FreiHandDataset",
    "HandDataset",
    "HandLoader",
    "Ho3dDataset",
    "SampleRecord",
    "ShardDataset",
    "ShardSummary",
    "collate_hands",
    "make_loader",
    "read_detections",
    "write_detections",
    "write_shards",
    "write_versioned_detections",
]
