"""Contradictions between the keys of hand heads that read landmarks, and of training one on random hands."""

from __future__ import annotations

from s2hand.config.messages import ConfigError
from s2hand.config.model import Config
from s2hand.config.sections import LIFT
from s2hand.skeleton import NUM_POSE

LIFT_INPUTS = ("landmarks", "detections")
"""Values of ``hand_input`` with which the hand head sees landmarks alone."""

LIFT_DATASETS = ("Synthetic", "Folder")
"""What a lift may learn from beside random hands: images with the generator's truth, and photos without."""


def check_landmark_input(config: Config) -> None:
    """Refuses networks in which a hand head cannot read landmarks.

    Raises:
        ConfigError: with the keys concerned and the remedy, but without the file's name.
    """
    reads_landmarks = "landmarks" in config.hand_input or "detections" in config.hand_input
    if reads_landmarks and config.backbone != "mediapipe_hand":
        raise ConfigError(
            f"hand_input {config.hand_input} reads the landmarks of the backbone mediapipe_hand, but "
            f"backbone is {config.backbone}"
        )
    if reads_landmarks and config.num_pca != NUM_POSE:
        raise ConfigError(
            f"hand_input {config.hand_input} needs all {NUM_POSE} directions of the pose basis, but num_pca "
            f"is {config.num_pca}"
        )
    if reads_landmarks and config.use_mean_shape:
        raise ConfigError(f"hand_input {config.hand_input} tells the shape too: set use_mean_shape to false")
    if not config.encoder_depths and "detections" not in config.hand_input:
        raise ConfigError(
            "encoder_depths false is for a hand head that reads detections, but hand_input is "
            f"{config.hand_input}"
        )
    if config.hand_head_pretrained and not reads_landmarks:
        raise ConfigError(
            f"hand_head_pretrained starts a head that reads landmarks, but hand_input is {config.hand_input}"
        )


def check_lift(config: Config) -> None:
    """Refuses keys that a training on random hands cannot follow; does nothing for other tasks.

    Raises:
        ConfigError: with the key concerned and the remedy, but without the file's name.
    """
    if config.task != LIFT:
        return
    if config.hand_input not in LIFT_INPUTS:
        raise ConfigError(
            f"task {LIFT} trains a hand head that reads landmarks alone, but hand_input is "
            f"{config.hand_input}; set it to detections"
        )
    if config.stage == "evaluate":
        return
    if unknown := [name for name in config.train_datasets if name not in LIFT_DATASETS]:
        raise ConfigError(
            f"task {LIFT} learns from random hands and from {' and '.join(LIFT_DATASETS)}, but "
            f"train_datasets has {unknown[0]}; leave it out"
        )
    if config.val_datasets:
        raise ConfigError(
            f"task {LIFT} measures on random hands, but val_datasets has {config.val_datasets[0]}; set "
            "val_datasets to [], and measure on images with `s2hand benchmark` or `s2hand evaluate`"
        )
    if config.losses:
        raise ConfigError(
            f"task {LIFT} has losses of its own, but losses asks for {config.losses[0]}; set it to []"
        )
    if extra := sorted({*config.train_requires, *config.test_requires} - {"joints", "verts"}):
        raise ConfigError(
            f"task {LIFT} trains hands alone, but {extra[0]} is in train_requires or test_requires; leave it "
            "out"
        )
    if config.precision != "fp32":
        raise ConfigError(f"task {LIFT} computes in fp32, but precision is {config.precision}; leave it out")
    if config.random_hands_train_size < config.train_batch:
        raise ConfigError(
            f"random_hands_train_size {config.random_hands_train_size} is less than one train_batch of "
            f"{config.train_batch}"
        )
