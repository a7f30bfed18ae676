"""What is known of one sample, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.images.images import ImageFile

Sample = dict[str, np.ndarray]
"""One sample under the field names of :class:`s2hand.structures.HandBatch`: image (S, S, 3) and mask (S, S)
as uint8, the rest float32 without the batch axis."""


@dataclass(frozen=True)
class SampleRecord:
    """Where a sample lies and what is known of it, in pixels of the stored image; None where unknown.

    Attributes:
        image_path: the image file.
        K: (3, 3) px.
        crop: (left, top, side) px of the square to show; None takes the whole image, which must be square.
        keypoints_2d: (21, 2) px, detected; (0, 0) where missed.
        confidence: (21,) of the detections.
        photometric_weight: weight of the sample in photometric losses.
        world_joints: (21, 3) metres, the hand in 3D as a detector guesses it: about any origin, x right, y
            down, z away as the image shows the hand.
        world_confidence: (21,) of these.
        fitted_joints: (21, 3) metres, camera frame, of the hand that was fitted to the detections; NaN if
            none could be.
        joints: (21, 3) metres, camera frame.
        vertices: (778, 3) metres, camera frame.
        scale: metres, length of bone 9-10.
        mask_path: hand segmentation, white on black.
        jitter_box: (4,) px, the box about which training draws ``crop`` (HO-3D's published jitter); stored
            records hold both.
        true_keypoints_2d: (21, 2) px; None for ``joints`` projected with K, unless K is only a guess.
        mirrored: the hand is a left one: the sample shows its mirror image, a right one. Everything here
            describes the left hand, as the image shows it.
        look_at: the square is seen by a camera at the same place that is turned towards it; otherwise it is
            cut out, and K with it. Everything here refers to the image's own camera.
        upright: the image is a user's own photo: its pixels are those of the photo put upright by its EXIF.
        size: (width, height) px that the image must have for the rest to be right; None if any will do.
    """

    image_path: ImageFile
    K: np.ndarray
    crop: tuple[float, float, float] | None = None
    keypoints_2d: np.ndarray | None = None
    confidence: np.ndarray | None = None
    photometric_weight: float | None = None
    world_joints: np.ndarray | None = None
    world_confidence: np.ndarray | None = None
    fitted_joints: np.ndarray | None = None
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None
    scale: float | None = None
    mask_path: ImageFile | None = None
    jitter_box: np.ndarray | None = None
    true_keypoints_2d: np.ndarray | None = None
    mirrored: bool = False
    look_at: bool = False
    upright: bool = False
    size: tuple[int, int] | None = None
