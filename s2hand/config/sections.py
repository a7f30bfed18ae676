"""The keys of an experiment, section by section; :class:`s2hand.config.model.Config` joins them.

Every field's description is its documentation: the JSON schema and ``docs/config.md`` are made from it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from s2hand.config.published import LOSS_NAMES
from s2hand.skeleton import NUM_JOINTS

Dataset = Literal["FreiHand", "HO3D", "Synthetic", "Shards", "Folder"]
Part = Literal["heatmaps", "joints", "verts", "textures", "lights"]
Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
CameraMatrix = Annotated[tuple[Annotated[tuple[float, ...], Field(strict=False)], ...], Field(strict=False)]
DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"
WORKING_FOLDER = "relative paths start from the current working directory"


def key(description: str, default=..., *, default_factory=None, **limits):
    """A documented field; lists are accepted for tuples, everything else is strictly typed."""
    if default_factory is not None:
        return Field(default_factory=default_factory, description=description, **limits)
    if isinstance(default, tuple):
        limits["strict"] = False
    return Field(default, description=description, **limits)


def next_multiple(value: int, factor: int) -> int:
    """The smallest multiple of ``factor`` that is at least ``value``."""
    return -(-value // factor) * factor


def list_key(description: str, default_factory):
    """A documented list whose default follows from keys before it."""
    return Field(default_factory=default_factory, description=description, strict=False)


class Section(BaseModel):
    """Strict, frozen, and closed to unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


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
    synthetic_train_size: Positive = key("Training images to generate.", 2000)
    synthetic_eval_size: Positive = key("Evaluation images to generate.", 200)
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


class NetworkSection(Section):
    """Network."""

    hand_model: str = key('Hand model: "generic", or the path of MANO_RIGHT.pkl or a .npz.', "generic")
    fingertips: Literal["freihand", "s2hand"] = key(
        "Vertices that stand for the fingertips: FreiHAND's official ones, or the published code's (for its "
        "checkpoints).",
        "freihand",
    )
    num_pca: int = key("Pose components the network predicts.", 30, ge=1, le=45)
    use_mean_shape: bool = key("Keep the mean hand shape (betas 0); the published default was true.", False)
    image_size: int = key("Side of the square network input in pixels.", 224, ge=32)
    backbone: str = key("3D encoder: the name of a timm model with feature maps.", "tf_efficientnet_b3")
    backbone_pretrained: bool = key("Start the backbone from timm's ImageNet weights (a download).", False)
    attention: bool = key(
        "Weigh the 3D feature by the heat-map branch; published as use_2d_as_attention.", False
    )
    hand_input: Literal["image", "image+keypoints", "keypoints"] = key(
        "What the hand head reads: the image feature (the paper), with it the 2D branch's keypoints, or the "
        "keypoints alone, which learns fastest.",
        "image",
    )
    hourglass_stacks: Positive = key("Stacks of the 2D branch.", 2)
    hourglass_features: Positive = key("Feature channels of the 2D branch.", 256)
    hourglass_modules: Positive = key("Residual modules per hourglass level.", 2)
    hourglass_depth: Positive = key("Levels of an hourglass.", 4)
    hourglass_input_size: int = key(
        "Side in pixels to which the 2D branch pads its input; default: the next multiple of "
        "2^(hourglass_depth + 2) from image_size.",
        default_factory=lambda data: next_multiple(data["image_size"], 2 ** (data["hourglass_depth"] + 2)),
        ge=1,
    )
    renderer: Literal["nmr", "antialias"] = key(
        "Gradient of the rasterizer at silhouettes: the published neural mesh renderer's, or that of "
        "analytic anti-aliasing.",
        "nmr",
    )
    train_requires: tuple[Part, ...] = key("What the network yields in training.", ("joints", "verts"))
    test_requires: tuple[Part, ...] = key("What the network yields in evaluation.", ("joints", "verts"))
    pretrain_model: str | None = key(
        "Checkpoint to start from or to evaluate: a file (also a published .t7) or a run's folder.", None
    )
    pretrain_rgb2hm: str | None = key(
        "Checkpoint of the 2D branch, loaded after pretrain_model: a file or a run's folder.", None
    )
    pretrain_texture_model: str | None = key(
        "Checkpoint of the texture and light heads, loaded last: a file or a run's folder.", None
    )


