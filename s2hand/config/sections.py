"""The keys of an experiment in sections, which :class:`s2hand.config.model.Config` joins.

The JSON schema and ``docs/config.md`` are made from the fields' descriptions.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, create_model

from s2hand.config.data_sections import DataSection, FolderSection
from s2hand.config.fields import MAX_COUNT, MAX_SEED, Positive, PositiveFloat, Section, Share, key
from s2hand.config.loss_table import LOSSES
from s2hand.hand_names import GENERIC, numbered

Part = Literal["heatmaps", "joints", "verts", "textures", "lights", "confidence"]
HandInput = Literal[
    "image",
    "image+keypoints",
    "keypoints",
    "landmarks",
    "image+landmarks",
    "detections",
    "image+detections",
]
LIFT = "lift_train"
"""The task that trains a hand head on random hands."""

DEFAULT_REFINE_STEPS = 150
"""Steps of the fit to keypoints, in evaluation and prediction."""

MAX_IMAGE_SIZE = 4096
"""Pixels; far beyond what a network of this kind fits into memory, but not beyond what a test may ask for."""

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"


PARTS_OF_REQUIRED = {
    "heatmaps": ("heatmaps",),
    "joints": ("hand",),
    "verts": ("hand",),
    "textures": ("hand", "texture", "render"),
    "lights": ("hand", "texture", "render"),
    "confidence": ("hand", "confidence"),
}
"""What ``train_requires`` and ``test_requires`` name, and the parts of the network that yield it."""


def parts_of(requires: Collection[str]) -> frozenset[str]:
    """The parts of the network (hand, heatmaps, texture, render, confidence) that yield what is required."""
    return frozenset(part for name in requires for part in PARTS_OF_REQUIRED[name])


def next_multiple(value: int, factor: int) -> int:
    """The smallest multiple of ``factor`` that is at least ``value``."""
    return -(-value // factor) * factor


class NetworkSection(Section):
    """Network."""

    hand_model: Annotated[str, AfterValidator(numbered)] = key(
        '"generic", or the path of MANO_RIGHT.pkl or a .npz.', GENERIC, validate_default=True
    )
    fingertips: Literal["freihand", "s2hand"] = key(
        "Fingertip vertices: FreiHAND's, or the published code's, for its checkpoints.", "freihand"
    )
    num_pca: int = key("Pose components that the network predicts.", 30, ge=1, le=45)
    use_mean_shape: bool = key("Keep the mean hand shape (betas 0). Published default: true.", False)
    image_size: int = key("Side of the square network input in pixels.", 224, ge=32, le=MAX_IMAGE_SIZE)
    backbone: str = key(
        "3D encoder: a timm model with feature maps, or mediapipe_hand (the bundled detector's "
        "network, with crop_upright).",
        "tf_efficientnet_b3",
    )
    backbone_pretrained: bool = key(
        "Start from timm's ImageNet weights (a download), or mediapipe_hand's bundled ones. Default: "
        "true for the latter.",
        default_factory=lambda data: data["backbone"] == "mediapipe_hand",
    )
    attention: bool = key("Weight the image feature by the encoding of the 2D branch.", False)
    hand_input: HandInput = key(
        "Input of the hand head: the image feature (as in the paper), keypoints of the 2D branch (learns "
        "fastest), landmarks of mediapipe_hand, these where the detections have them, or two of them.",
        "image",
    )
    hand_head_pretrained: bool = key(
        "Start a head that reads landmarks from the lifting network that was trained on random hands alone.",
        False,
    )
    encoder_depths: bool = key(
        "Let a head that reads detections also read the relative depths and world landmarks that the encoder "
        "tells.",
        True,
    )
    detected_points: Literal["joints", "mediapipe"] = key(
        "What detections are: joints, or MediaPipe's landmarks, which lie beside them.",
        "joints",
    )
    hourglass_stacks: int = key("Stacks of the 2D branch.", 2, ge=1, le=16)
    hourglass_features: int = key(
        "Channels of the 2D branch, a multiple of 8.", 256, ge=8, le=2048, multiple_of=8
    )
    hourglass_modules: int = key("Residual modules of each hourglass level.", 2, ge=1, le=16)
    hourglass_depth: int = key("Levels of an hourglass.", 4, ge=1, le=8)
    hourglass_input_size: int = key(
        "Side to which the 2D branch pads its input. Default: image_size, up to a multiple of "
        "2^(hourglass_depth + 2).",
        default_factory=lambda data: next_multiple(data["image_size"], 2 ** (data["hourglass_depth"] + 2)),
        ge=1,
        le=MAX_IMAGE_SIZE,
    )
    renderer: Literal["nmr", "antialias"] = key(
        "Gradient at silhouettes: the published neural mesh renderer's, or that of analytic anti-aliasing.",
        "nmr",
    )
    train_requires: tuple[Part, ...] = key(
        "Outputs of the network in training: heatmaps, joints, verts, textures, lights.", ("joints", "verts")
    )
    test_requires: tuple[Part, ...] = key("Outputs of the network in evaluation.", ("joints", "verts"))
    pretrain_model: str | None = key(
        "Checkpoint to start from or to evaluate: run folder, .pt, .safetensors or published .t7.",
        None,
    )
    pretrain_rgb2hm: str | None = key("Checkpoint of the 2D branch, loaded after pretrain_model.", None)
    pretrain_texture_model: str | None = key("Checkpoint of the texture and light heads, loaded last.", None)


def _weight_fields() -> dict:
    """An optional weight for each loss."""
    weight = Annotated[float, Field(ge=0)] | None
    return {f"lambda_{name}": (weight, key(f"Weight of the loss {name}.", None)) for name in LOSSES}


class LossNames(Section):
    """Losses."""

    losses: tuple[Literal[tuple(LOSSES)], ...] = key("Losses whose weighted sum is minimised.", ())
    photometric_background: Literal["masked", "published"] = key(
        "Compare colours inside the silhouette only, or also the rendering's white background, as published.",
        "masked",
    )


LossSection = create_model("LossSection", __base__=LossNames, __doc__="Losses.", **_weight_fields())


class TrainingSection(Section):
    """Training."""

    task: Literal["train", "hm_train", "lift_train"] = key(
        "Train the hand network, only the 2D branch (hm_train), or only a hand head that reads landmarks, on "
        "random hands and the images of train_datasets, which may be empty (lift_train).",
        "train",
    )
    mode: tuple[Literal["training", "evaluation"], ...] = key(
        "With training: train, and evaluate every eval_interval epochs. Otherwise: only evaluate.",
        ("training",),
    )
    total_epochs: Positive = key("Epochs.", 100)
    train_batch: Positive = key("Batch size of each process.", 8)
    accumulate_steps: Positive = key("Batches whose gradients are averaged for one step.", 1)
    optimizer: Literal["Adam", "AdamW"] = key("With betas 0.9 and 0.999.", "Adam")
    init_lr: float = key("Initial learning rate.", 1e-3, ge=0)
    backbone_lr_factor: Share = key("Learning rate of the backbone over that of the rest; 0 freezes it.", 1.0)
    weight_decay: float = key("Weight decay.", 0.0, ge=0)
    cache_features: bool = key(
        "Compute a frozen backbone's features once per training image, which must not change.", False
    )
    lr_schedule: Literal["step", "cosine"] = key(
        "Multiply the learning rate by lr_gamma after each of lr_steps, or decay it to 0 along a cosine.",
        "step",
    )
    lr_steps: tuple[Positive, ...] = key("Epochs after which the learning rate drops.", ())
    lr_gamma: float = key("Factor of the learning rate at each of lr_steps.", 0.5, gt=0, le=1)
    warmup_steps: int = key("Steps over which the learning rate rises from 0.", 0, ge=0, le=MAX_COUNT)
    gradient_clip: PositiveFloat | None = key("Largest norm of the gradient. Default: no limit.", None)
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = key(
        "Decay of a moving average of the weights, which evaluation uses. Default: none.", None
    )
    freeze_hm_estimator: bool = key("Keep the 2D branch as loaded. Published default: true.", False)
    device: str = key("auto (CUDA if available), cpu, cuda or cuda:<index>.", "auto", pattern=DEVICE)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = key(
        "Precision of the networks. auto: bf16 if the device supports it, otherwise fp32.",
        "fp32",
    )
    channels_last: bool | None = key(
        "Faster memory layout; results change by rounding. Default: true, except for fp32 on CUDA.",
        None,
    )
    compile: bool = key("Use torch.compile.", False)
    seed: int = key("Seed of initial weights, sampling and augmentation.", 0, ge=0, le=MAX_SEED)
    nonfinite: Literal["stop", "skip"] = key(
        "At a loss that is not finite: stop and name it, or skip and count the step.", "stop"
    )
    resume: bool = key("Continue from the newest checkpoint.", True)


class OutputSection(Section):
    """Evaluation and output."""

    base_out_path: str = key("The run folder, to which everything is written.")
    save_interval: Positive = key("Epochs between checkpoints.", 1)
    keep_checkpoints: Positive = key("Checkpoints to keep besides the best.", 3)
    is_write_tb: bool = key("Write TensorBoard events.", False)
    write_report: bool = key(
        "After each evaluation and training, write a page of metrics and samples.",
        True,
    )
    eval_interval: int = key(
        "Epochs between evaluations. Default: save_interval.",
        default_factory=lambda data: data["save_interval"],
        ge=1,
        le=MAX_COUNT,
    )
    eval_limit: Positive | None = key("Evaluate only the first N samples.", None)
    val_batch: Positive = key("Evaluation batch size.", 8)
    test_refinement: bool = key(
        "In evaluation, also report hands fitted to the keypoints of the 2D branch.", False
    )
    refine_steps: Positive = key("Steps of that fit.", DEFAULT_REFINE_STEPS)


SECTIONS = (DataSection, FolderSection, NetworkSection, LossSection, TrainingSection, OutputSection)

KNOWN_KEYS = frozenset(name for section in SECTIONS for name in section.model_fields)
"""Every key of an experiment."""
