"""The losses by the names that configs use: what each reads, its published weight, and how it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from s2hand.losses import keypoints, photometric, priors
from s2hand.structures import HandBatch, HandPrediction

PUBLISHED_IMAGE_SIZE = 224
"""Pixel distances and thresholds are stated in pixels of an image of this side."""

PREDICTION_PARTS = {
    "hand": ("vertices", "joints", "keypoints_2d", "parameters", "pose_axis_angle"),
    "heatmaps": ("heatmap_keypoints", "heatmaps"),
    "texture": ("face_textures", "light"),
    "render": ("render",),
}
"""The parts of the network that can be asked for, and the fields of HandPrediction that each fills."""


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
    def pictures(self) -> tuple[Tensor, Tensor]:
        """(shown, target) that photometric losses compare, (B, 3, S, S) each; made once for all of them."""
        render = self.prediction.render
        return self.photometric_pair(render.rgb, render.silhouette, self.batch.image)


@dataclass(frozen=True)
class LossSpec:
    """One loss as a config sees it.

    Attributes:
        function: computes the unweighted value.
        default_weight: the published weight.
        weight_key: the published config key that sets the weight.
        reads: fields of HandPrediction.
        fields: fields of HandBatch.
    """

    function: Callable[[LossInputs], Tensor]
    default_weight: float
    weight_key: str
    reads: tuple[str, ...]
    fields: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The network parts it needs, keys of ``PREDICTION_PARTS``."""
        return frozenset(
            part for part, filled in PREDICTION_PARTS.items() if any(field in filled for field in self.reads)
        )


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
    return photometric.texture_loss(*x.pictures, x.batch.photometric_weight, x.average_total)


def _mean_colour(x: LossInputs) -> Tensor:
    return photometric.mean_colour_loss(*x.pictures, x.batch.photometric_weight, x.average_total)


def _ssim(x: LossInputs) -> Tensor:
    return photometric.ssim_loss(*x.pictures)


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


_PROJECTED, _HEATMAPS, _JOINTS = ("keypoints_2d",), ("heatmap_keypoints",), ("joints",)
_DETECTED = ("keypoints_2d", "confidence")
_PHOTO = ("image", "photometric_weight")

LOSSES: dict[str, LossSpec] = {
    # Without labels.
    "open_2dj": LossSpec(_detected_joints, 1e-3, "lambda_j2d", _PROJECTED, _DETECTED),
    "open_2dj_de": LossSpec(_detected_joints_squared, 1e-4, "lambda_j2d_de", _PROJECTED, ("keypoints_2d",)),
    "open_bone_direc": LossSpec(_detected_bones, 0.1, "lambda_bone_direc", _PROJECTED, _DETECTED),
    "hm_integral": LossSpec(_heatmaps, 1e-3, "lambda_hm", _HEATMAPS, _DETECTED),
    "hm_cross_entropy": LossSpec(
        _heatmap_distributions, 1e-2, "lambda_hm_cross_entropy", ("heatmaps",), _DETECTED
    ),
    "kp_cons": LossSpec(_consistency, 2e-4, "lambda_kp_cons", _HEATMAPS + _PROJECTED),
    "texture": LossSpec(_texture, 5e-3, "lambda_texture", ("render",), _PHOTO),
    "mrgb": LossSpec(_mean_colour, 1e-3, "lambda_mrgb", ("render",), _PHOTO),
    "ssim_tex": LossSpec(_ssim, 1e-3, "lambda_ssim_tex", ("render",), ("image",)),
    "mtex": LossSpec(_texture_outliers, 5e-3, "lambda_tex_reg", ("face_textures",), ("photometric_weight",)),
    "tsa_poses": LossSpec(_joint_angles, 0.1, "lambda_pose", ("pose_axis_angle",)),
    "mscale": LossSpec(_mean_scale, 0.1, "lambda_mscale", _JOINTS),
    "mshape": LossSpec(_mean_shape, 1e-2, "lambda_shape", ("parameters",)),
    "triangle": LossSpec(_laplacian, 0.1, "lambda_laplacian", ("vertices",)),
    # With labels, for ablations.
    "joint_2d": LossSpec(_labelled_joints_2d, 1e-4, "lambda_j2d_gt", _PROJECTED, ("gt_keypoints_2d",)),
    "joint_3d": LossSpec(_labelled_joints_3d, 100.0, "lambda_j3d", _JOINTS, ("gt_joints",)),
    "joint_3d_norm": LossSpec(
        _labelled_relative_joints_3d, 100.0, "lambda_j3d_norm", _JOINTS, ("gt_joints",)
    ),
    "bone_direc": LossSpec(_labelled_bones, 0.1, "lambda_bone_direc", _PROJECTED, ("gt_keypoints_2d",)),
    "hm_integral_gt": LossSpec(_labelled_heatmaps, 1e-3, "lambda_hm", _HEATMAPS, ("gt_keypoints_2d",)),
    "sil": LossSpec(_silhouette, 5e-3, "lambda_silhouette", ("render",), ("mask",)),
    "scale": LossSpec(_scale, 100.0, "lambda_scale", _JOINTS, ("gt_scale",)),
}
"""Every loss that a config may name."""

DEFAULT_WEIGHTS: dict[str, float] = {name: spec.default_weight for name, spec in LOSSES.items()}
"""The published weights."""
