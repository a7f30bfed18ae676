"""The keys of an experiment's datasets; every description is its documentation, see :mod:`.sections`."""

from typing import Annotated, Literal

from pydantic import Field

from s2hand.config.fields import MAX_SEED, Positive, PositiveFloat, Section, Share, key, list_key
from s2hand.skeleton import NUM_JOINTS

Dataset = Literal["FreiHand", "HO3D", "Synthetic", "Shards", "Folder"]
CameraMatrix = Annotated[tuple[Annotated[tuple[float, ...], Field(strict=False)], ...], Field(strict=False)]

SYNTHETIC_TRAIN_SIZE, SYNTHETIC_EVAL_SIZE = 2000, 200
"""Images of the Synthetic dataset, unless others are asked for."""

RANDOM_TRAIN_SIZE, RANDOM_EVAL_SIZE = 256_000, 4096
"""Random hands: ten epochs of 500 batches make the lift; as many are held out for the bundled one's card."""


UPRIGHT_ROTATION_DEG = 20.0
"""Detections tell which way is up to some degrees; the hand landmark network takes more."""


def usual_rotation_deg(data: dict) -> float:
    """The default of ``rotation_deg`` beside the keys before it."""
    if data["crop_upright"]:
        return UPRIGHT_ROTATION_DEG
    return 0.0 if set(data["train_datasets"]) == {"HO3D"} else 180.0


class DataSection(Section):
    """Data."""

    train_datasets: tuple[Dataset, ...] = key(
        "Datasets to train on: FreiHand, HO3D, Synthetic, Shards, Folder.", ("FreiHand",)
    )
    val_datasets: tuple[Dataset, ...] = list_key(
        "Datasets to evaluate on. Default: train_datasets.", lambda data: data["train_datasets"]
    )
    freihand_base_path: str | None = key("Folder of FreiHAND v2.", None)
    freihand_detections: str | None = key(
        "Keypoints detected in FreiHAND's training images. Default: its "
        "openpose_v2/training/detect_all.json.",
        None,
    )
    freihand_eval_detections: str | None = key(
        "Keypoints detected in FreiHAND's evaluation images. Default: its "
        "openpose/evaluation/detect.json, if it exists.",
        None,
    )
    freihand_train_rows: Positive | None = key(
        "Train on the first N of FreiHAND's 32,560 poses and evaluate on the rest (published: 30000). "
        "Default: all, and the evaluation split.",
        None,
    )
    ho3d_base_path: str | None = key("Folder of HO-3D.", None)
    ho3d_version: Literal["v2", "v3"] | None = key("Default: v2 for .png images, v3 for .jpg.", None)
    ho3d_detections: str | None = key(
        "Folder of HO-3D's detections, <sequence>/detect.json. Default: openpose in its folder.", None
    )
    synthetic_base_path: str | None = key("Folder of Synthetic, which is generated if missing.", None)
    synthetic_train_size: Positive = key("Training images to generate.", SYNTHETIC_TRAIN_SIZE)
    synthetic_eval_size: Positive = key("Evaluation images to generate.", SYNTHETIC_EVAL_SIZE)
    synthetic_view_variety: Share = key(
        "Variety of rotations: 1 as in FreiHAND; 0 upright, palm or back to the camera.", 1.0
    )
    synthetic_wide_poses: bool = key("Draw poses as wide as photos show them.", False)
    synthetic_object_share: Share = key(
        "Share of images with an object in the hand, and of images with one before it.", 0.0
    )
    synthetic_noise: Literal["independent", "bundled"] = key(
        "Errors of the simulated detector: independent, or like the bundled one's (with "
        "detected_points mediapipe).",
        "independent",
    )
    synthetic_seed: int = key("Seed of the generated dataset.", 0, ge=0, le=MAX_SEED)
    random_hands_train_size: Positive = key(
        "Random hands of an epoch, all new, with task lift_train.", RANDOM_TRAIN_SIZE
    )
    random_hands_eval_size: Positive = key(
        "Random hands held out for evaluation, with task lift_train.", RANDOM_EVAL_SIZE
    )
    shards_path: str | None = key("Folder that `s2hand shard` wrote.", None)
    shards_window: Positive | None = key(
        "Shuffle within this many tars at a time, for slow disks. Default: over everything.", None
    )
    crop_upright: bool = key("Crop about the detected hand, fingers up, as mediapipe_hand expects.", False)
    rotation_deg: float = key(
        "Largest random rotation in training, in degrees. Default: 180; 0 for HO3D alone, as "
        "published; 20 with crop_upright.",
        default_factory=usual_rotation_deg,
        ge=0,
        le=180,
    )
    color_jitter: Share = key("Strength of random brightness, contrast and saturation.", 0.0)
    controlled_exp: bool = key("Train on the first controlled_size samples.", False)
    controlled_size: Positive = key("Size of a controlled experiment, shared among train_datasets.", 3000)
    num_workers: int = key("Loader processes; 0: load in the main one.", 4, ge=0)
    max_unreadable_share: Share = key(
        "Share of samples that may fail to load, each by name, before the run stops.", 0.0
    )


class FolderSection(Section):
    """Own photos."""

    folder_base_path: str | None = key("The dataset Folder: photos of hands, also in sub-folders.", None)
    folder_detections: str | None = key(
        "Detections file. Default: detections.json in folder_base_path.", None
    )
    folder_labels: str | None = key("Labels file, for metrics and for losses that need labels.", None)
    folder_focal: PositiveFloat | None = key(
        "Focal length in pixels of photos without K in the detections. Default: from EXIF, otherwise "
        "0.75 of the longer side.",
        None,
    )
    folder_K: CameraMatrix | None = key(
        "Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] of photos without K in the detections, "
        "all of one size.",
        None,
    )
    folder_crop_margin: float = key(
        "Margin of the crop on each side, as a fraction of the longer side of the box.",
        0.3,
        ge=0,
        le=2,
    )
    folder_min_confidence: Share = key("Joints with at most this confidence count as missed.", 0.1)
    folder_min_joints: int = key("Leave out hands with fewer joints found.", 11, ge=2, le=NUM_JOINTS)
    folder_val_share: Share = key(
        "Share of photos, chosen by name, held out for evaluation. 0: train and evaluate on all; 1: "
        "only evaluate.",
        0.1,
    )
