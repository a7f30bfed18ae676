"""The values that travel between the parts: frozen dataclasses of tensors.

B is the batch size, S the side of the square image in pixels. Camera frame: x right, y down, z forward,
metres. Pixel ``i`` covers ``[i, i + 1)``, so its centre is ``i + 0.5``; K and all keypoints are in pixels
of the image they travel with. Joints are in FreiHAND order (:mod:`s2hand.skeleton`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

Struct = TypeVar("Struct", bound="TensorStruct")


@dataclass(frozen=True)
class TensorStruct:
    """Adds ``to`` and ``pin_memory`` to a frozen dataclass of tensors, structs, None and plain values."""

    def to(self: Struct, device, non_blocking: bool = False) -> Struct:
        """Returns a copy with every tensor on ``device``."""
        return self._map("to", device, non_blocking=non_blocking)

    def pin_memory(self: Struct) -> Struct:
        """Returns a copy with every tensor in page-locked memory; data loaders look for this method."""
        return self._map("pin_memory")

    @property
    def device(self) -> torch.device:
        """Where its tensors lie."""
        values = vars(self).values()
        return next(value.device for value in values if isinstance(value, (Tensor, TensorStruct)))

    def select(self: Struct, index: Tensor) -> Struct:
        """The hands at ``index``, int64 or bool, of a struct whose tensors have a row for each hand."""
        changed: dict[str, Tensor | TensorStruct] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, TensorStruct):
                changed[field.name] = value.select(index)
            elif isinstance(value, Tensor):
                changed[field.name] = value[index]
        return replace(self, **changed)

    def _map(self: Struct, method: str, *args, **kwargs) -> Struct:
        """Calls a method of every tensor and struct among the fields."""
        changed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Tensor, TensorStruct)):
                changed[field.name] = getattr(value, method)(*args, **kwargs)
        return replace(self, **changed)


@dataclass(frozen=True)
class ManoOutput(TensorStruct):
    """What the hand layer returns, before scale and translation.

    Attributes:
        vertices: (B, 778, 3) metres.
        joints: (B, 21, 3) metres, FreiHAND order.
        pose_axis_angle: (B, 16, 3) radians, MANO order: the root's constant rotation, then 15 finger joints.
    """

    vertices: Tensor
    joints: Tensor
    pose_axis_angle: Tensor


@dataclass(frozen=True)
class RenderOutput(TensorStruct):
    """A rendered image.

    Attributes:
        rgb: (B, 3, S, S) in the colours' own range.
        silhouette: (B, S, S) coverage in [0, 1].
        depth: (B, S, S) camera z in metres, ``far`` where nothing is.
        face_index: (B, R, R) int32 at raster resolution R (2S when anti-aliased), -1 where empty.
    """

    rgb: Tensor
    silhouette: Tensor
    depth: Tensor
    face_index: Tensor


@dataclass(frozen=True)
class HandBatch(TensorStruct):
    """Samples as the data loader hands them out.

    Attributes:
        image: (B, 3, S, S) RGB in [0, 1].
        K: (B, 3, 3) camera matrix in pixels of ``image``.
        index: (B,) int64, the sample's number in its dataset.
        keypoints_2d: (B, 21, 2) px, detected; (0, 0) where missed. None without detections.
        confidence: (B, 21) of the detections, 0 where missed.
        photometric_weight: (B,) weight of the sample in photometric losses.
        world_joints: (B, 21, 3) metres, what a detector guesses of the hand in 3D, about any origin and
            turned as ``image`` is: x right, y down, z away; 0 where unknown. None without such detections.
        world_confidence: (B, 21) of ``world_joints``, 0 where unknown.
        fitted_joints: (B, 21, 3) metres, camera frame, of hands that were fitted to the detections. None if
            none were fitted.
        fitted_weight: (B,) 1 where a hand was fitted, else 0.
        gt_joints: (B, 21, 3) metres, camera frame; None if not read (training without labels never reads it).
        gt_vertices: (B, 778, 3) metres, camera frame, or None.
        gt_keypoints_2d: (B, 21, 2) px, projected ground truth, or None.
        gt_scale: (B,) metres, length of bone 9-10, or None.
        mask: (B, S, S) in [0, 1], hand segmentation, or None.
        found_mask: (B, S, S) in [0, 1], silhouette found before a plain background, 0 where none was. None if
            none was looked for.
        found_mask_weight: (B,) 1 where one was found, else 0.
        mirrored: (B,) bool, left hands: everything here is of their mirror images, right hands. None: no.
        to_photo: (B, 3, 3) rotation from the camera frame here to that of the image on disk (where
            ``mirrored``, of its mirror image): training turns images, and photos' squares are seen by cameras
            turned towards them. None: the frames are one.
    """

    image: Tensor
    K: Tensor
    index: Tensor
    keypoints_2d: Tensor | None = None
    confidence: Tensor | None = None
    photometric_weight: Tensor | None = None
    world_joints: Tensor | None = None
    world_confidence: Tensor | None = None
    gt_joints: Tensor | None = None
    gt_vertices: Tensor | None = None
    gt_keypoints_2d: Tensor | None = None
    gt_scale: Tensor | None = None
    mask: Tensor | None = None
    fitted_joints: Tensor | None = None
    fitted_weight: Tensor | None = None
    found_mask: Tensor | None = None
    found_mask_weight: Tensor | None = None
    mirrored: Tensor | None = None
    to_photo: Tensor | None = None

    def __len__(self) -> int:
        """B."""
        return len(self.image)

    @property
    def extent(self) -> str:
        """What a message says of its size."""
        side = self.image.shape[-1]
        return f"{len(self)} images of {side} x {side} px"


@dataclass(frozen=True)
class HandParameters(TensorStruct):
    """What the hand head regresses.

    Attributes:
        hand_pose: (B, num_pca) coefficients of the pose basis.
        betas: (B, 10) shape coefficients.
        rotation: (B, 3) axis-angle, radians.
        translation: (B, 3) metres.
        scale: (B,) its absolute value multiplies the hand.
    """

    hand_pose: Tensor
    betas: Tensor
    rotation: Tensor
    translation: Tensor
    scale: Tensor


@dataclass(frozen=True)
class HandPrediction(TensorStruct):
    """Everything the network says about a batch; parts that were not asked for are None.

    Attributes:
        vertices: (B, 778, 3) metres, camera frame.
        joints: (B, 21, 3) metres, camera frame.
        keypoints_2d: (B, 21, 2) px, ``joints`` projected with K.
        landmarks_2d: (B, 21, 2) px, where a detector should see the hand's joints, if it means other points
            by them (``detected_points`` in configs); None: at ``keypoints_2d``.
        parameters: the regressed hand parameters.
        pose_axis_angle: (B, 16, 3) radians, MANO order.
        face_textures: (B, F, 3) RGB per face, before light.
        light: (B, 11), see :mod:`s2hand.rendering.lighting`.
        render: the textured and lit hand.
        heatmap_keypoints: (stages, B, 21, 2) px, from the 2D branch.
        heatmaps: (stages, B, 21, h, w) logits of the 2D branch.
        joint_error_px: (B, 21) px, the mean distance from ``keypoints_2d`` at which each joint is expected.
    """

    vertices: Tensor | None = None
    joints: Tensor | None = None
    keypoints_2d: Tensor | None = None
    landmarks_2d: Tensor | None = None
    parameters: HandParameters | None = None
    pose_axis_angle: Tensor | None = None
    face_textures: Tensor | None = None
    light: Tensor | None = None
    render: RenderOutput | None = None
    heatmap_keypoints: Tensor | None = None
    heatmaps: Tensor | None = None
    joint_error_px: Tensor | None = None
