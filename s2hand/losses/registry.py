"""The functions that compute the losses, by the names that configs use."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from s2hand.hand.spheres import HandSpheres
from s2hand.losses import (
    anatomy,
    found_silhouette,
    joints,
    keypoints,
    likelihood,
    penetration,
    photometric,
    priors,
    tone,
    world,
)
from s2hand.structures import HandBatch, HandPrediction

PUBLISHED_IMAGE_SIZE = 224
"""Pixel distances and thresholds are stated in pixels of an image of this side."""


@dataclass(frozen=True)
class LossInputs:
    """What a loss may read.

    Attributes:
        prediction: the network's answer.
        batch: the samples.
        faces: (F, 3) int64 of the hand's mesh.
        px_scale: turns pixels of the batch's images into pixels of a 224 px image.
        photometric_pair: (rgb, silhouette, image) -> (shown, target), see :mod:`s2hand.losses.photometric`.
        average_total: see :func:`s2hand.losses.keypoints.weighted_mean`.
        spheres: the flesh of the hand; None if no loss reads them.
    """

    prediction: HandPrediction
    batch: HandBatch
    faces: Tensor
    px_scale: float
    photometric_pair: Callable
    average_total: Callable[[Tensor], Tensor] | None
    spheres: HandSpheres | None = None

    @property
    def projected(self) -> Tensor:
        """(B, 21, 2) projected joints, 224-px units."""
        return self.prediction.keypoints_2d * self.px_scale

    @property
    def detectable(self) -> Tensor:
        """(B, 21, 2) where a detector should see the joints, 224-px units."""
        landmarks = self.prediction.landmarks_2d
        return self.projected if landmarks is None else landmarks * self.px_scale

    @property
    def detected(self) -> Tensor:
        """(B, 21, 2) detected keypoints, 224-px units."""
        return self.batch.keypoints_2d * self.px_scale

    @property
    def labelled(self) -> Tensor:
        """(B, 21, 2) labelled keypoints, 224-px units."""
        return self.batch.gt_keypoints_2d * self.px_scale

    @property
    def from_heatmaps(self) -> Tensor:
        """(stages, B, 21, 2) keypoints of the 2D branch, 224-px units."""
        return self.prediction.heatmap_keypoints * self.px_scale

    @property
    def expected_error(self) -> Tensor:
        """(B, 21) errors that the network expects of its projected joints, 224-px units."""
        return self.prediction.joint_error_px * self.px_scale

    @cached_property
    def compared(self) -> tuple[Tensor, Tensor]:
        """(shown, target) for the photometric losses, (B, 3, S, S) each; made once for all of them."""
        render = self.prediction.render
        return self.photometric_pair(render.rgb, render.silhouette, self.batch.image)

    @property
    def rendered(self) -> tuple[Tensor, Tensor]:
        """The rendering (B, 3, S, S) with its background, and its silhouette (B, S, S)."""
        return self.prediction.render.rgb, self.prediction.render.silhouette

    @property
    def confidence(self) -> tuple[Tensor, Callable | None]:
        """(B, 21) confidences of the detected keypoints, and how their sum is averaged over processes."""
        return self.batch.confidence, self.average_total

    @property
    def photometric_weight(self) -> tuple[Tensor, Callable | None]:
        """(B,) weights of the samples, and how their sum is averaged over processes."""
        return self.batch.photometric_weight, self.average_total


LOSS_FUNCTIONS: dict[str, Callable[[LossInputs], Tensor]] = {
    # Without labels.
    "tsa_poses": lambda x: priors.joint_angle_loss(x.prediction.pose_axis_angle),
    "open_2dj": lambda x: keypoints.detected_joint_loss(x.detectable, x.detected, *x.confidence),
    "open_bone_direc": lambda x: keypoints.bone_direction_loss(x.detectable, x.detected, x.batch.confidence),
    "mscale": lambda x: priors.mean_scale_loss(x.prediction.joints),
    "hm_integral": lambda x: keypoints.heatmap_loss(x.from_heatmaps, x.detected, *x.confidence),
    "kp_cons": lambda x: keypoints.keypoint_consistency_loss(x.from_heatmaps, x.detectable),
    "hm_cross_entropy": lambda x: keypoints.heatmap_cross_entropy(
        x.prediction.heatmaps, x.batch.keypoints_2d, *x.confidence
    ),
    "triangle": lambda x: priors.laplacian_loss(x.prediction.vertices, x.faces),
    "mshape": lambda x: priors.mean_shape_loss(x.prediction.parameters.betas),
    "texture": lambda x: photometric.texture_loss(*x.compared, *x.photometric_weight),
    "mtex": lambda x: photometric.texture_outlier_loss(x.prediction.face_textures, *x.photometric_weight),
    "mrgb": lambda x: photometric.mean_colour_loss(*x.compared, *x.photometric_weight),
    "ssim_tex": lambda x: photometric.ssim_loss(*x.compared),
    # Without labels, and not in the paper.
    "kp_nll": lambda x: likelihood.keypoint_nll_loss(
        x.detectable, x.detected, x.batch.confidence, x.expected_error, x.average_total
    ),
    "bend_limits": lambda x: anatomy.bend_limit_loss(x.prediction.pose_axis_angle),
    "bend_coupled": lambda x: anatomy.bend_coupling_loss(x.prediction.pose_axis_angle),
    "penetration": lambda x: penetration.penetration_loss(x.prediction.joints, x.spheres),
    "tone": lambda x: tone.tone_loss(*x.rendered, x.batch.image, *x.photometric_weight),
    "world_bones": lambda x: world.world_bone_loss(
        x.prediction.joints, x.batch.world_joints, x.batch.world_confidence
    ),
    "fitted_joints": lambda x: joints.fitted_joint_loss(
        x.prediction.joints, x.batch.fitted_joints, x.batch.fitted_weight
    ),
    "plain_silhouette": lambda x: found_silhouette.found_silhouette_loss(
        x.prediction.render.silhouette,
        x.batch.found_mask,
        x.batch.found_mask_weight,
        x.batch.keypoints_2d,
        *x.confidence,
    ),
    # With labels, for ablations.
    "joint_2d": lambda x: joints.joint_squared_loss(x.projected, x.labelled),
    "joint_3d": lambda x: joints.joint_squared_loss(x.prediction.joints, x.batch.gt_joints),
    "joint_3d_norm": lambda x: joints.relative_joint_squared_loss(x.prediction.joints, x.batch.gt_joints),
    "bone_direc": lambda x: keypoints.bone_direction_loss(x.projected, x.labelled),
    "hm_integral_gt": lambda x: keypoints.heatmap_loss(x.from_heatmaps, x.labelled),
    "sil": lambda x: photometric.silhouette_loss(x.prediction.render.silhouette, x.batch.mask),
    "scale": lambda x: priors.scale_loss(x.prediction.joints, x.batch.gt_scale),
    # An ablation that ignores the detections' confidences.
    "open_2dj_de": lambda x: keypoints.detected_joint_squared_loss(x.detectable, x.detected),
}
"""The unweighted losses by the names of :data:`s2hand.config.loss_table.LOSSES`."""
