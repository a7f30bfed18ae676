"""From what is known of a stored image to what is known of the network's input."""

from __future__ import annotations

import numpy as np

from s2hand.datasets.sample_record import Sample, SampleRecord
from s2hand.geometry.mirror import mirror_points
from s2hand.images.plain_background import plain_silhouette
from s2hand.images.square_view import SquareView
from s2hand.images.transforms import rotation_about_z


def seen_annotations(record: SampleRecord, view: SquareView, angle_rad: float) -> Sample:
    """Takes what is known of a sample from the stored image to the network's input, turned in its plane."""
    annotations = {}
    if record.keypoints_2d is not None:
        found = record.confidence[:, None] > 0
        annotations["keypoints_2d"] = np.where(found, view.pixels(record.keypoints_2d), 0)
        annotations["confidence"] = record.confidence
        annotations["photometric_weight"] = np.asarray(record.photometric_weight)
    if record.world_joints is not None:
        annotations["world_joints"] = _seen_world(record.world_joints, view.mirrored, angle_rad)
        annotations["world_confidence"] = record.world_confidence
    if record.fitted_joints is not None:
        annotations["fitted_joints"] = view.points(np.nan_to_num(record.fitted_joints))
        annotations["fitted_weight"] = np.float32(np.isfinite(record.fitted_joints).all())
    if record.joints is not None:
        annotations["gt_keypoints_2d"] = view.pixels(_true_keypoints(record))
        annotations["gt_joints"] = view.points(record.joints)
    if record.vertices is not None:
        annotations["gt_vertices"] = view.points(record.vertices)
    if record.scale is not None:
        annotations["gt_scale"] = np.asarray(record.scale)
    return annotations


def found_silhouette(record: SampleRecord, stored: np.ndarray, shrunk: int, view: SquareView) -> Sample:
    """What stands before a plain background, as the sample shows it, and whether there is such a thing."""
    points = None
    if record.keypoints_2d is not None:
        points = record.keypoints_2d[record.confidence > 0] / shrunk
    found = plain_silhouette(stored, points)
    mask = np.zeros(stored.shape[:2], np.uint8) if found is None else found
    return {"found_mask": view.image(mask, shrunk), "found_mask_weight": np.float32(found is not None)}


def _true_keypoints(record: SampleRecord) -> np.ndarray:
    """Where the true joints are seen, (21, 2) px of the stored image."""
    if record.true_keypoints_2d is not None:
        return record.true_keypoints_2d
    projected = record.joints @ record.K.T
    return projected[:, :2] / projected[:, 2:]


def _seen_world(joints: np.ndarray, mirrored: bool, angle_rad: float) -> np.ndarray:
    """Turns a detector's joints (21, 3) about the line of sight, and mirrors them, as the image is.

    They are seen along the line to the hand, so a virtual camera that looks at it turns nothing else.
    """
    return (mirror_points(joints) if mirrored else joints) @ rotation_about_z(angle_rad).T
