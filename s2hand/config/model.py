"""The experiment as a value: strict, frozen, complete."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PrivateAttr

from s2hand.config.published import LOSS_NAMES
from s2hand.config.sections import SECTIONS

OWN_HEATMAP_LOSSES = frozenset({"hm_integral", "hm_integral_gt", "hm_cross_entropy"})
"""Losses of the 2D branch alone."""

HEATMAP_LOSSES = OWN_HEATMAP_LOSSES | {"kp_cons"}
"""Losses with a gradient to the 2D branch."""

TEXTURE_LOSSES = frozenset({"texture", "mrgb", "ssim_tex", "mtex"})
"""Losses with a gradient to the texture and light heads."""

HAND_LOSSES = frozenset(LOSS_NAMES) - OWN_HEATMAP_LOSSES
"""Losses with a gradient to the encoder and the hand head."""


class Config(*reversed(SECTIONS)):  # type: ignore[misc]  # pydantic lists the fields of the last base first
    """A resolved experiment. Make one with :func:`s2hand.config.load_config` or :func:`config_from_dict`.

    Attributes: one per key of docs/config.md.
    """

    _notes: tuple[str, ...] = PrivateAttr(default=())
    _source: str = PrivateAttr(default="config")

    @property
    def notes(self) -> tuple[str, ...]:
        """One line per key of the file that steers nothing, saying what does; worth showing to the user."""
        return self._notes

    @property
    def source(self) -> str:
        """Where the config came from, for messages."""
        return self._source

    @property
    def stage(self) -> Literal["train", "evaluate"]:
        """What the run does; training evaluates on the way."""
        return "train" if "training" in self.mode else "evaluate"

    @property
    def run_dir(self) -> Path:
        """The folder that takes checkpoints, events, predictions and pictures."""
        return Path(self.base_out_path)

    @property
    def network_parts(self) -> frozenset[str]:
        """The parts the network must have: of ``encoder+hand``, ``heatmaps`` and ``texture``."""
        requires = set(self.test_requires)
        if self.stage == "train":
            requires |= set(self.train_requires)
        parts = {
            "encoder+hand": bool(requires & {"joints", "verts", "textures", "lights"}),
            "heatmaps": "heatmaps" in requires,
            "texture": bool(requires & {"textures", "lights"}),
        }
        return frozenset(name for name, needed in parts.items() if needed)

    @property
    def trained_parts(self) -> frozenset[str]:
        """The parts that receive gradients: of ``encoder+hand``, ``heatmaps`` and ``texture``."""
        if self.stage == "evaluate":
            return frozenset()
        losses = set(self.losses)
        parts = {
            "encoder+hand": self.task == "train" and bool(losses & HAND_LOSSES),
            "heatmaps": bool(losses & HEATMAP_LOSSES) and not self.freeze_hm_estimator,
            "texture": bool(losses & TEXTURE_LOSSES),
        }
        return frozenset(name for name, trained in parts.items() if trained)

    def base_path(self, dataset: str) -> str | None:
        """The folder of a dataset by its name in train_datasets or val_datasets."""
        return getattr(self, BASE_PATH_KEYS[dataset])

    def loss_weights(self) -> dict[str, float]:
        """The weights given explicitly: loss name -> lambda."""
        given = {name: getattr(self, f"lambda_{name}") for name in LOSS_NAMES}
        return {name: weight for name, weight in given.items() if weight is not None}

    def resolved_loss_weights(self, defaults: dict[str, float]) -> dict[str, float]:
        """The weight of each loss asked for: the config's, else ``defaults``'.

        Args:
            defaults: loss name -> weight, for every loss.
        """
        weights = {**defaults, **self.loss_weights()}
        return {name: weights[name] for name in self.losses}

    def to_json(self) -> str:
        """Every key with its resolved value, as a JSON file that loads to an equal config."""
        return self.model_dump_json(indent=2)


BASE_PATH_KEYS = {
    "FreiHand": "freihand_base_path",
    "HO3D": "ho3d_base_path",
    "Synthetic": "synthetic_base_path",
    "Shards": "shards_path",
    "Folder": "folder_base_path",
}
"""The key that names each dataset's folder."""
