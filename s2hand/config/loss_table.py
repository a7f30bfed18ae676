"""The losses: their weights, what each reads and needs, and which parts of the network it trains.

Configs and the objective both read this table; the functions that compute the losses are in
:mod:`s2hand.losses.registry`, under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

PREDICTION_PARTS = {
    "hand": ("vertices", "joints", "keypoints_2d", "landmarks_2d", "parameters", "pose_axis_angle"),
    "heatmaps": ("heatmap_keypoints", "heatmaps"),
    "texture": ("face_textures", "light"),
    "render": ("render",),
    "confidence": ("joint_error_px",),
}
"""What the network computes on request, and the fields of HandPrediction that each part fills."""

REQUIRED_OUTPUTS = {
    "vertices": ("verts",),
    "heatmap_keypoints": ("heatmaps",),
    "heatmaps": ("heatmaps",),
    "face_textures": ("textures",),
    "render": ("verts", "textures", "lights"),
    "joint_error_px": ("confidence",),
}
"""Entries of train_requires that let the network fill a field of HandPrediction; other fields need joints."""


@dataclass(frozen=True)
class LossSpec:
    """One loss as configs and the objective see it.

    Attributes:
        default_weight: the published weight, or this project's own for a loss of its own.
        published_key: the published config key of the weight.
        reads: the fields of HandPrediction that the loss reads.
        fields: the fields of HandBatch that the loss reads.
        trains: the parts of the network that get a gradient, of "hand", "heatmaps", "texture" and
            "confidence".
    """

    default_weight: float
    published_key: str
    reads: tuple[str, ...]
    fields: tuple[str, ...] = ()
    trains: tuple[str, ...] = ("hand",)

    @property
    def needs(self) -> frozenset[str]:
        """The parts of the network to compute, keys of ``PREDICTION_PARTS``."""
        return frozenset(part for part, filled in PREDICTION_PARTS.items() if set(self.reads) & set(filled))

    @property
    def requires(self) -> frozenset[str]:
        """What train_requires must name."""
        return frozenset(name for field in self.reads for name in REQUIRED_OUTPUTS.get(field, ("joints",)))


_JOINTS, _PROJECTED, _HEATMAPS, _RENDER = ("joints",), ("keypoints_2d",), ("heatmap_keypoints",), ("render",)
_DETECTED = ("keypoints_2d", "confidence")
_LABELLED_2D, _LABELLED_3D = ("gt_keypoints_2d",), ("gt_joints",)
_IMAGE = ("image", "photometric_weight")
_BRANCH_2D, _APPEARANCE = ("heatmaps",), ("hand", "texture")

LOSSES: dict[str, LossSpec] = {
    # Without labels.
    "tsa_poses": LossSpec(0.1, "lambda_pose", ("pose_axis_angle",)),
    "open_2dj": LossSpec(1e-3, "lambda_j2d", _PROJECTED, _DETECTED),
    "open_bone_direc": LossSpec(0.1, "lambda_bone_direc", _PROJECTED, _DETECTED),
    "mscale": LossSpec(0.1, "lambda_mscale", _JOINTS),
    "hm_integral": LossSpec(1e-3, "lambda_hm", _HEATMAPS, _DETECTED, _BRANCH_2D),
    "kp_cons": LossSpec(2e-4, "lambda_kp_cons", _HEATMAPS + _PROJECTED, (), ("hand", "heatmaps")),
    "hm_cross_entropy": LossSpec(1e-2, "lambda_hm_cross_entropy", ("heatmaps",), _DETECTED, _BRANCH_2D),
    "triangle": LossSpec(0.1, "lambda_laplacian", ("vertices",)),
    "mshape": LossSpec(1e-2, "lambda_shape", ("parameters",)),
    "texture": LossSpec(5e-3, "lambda_texture", _RENDER, _IMAGE, _APPEARANCE),
    "mtex": LossSpec(5e-3, "lambda_tex_reg", ("face_textures",), ("photometric_weight",), _APPEARANCE),
    "mrgb": LossSpec(1e-3, "lambda_mrgb", _RENDER, _IMAGE, _APPEARANCE),
    "ssim_tex": LossSpec(1e-3, "lambda_ssim_tex", _RENDER, ("image",), _APPEARANCE),
    # Without labels, and not in the paper.
    "kp_nll": LossSpec(
        2e-3, "lambda_kp_nll", (*_PROJECTED, "joint_error_px"), _DETECTED, ("hand", "confidence")
    ),
    # An excess of a degree weighs as much as in tsa_poses, whose mean is over 48 components instead of 4.
    "bend_limits": LossSpec(1e-2, "lambda_bend_limits", ("pose_axis_angle",)),
    "bend_coupled": LossSpec(1e-2, "lambda_bend_coupled", ("pose_axis_angle",)),
    "penetration": LossSpec(0.1, "lambda_penetration", _JOINTS),
    "tone": LossSpec(1e-2, "lambda_tone", _RENDER, _IMAGE, _APPEARANCE),
    "world_bones": LossSpec(0.1, "lambda_world_bones", _JOINTS, ("world_joints", "world_confidence")),
    "fitted_joints": LossSpec(100.0, "lambda_fitted_joints", _JOINTS, ("fitted_joints", "fitted_weight")),
    "plain_silhouette": LossSpec(
        5e-3, "lambda_plain_silhouette", _RENDER, ("found_mask", "found_mask_weight", *_DETECTED)
    ),
    # With labels, for ablations.
    "joint_2d": LossSpec(1e-4, "lambda_j2d_gt", _PROJECTED, _LABELLED_2D),
    "joint_3d": LossSpec(100.0, "lambda_j3d", _JOINTS, _LABELLED_3D),
    "joint_3d_norm": LossSpec(100.0, "lambda_j3d_norm", _JOINTS, _LABELLED_3D),
    "bone_direc": LossSpec(0.1, "lambda_bone_direc", _PROJECTED, _LABELLED_2D),
    "hm_integral_gt": LossSpec(1e-3, "lambda_hm", _HEATMAPS, _LABELLED_2D, _BRANCH_2D),
    "sil": LossSpec(5e-3, "lambda_silhouette", _RENDER, ("mask",)),
    "scale": LossSpec(100.0, "lambda_scale", _JOINTS, ("gt_scale",)),
    # An ablation that ignores the detections' confidences.
    "open_2dj_de": LossSpec(1e-4, "lambda_j2d_de", _PROJECTED, ("keypoints_2d",)),
}
"""Every loss that a config may name; the weight of ``x`` is the key ``lambda_x``."""

DEFAULT_WEIGHTS: dict[str, float] = {name: spec.default_weight for name, spec in LOSSES.items()}
"""Loss name -> the weight that holds unless the config sets another."""

PUBLISHED_WEIGHT_KEYS: dict[str, tuple[str, ...]] = {
    spec.published_key: tuple(n for n, other in LOSSES.items() if other.published_key == spec.published_key)
    for spec in LOSSES.values()
}
"""Published config key of a weight -> the losses that it weighs."""


def losses_training(part: str) -> frozenset[str]:
    """The losses with a gradient to a part of the network, as ``LossSpec.trains`` names it."""
    return frozenset(name for name, spec in LOSSES.items() if part in spec.trains)


HAND_LOSSES, HEATMAP_LOSSES, TEXTURE_LOSSES, CONFIDENCE_LOSSES = map(
    losses_training, ("hand", "heatmaps", "texture", "confidence")
)

OWN_HEATMAP_LOSSES = HEATMAP_LOSSES - HAND_LOSSES
"""The losses of the 2D branch alone."""
