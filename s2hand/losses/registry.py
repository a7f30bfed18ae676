"""The functions that compute the losses, by the names that configs use."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from s2hand.losses import keypoints, photometric, priors
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
    """

    prediction: HandPrediction
    batch: HandBatch
    faces: Tensor
    px_scale: float
    photometric_pair: Callable
    average_total: Callable[[Tensor], Tensor] | None

    def projected(self) -> Tensor:
        """(B, 21, 2) projected joints, 224-px units."""
        return self.prediction.keypoints_2d * self.px_scale

    def detected(self) -> Tensor:
        """(B, 21, 2) detected keypoints, 224-px units."""
        return self.batch.keypoints_2d * self.px_scale

    def labelled(self) -> Tensor:
        """(B, 21, 2) labelled keypoints, 224-px units."""
        return self.batch.gt_keypoints_2d * self.px_scale

    def from_heatmaps(self) -> Tensor:
        """(stages, B, 21, 2) keypoints of the 2D branch, 224-px units."""
        return self.prediction.heatmap_keypoints * self.px_scale

    @cached_property
    def compared(self) -> tuple[Tensor, Tensor]:
        """(shown, target) for the photometric losses, (B, 3, S, S) each; made once for all of them."""
        render = self.prediction.render
        return self.photometric_pair(render.rgb, render.silhouette, self.batch.image)


def _detected_joints(x: LossInputs) -> Tensor:
    return keypoints.detected_joint_loss(x.projected(), x.detected(), x.batch.confidence, x.average_total)


def _detected_joints_squared(x: LossInputs) -> Tensor:
    return keypoints.detected_joint_squared_loss(x.projected(), x.detected())


def _detected_bones(x: LossInputs) -> Tensor:
    return keypoints.bone_direction_loss(x.projected(), x.detected(), x.batch.confidence)


def _heatmaps(x: LossInputs) -> Tensor:
    return keypoints.heatmap_loss(x.from_heatmaps(), x.detected(), x.batch.confidence, x.average_total)


def _heatmap_distributions(x: LossInputs) -> Tensor:
    return keypoints.heatmap_cross_entropy(
        x.prediction.heatmaps, x.batch.keypoints_2d, x.batch.confidence, x.average_total
    )


def _consistency(x: LossInputs) -> Tensor:
    return keypoints.keypoint_consistency_loss(x.from_heatmaps(), x.projected())


def _texture(x: LossInputs) -> Tensor:
    return photometric.texture_loss(*x.compared, x.batch.photometric_weight, x.average_total)


def _mean_colour(x: LossInputs) -> Tensor:
    return photometric.mean_colour_loss(*x.compared, x.batch.photometric_weight, x.average_total)


def _ssim(x: LossInputs) -> Tensor:
    return photometric.ssim_loss(*x.compared)


def _texture_outliers(x: LossInputs) -> Tensor:
    return photometric.texture_outlier_loss(
        x.prediction.face_textures, x.batch.photometric_weight, x.average_total
    )


def _silhouette(x: LossInputs) -> Tensor:
    return photometric.silhouette_loss(x.prediction.render.silhouette, x.batch.mask)


def _joint_angles(x: LossInputs) -> Tensor:
    return priors.joint_angle_loss(x.prediction.pose_axis_angle)


def _mean_scale(x: LossInputs) -> Tensor:
    return priors.mean_scale_loss(x.prediction.joints)


def _mean_shape(x: LossInputs) -> Tensor:
    return priors.mean_shape_loss(x.prediction.parameters.betas)


def _laplacian(x: LossInputs) -> Tensor:
    return priors.laplacian_loss(x.prediction.vertices, x.faces)


def _scale(x: LossInputs) -> Tensor:
    return priors.scale_loss(x.prediction.joints, x.batch.gt_scale)


def _labelled_joints_2d(x: LossInputs) -> Tensor:
    return keypoints.joint_squared_loss(x.projected(), x.labelled())


def _labelled_joints_3d(x: LossInputs) -> Tensor:
    return keypoints.joint_squared_loss(x.prediction.joints, x.batch.gt_joints)


def _labelled_relative_joints_3d(x: LossInputs) -> Tensor:
    return keypoints.relative_joint_squared_loss(x.prediction.joints, x.batch.gt_joints)


def _labelled_bones(x: LossInputs) -> Tensor:
    return keypoints.bone_direction_loss(x.projected(), x.labelled())


def _labelled_heatmaps(x: LossInputs) -> Tensor:
    return keypoints.heatmap_loss(x.from_heatmaps(), x.labelled())


LOSS_FUNCTIONS: dict[str, Callable[[LossInputs], Tensor]] = {
    "tsa_poses": _joint_angles,
    "open_2dj": _detected_joints,
    "open_bone_direc": _detected_bones,
    "mscale": _mean_scale,
    "hm_integral": _heatmaps,
    "kp_cons": _consistency,
    "hm_cross_entropy": _heatmap_distributions,
    "triangle": _laplacian,
    "mshape": _mean_shape,
    "texture": _texture,
    "mtex": _texture_outliers,
    "mrgb": _mean_colour,
    "ssim_tex": _ssim,
    "joint_2d": _labelled_joints_2d,
    "joint_3d": _labelled_joints_3d,
    "joint_3d_norm": _labelled_relative_joints_3d,
    "bone_direc": _labelled_bones,
    "hm_integral_gt": _labelled_heatmaps,
    "sil": _silhouette,
    "scale": _scale,
    "open_2dj_de": _detected_joints_squared,
}
"""The unweighted losses by the names of :data:`s2hand.config.loss_table.LOSSES`."""
