"""Datasets: pictures, cameras and detected keypoints from disk to batches."""

from s2hand.data.base import HandDataset, SampleRecord
from s2hand.data.combined import CombinedDataset
from s2hand.data.detections import (
    Detections,
    DetectorInfo,
    read_detections,
    write_detections,
    write_versioned_detections,
)
from s2hand.data.errors import DatasetError
from s2hand.data.folder import FolderDataset
from s2hand.data.freihand import FreiHandDataset
from s2hand.data.loader import HandLoader, collate_hands, make_loader
from s2hand.data.shard_writer import ShardSummary, write_shards
from s2hand.data.shards import ShardDataset
from s2hand.data.tolerant import TolerantDataset
from s2hand.data.transforms import AugmentationConfig

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
    "SampleRecord",
    "ShardDataset",
    "ShardSummary",
    "TolerantDataset",
    "collate_hands",
    "make_loader",
    "read_detections",
    "write_detections",
    "write_shards",
    "write_versioned_detections",
]
