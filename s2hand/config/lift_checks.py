"""Contradictions between the keys of a training on random hands."""

from __future__ import annotations

from s2hand.config.messages import ConfigError
from s2hand.config.model import Config
from s2hand.config.sections import LIFT

LIFT_INPUTS = ("landmarks", "detections")
"""Values of ``hand_input`` with which the hand head sees landmarks alone."""


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
    for key in ("train_datasets", "val_datasets"):
        if names := getattr(config, key):
            raise ConfigError(
                f"task {LIFT} draws its hands itself, but {key} has {names[0]}; set {key} to []"
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