def _weight_fields() -> dict:
    """One optional weight per loss."""
    weight = Annotated[float, Field(ge=0)] | None
    return {f"lambda_{name}": (weight, key(f"Weight of the loss {name}.", None)) for name in LOSS_NAMES}


class LossNames(Section):
    """Losses."""

    losses: tuple[Literal[LOSS_NAMES], ...] = key("Losses to minimise: their sum, each times its weight.", ())
    photometric_background: Literal["masked", "published"] = key(
        "Photometric losses compare inside the silhouette only, or, as published, also the white background "
        "of the rendering with the black one of the masked image.",
        "masked",
    )


LossSection = create_model("LossSection", __base__=LossNames, __doc__="Losses.", **_weight_fields())


class TrainingSection(Section):
    """Training."""

    task: Literal["train", "hm_train"] = key("Train the hand network, or (hm_train) the 2D branch.", "train")
    mode: tuple[Literal["training", "evaluation"], ...] = key(
        'Train (and evaluate on the way) if it holds "training", else evaluate only.', ("training",)
    )
    total_epochs: Positive = key("Epochs to train.", 100)
    train_batch: Positive = key("Training batch size, per process.", 8)
    accumulate_steps: Positive = key("Batches whose gradients make one optimiser step.", 1)
    optimizer: Literal["Adam", "AdamW"] = key("Optimiser; betas 0.9 and 0.999.", "Adam")
    init_lr: float = key("Initial learning rate.", 1e-3, ge=0)
    weight_decay: float = key("Weight decay of the optimiser.", 0.0, ge=0)
    lr_schedule: Literal["step", "cosine"] = key(
        "Learning rate: steps at lr_steps by lr_gamma, or a cosine to 0 over total_epochs.", "step"
    )
    lr_steps: tuple[Positive, ...] = key("Epochs after which lr_gamma multiplies the learning rate.", ())
    lr_gamma: float = key("Factor of the learning rate at each of lr_steps.", 0.5, gt=0, le=1)
    warmup_steps: int = key("Optimiser steps over which the learning rate rises from 0.", 0, ge=0)
    gradient_clip: PositiveFloat | None = key("Largest norm of the gradient; null: no limit.", None)
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = key(
        "Decay of the moving average of the weights, which is then evaluated; null: none.", None
    )
    freeze_hm_estimator: bool = key("Keep the 2D branch as loaded; the published default was true.", False)
    device: str = key("auto (CUDA where there is one), cpu, cuda, or cuda:<index>.", "auto", pattern=DEVICE)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = key(
        "Arithmetic of the networks; rendering, hand model and losses stay in fp32. auto: bf16 where the "
        "device computes in it, else fp32.",
        "fp32",
    )
    channels_last: bool | None = key(
        "Keep images and features channels-last in memory: faster, the same results but for rounding; "
        "default: true, but false for fp32 on CUDA.",
        None,
    )
    compile: bool = key("Compile the networks with torch.compile.", False)
    seed: int = key("Seed of weights, sampling and augmentation.", 0, ge=0)
    nonfinite: Literal["stop", "skip"] = key(
        "On a loss that is not finite: stop and name it, or skip the step and count it.", "stop"
    )
    resume: bool = key("Go on from the newest checkpoint in base_out_path, if there is one.", True)


class OutputSection(Section):
    """Evaluation and output."""

    base_out_path: str = key(f"Folder of everything the run writes; {WORKING_FOLDER}.")
    save_interval: Positive = key("Epochs from checkpoint to checkpoint.", 1)
    keep_checkpoints: Positive = key("Newest checkpoints that are kept.", 3)
    is_write_tb: bool = key("Write TensorBoard events.", False)
    eval_interval: int = key(
        "Epochs from evaluation to evaluation; default: save_interval.",
        default_factory=lambda data: data["save_interval"],
        ge=1,
    )
    eval_limit: Positive | None = key("Evaluate the first so many samples only; null: all.", None)
    val_batch: Positive = key("Evaluation batch size.", 8)
    test_refinement: bool = key(
        "In evaluation, fit every hand to the 2D branch's keypoints; report before and after.", False
    )
    refine_steps: Positive = key("Steps of that fit.", 150)


SECTIONS = (DataSection, FolderSection, NetworkSection, LossSection, TrainingSection, OutputSection)
