"""The whole experiment as one strict, frozen value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PrivateAttr

from s2hand.config.loss_table import (
    CONFIDENCE_LOSSES,
    DEFAULT_WEIGHTS,
    HAND_LOSSES,
    HEATMAP_LOSSES,
    TEXTURE_LOSSES,
)
from s2hand.config.sections import LIFT, SECTIONS, parts_of


class Config(*reversed(SECTIONS)):  # type: ignore[misc]  # pydantic lists the fields of the last base first
    """A resolved experiment. Make one with :func:`s2hand.config.load_config` or :func:`config_from_dict`.

    Attributes: one per key of docs/config.md.
    """

    _notes: tuple[str, ...] = PrivateAttr(default=())
    _source: str = PrivateAttr(default="config")

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user about keys without effect, and about what has the effect instead."""
        return self._notes

    @property
    def source(self) -> str:
        """The origin of the config, for messages."""
        return self._source

    @property
    def stage(self) -> Literal["train", "evaluate"]:
        """Whether the run trains, evaluating on the way, or only evaluates."""
        return "train" if "training" in self.mode else "evaluate"

    @property
    def run_dir(self) -> Path:
        """The folder of checkpoints, records, predictions and figures."""
        return Path(self.base_out_path)

    @property
    def network_parts(self) -> frozenset[str]:
        """The parts that the network must have: of hand, heatmaps, texture, render and confidence."""
        return parts_of(self.test_requires + (self.train_requires if self.stage == "train" else ()))

    @property
    def trained_parts(self) -> frozenset[str]:
        """The parts that receive gradients: of hand, heatmaps, texture and confidence."""
        if self.stage == "evaluate":
            return frozenset()
        losses = set(self.losses)
        parts = {
            "hand": self.task == LIFT or (self.task == "train" and bool(losses & HAND_LOSSES)),
            "heatmaps": bool(losses & HEATMAP_LOSSES) and not self.freeze_hm_estimator,
            "texture": bool(losses & TEXTURE_LOSSES),
            "confidence": bool(losses & CONFIDENCE_LOSSES),
        }
        return frozenset(name for name, trained in parts.items() if trained)

    def base_path(self, dataset: str) -> str | None:
        """The folder of a dataset by its name in train_datasets or val_datasets."""
        return getattr(self, BASE_PATH_KEYS[dataset])

    def loss_weights(self) -> dict[str, float]:
        """Loss name -> weight, for the weights that are set."""
        given = {name: getattr(self, f"lambda_{name}") for name in DEFAULT_WEIGHTS}
        return {name: weight for name, weight in given.items() if weight is not None}

    def resolved_loss_weights(self) -> dict[str, float]:
        """Loss name -> weight for each of ``losses``: the config's own, else the default."""
        weights = DEFAULT_WEIGHTS | self.loss_weights()
        return {name: weights[name] for name in self.losses}

    def to_json(self) -> str:
        """Every key with its resolved value, as JSON that loads to an equal config."""
        return self.model_dump_json(indent=2)


BASE_PATH_KEYS = {
    "FreiHand": "freihand_base_path",
    "HO3D": "ho3d_base_path",
    "Synthetic": "synthetic_base_path",
    "Shards": "shards_path",
    "Folder": "folder_base_path",
}
"""Dataset -> the key of its folder."""
