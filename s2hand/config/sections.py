"""The keys of an experiment in sections, which :class:`s2hand.config.model.Config` joins.

The JSON schema and ``docs/config.md`` are made from the fields' descriptions.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, create_model

from s2hand.config.data_sections import DataSection, FolderSection
from s2hand.config.fields import WORKING_FOLDER, Positive, PositiveFloat, Section, key
from s2hand.config.loss_table import LOSSES

Part = Literal["heatmaps", "joints", "verts", "textures", "lights"]
DEFAULT_REFINE_STEPS = 150
"""Steps of the fit to keypoints, in evaluation and prediction."""

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"


PARTS_OF_REQUIRED = {
    "heatmaps": ("heatmaps",),
    "joints": ("hand",),
    "verts": ("hand",),
    "textures": ("hand", "texture", "render"),
    "lights": ("hand", "texture", "render"),
}
"""What ``train_requires`` and ``test_requires`` name, and the parts of the network that yield it."""


def parts_of(requires: Collection[str]) -> frozenset[str]:
    """The parts of the network (hand, heatmaps, texture, render) that yield what is required."""
    return frozenset(part for name in requires for part in PARTS_OF_REQUIRED[name])


def next_multiple(value: int, factor: int) -> int:
    """The smallest multiple of ``factor`` that is at least ``value``."""
    return -(-value // factor) * factor


class NetworkSection(Section):
    """Network."""

    hand_model: str = key('Hand model: "generic", or the path of MANO_RIGHT.pkl or a .npz.', "generic")
    fingertips: Literal["freihand", "s2hand"] = key(
        "Vertices used as fingertips: FreiHAND's, or the published code's, which its checkpoints need.",
        "freihand",
    )
    num_pca: int = key("Number of pose components that the network predicts.", 30, ge=1, le=45)
    use_mean_shape: bool = key(
        "Keep the mean hand shape (betas of 0); the published default was true.", False
    )
    image_size: int = key("Side of the square network input in pixels.", 224, ge=32, le=4096)
    backbone: str = key("3D encoder: the name of a timm model with feature maps.", "tf_efficientnet_b3")
    backbone_pretrained: bool = key("Start the backbone from timm's ImageNet weights (a download).", False)
    attention: bool = key(
        "Weigh the image feature by the 2D branch; published as use_2d_as_attention.", False
    )
    hand_input: Literal["image", "image+keypoints", "keypoints"] = key(
        "Input of the hand head: the image feature (as in the paper), the image feature and the keypoints of "
        "the 2D branch, or the keypoints alone, which learns fastest.",
        "image",
    )
    hourglass_stacks: int = key("Number of stacks of the 2D branch.", 2, ge=1, le=16)
    hourglass_features: int = key(
        "Feature channels of the 2D branch, a multiple of 8.", 256, ge=8, le=4096, multiple_of=8
    )
    hourglass_modules: int = key("Number of residual modules of each hourglass level.", 2, ge=1, le=16)
    hourglass_depth: int = key("Number of levels of an hourglass.", 4, ge=1, le=8)
    hourglass_input_size: int = key(
        "Side in pixels to which the 2D branch pads its input; default: the smallest multiple of "
        "2^(hourglass_depth + 2) that is at least image_size.",
        default_factory=lambda data: next_multiple(data["image_size"], 2 ** (data["hourglass_depth"] + 2)),
        ge=1,
    )
    renderer: Literal["nmr", "antialias"] = key(
        "Gradient of the rasterizer at silhouettes: that of the published neural mesh renderer, or that of "
        "analytic anti-aliasing.",
        "nmr",
    )
    train_requires: tuple[Part, ...] = key("What the network computes in training.", ("joints", "verts"))
    test_requires: tuple[Part, ...] = key("What the network computes in evaluation.", ("joints", "verts"))
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
    """An optional weight for each loss."""
    weight = Annotated[float, Field(ge=0)] | None
    return {f"lambda_{name}": (weight, key(f"Weight of the loss {name}.", None)) for name in LOSSES}


class LossNames(Section):
    """Losses."""

    losses: tuple[Literal[tuple(LOSSES)], ...] = key(
        "Losses to minimise: their sum, each times its weight.", ()
    )
    photometric_background: Literal["masked", "published"] = key(
        "Whether photometric losses compare inside the silhouette only or, as published, also the white "
        "background of the rendering with the black background of the masked image.",
        "masked",
    )


LossSection = create_model("LossSection", __base__=LossNames, __doc__="Losses.", **_weight_fields())


class TrainingSection(Section):
    """Training."""

    task: Literal["train", "hm_train"] = key("Train the hand network, or (hm_train) the 2D branch.", "train")
    mode: tuple[Literal["training", "evaluation"], ...] = key(
        'With "training": train, and evaluate on the way; without: only evaluate.', ("training",)
    )
    total_epochs: Positive = key("Number of epochs.", 100)
    train_batch: Positive = key("Training batch size, per process.", 8)
    accumulate_steps: Positive = key("Number of batches that make one optimiser step.", 1)
    optimizer: Literal["Adam", "AdamW"] = key("Optimiser, with betas of 0.9 and 0.999.", "Adam")
    init_lr: float = key("Initial learning rate.", 1e-3, ge=0)
    weight_decay: float = key("Weight decay of the optimiser.", 0.0, ge=0)
    lr_schedule: Literal["step", "cosine"] = key(
        "Course of the learning rate: a factor lr_gamma at lr_steps, or a cosine to 0 over total_epochs.",
        "step",
    )
    lr_steps: tuple[Positive, ...] = key("Epochs after which lr_gamma multiplies the learning rate.", ())
    lr_gamma: float = key("Factor of the learning rate at each of lr_steps.", 0.5, gt=0, le=1)
    warmup_steps: int = key("Optimiser steps over which the learning rate rises from 0.", 0, ge=0)
    gradient_clip: PositiveFloat | None = key("Largest norm of the gradient; null: unlimited.", None)
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = key(
        "Decay of a moving average of the weights, which is then evaluated; null: no average.", None
    )
    freeze_hm_estimator: bool = key(
        "Keep the loaded weights of the 2D branch; the published default was true.", False
    )
    device: str = key("auto (CUDA where there is one), cpu, cuda, or cuda:<index>.", "auto", pattern=DEVICE)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = key(
        "Arithmetic of the networks; rendering, hand model and losses stay in fp32. auto: bf16 where the "
        "device supports it, else fp32.",
        "fp32",
    )
    channels_last: bool | None = key(
        "Keep images and features channels-last in memory: faster, with the same results up to rounding; "
        "default: true, but false for fp32 on CUDA.",
        None,
    )
    compile: bool = key("Compile the networks with torch.compile.", False)
    seed: int = key("Seed of weights, sampling and augmentation.", 0, ge=0)
    nonfinite: Literal["stop", "skip"] = key(
        "What to do when a loss is not finite: stop and name it, or skip the step and count it.", "stop"
    )
    resume: bool = key("Continue from the newest checkpoint in base_out_path, if there is one.", True)


class OutputSection(Section):
    """Evaluation and output."""

    base_out_path: str = key(f"Folder for everything the run writes; {WORKING_FOLDER}.")
    save_interval: Positive = key("Number of epochs between checkpoints.", 1)
    keep_checkpoints: Positive = key("Number of newest checkpoints to keep.", 3)
    is_write_tb: bool = key("Write TensorBoard events.", False)
    eval_interval: int = key(
        "Number of epochs between evaluations; default: save_interval.",
        default_factory=lambda data: data["save_interval"],
        ge=1,
    )
    eval_limit: Positive | None = key(
        "Number of samples to evaluate, the first ones of each dataset; null: all.", None
    )
    val_batch: Positive = key("Evaluation batch size.", 8)
    test_refinement: bool = key(
        "In evaluation, fit every hand to the keypoints of the 2D branch; report metrics before and after.",
        False,
    )
    refine_steps: Positive = key("Number of steps of that fit.", DEFAULT_REFINE_STEPS)


SECTIONS = (DataSection, FolderSection, NetworkSection, LossSection, TrainingSection, OutputSection)

KNOWN_KEYS = frozenset(name for section in SECTIONS for name in section.model_fields)
"""Every key of an experiment."""
