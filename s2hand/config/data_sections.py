"""The keys of an experiment's datasets; every description is its documentation, see :mod:`.sections`."""

from typing import Annotated, Literal

from pydantic import Field

from s2hand.config.fields import WORKING_FOLDER, Positive, PositiveFloat, Section, Share, key, list_key
from s2hand.skeleton import NUM_JOINTS

Dataset = Literal["FreiHand", "HO3D", "Synthetic", "Shards", "Folder"]
CameraMatrix = Annotated[tuple[Annotated[tuple[float, ...], Field(strict=False)], ...], Field(strict=False)]

SYNTHETIC_TRAIN_SIZE, SYNTHETIC_EVAL_SIZE = 2000, 200
"""Images of the Synthetic dataset, unless others are asked for."""


class DataSection(Section):
    """Data."""

    train_datasets: tuple[Dataset, ...] = key("Datasets to train on.", ("FreiHand",))
    val_datasets: tuple[Dataset, ...] = list_key(
        "Datasets to evaluate on; default: train_datasets.", lambda data: data["train_datasets"]
    )
    freihand_base_path: str | None = key(
        f"Folder of FreiHAND v2, holding training/ and evaluation/; {WORKING_FOLDER}.", None
    )
    freihand_detections: str | None = key(
        "JSON of keypoints detected in FreiHAND's training images; "
        "default: openpose_v2/training/detect_all.json in freihand_base_path.",
        None,
    )
    freihand_eval_detections: str | None = key(
        "JSON of keypoints detected in FreiHAND's evaluation images; "
        "default: openpose/evaluation/detect.json in freihand_base_path, if there.",
        None,
    )
    freihand_train_rows: Positive | None = key(
        "Train on the first so many of FreiHAND's 32,560 poses, in all their versions, and evaluate on the "
        "rest of its training split (30000 leaves 2,560, the published validation split); null: train on "
        "all, evaluate on the evaluation split.",
        None,
    )
    ho3d_base_path: str | None = key("Folder of HO-3D, holding train/ and evaluation/.", None)
    ho3d_version: Literal["v2", "v3"] | None = key(
        "Version of HO-3D; default: told by the image files (.png: v2, .jpg: v3).", None
    )
    ho3d_detections: str | None = key(
        "Folder of HO-3D's detections, <sequence>/detect.json; default: openpose in ho3d_base_path.", None
    )
    synthetic_base_path: str | None = key("Folder of the Synthetic dataset; generated where missing.", None)
    synthetic_train_size: Positive = key("Training images to generate.", SYNTHETIC_TRAIN_SIZE)
    synthetic_eval_size: Positive = key("Evaluation images to generate.", SYNTHETIC_EVAL_SIZE)
    synthetic_view_variety: Share = key(
        "How variously the generated hands are turned: 1 as in FreiHAND, 0 always upright, palm or back to "
        "the camera.",
        1.0,
    )
    synthetic_seed: int = key("Seed of the generated dataset.", 0, ge=0)
    shards_path: str | None = key(
        "Folder that `s2hand shard` wrote from other datasets, holding training/ and evaluation/.", None
    )
    shards_window: Positive | None = key(
        "Go through Shards' tars in random order, so many at a time, and shuffle within these only: a slow "
        "disk then reads each tar in one go; null: shuffle over everything.",
        None,
    )
    rotation_deg: float = key(
        "Training images are rotated by up to this angle, degrees, either way; "
        "default: 180, but 0 when training on HO3D alone, as published.",
        default_factory=lambda data: 0.0 if set(data["train_datasets"]) == {"HO3D"} else 180.0,
        ge=0,
        le=180,
    )
    color_jitter: Share = key("Strength of random brightness, contrast and saturation in training.", 0.0)
    controlled_exp: bool = key("Train on the first controlled_size samples only.", False)
    controlled_size: Positive = key(
        "Samples of a controlled experiment; each of train_datasets gives an equal share.", 3000
    )
    num_workers: int = key("Loader processes; 0 loads in the main process.", 4, ge=0)
    max_unreadable_share: Share = key(
        "Share of samples that may fail to load before the run stops; each one is named.", 0.0
    )


class FolderSection(Section):
    """Own pictures."""

    folder_base_path: str | None = key(
        f"Folder of pictures of hands, with those in its sub-folders: the dataset Folder; {WORKING_FOLDER}.",
        None,
    )
    folder_detections: str | None = key(
        "JSON of what a detector found in them; default: detections.json in folder_base_path.", None
    )
    folder_labels: str | None = key(
        "JSON of true hands, for scores in evaluation and for losses that need labels; null: there are none.",
        None,
    )
    folder_focal: PositiveFloat | None = key(
        "Focal length in pixels of every picture that has no K in the detections; null: from EXIF, or else "
        "the picture's longer side.",
        None,
    )
    folder_K: CameraMatrix | None = key(
        "Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels of every picture that has no K in the "
        "detections, for pictures of one size.",
        None,
    )
    folder_crop_margin: float = key(
        "Free part of the crop on each side, in longer sides of the hand's box, or, without a box, of its "
        "keypoints'.",
        0.3,
        ge=0,
        le=2,
    )
    folder_min_confidence: Share = key("A joint counts as found if it is more certain than this.", 0.1)
    folder_min_joints: int = key(
        "Hands with fewer joints found are left out, and counted.", 11, ge=2, le=NUM_JOINTS
    )
    folder_val_share: Share = key(
        "Share of the pictures, chosen by their names, that is evaluated on and not trained on; 0: train and "
        "evaluate on all, 1: evaluate on all.",
        0.1,
    )
