"""Where a network starts from: the files that a config's ``pretrain_*`` keys name; and which parts learn."""

from __future__ import annotations

from collections.abc import Callable, Collection

from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.published import printable
from s2hand.checkpoints.weights import (
    StoredWeights,
    modules_with_weights,
    read_stored,
)
from s2hand.config.sections import NetworkSection
from s2hand.models import MODULES_OF_PART, HandNet

SIZES_OF_PART = {
    "hand": (
        *("backbone", "num_pca", "use_mean_shape", "fingertips", "attention", "hand_input"),
        "detected_points",
        "encoder_depths",
    ),
    "heatmaps": ("hourglass_stacks", "hourglass_depth", "hourglass_modules", "hourglass_features"),
}
"""Config keys that are sizes and switches of a part of the network."""

ESSENTIAL_PARTS = ("hand", "heatmaps", "confidence")
"""Parts without whose weights an evaluation's metrics would mean nothing."""

MODULES_OF_KEY = {
    "pretrain_model": None,
    "pretrain_rgb2hm": MODULES_OF_PART["heatmaps"],
    "pretrain_texture_model": MODULES_OF_PART["texture"],
}
"""The keys, in the order in which they are loaded, and what each fills; None: whatever its file holds."""

SIZES_REMEDY = "use the backbone, hourglass_* and num_pca that it was trained with"


class StartingWeights:
    """The files that a config's ``pretrain_*`` keys name, each read once and only if it is needed.

    Attributes:
        epoch: the number of epochs after which the file in ``pretrain_model`` was written; None before it is
            loaded, and if it does not tell.

    Args:
        network: the config's section, or the whole config.
    """

    def __init__(self, network: NetworkSection) -> None:
        self._section = network
        self._read: dict[str, StoredWeights] = {}
        self.epoch: int | None = None

    def network(self, say: Callable[[str], None] = print) -> NetworkSection:
        """The section that the network is to be built with.

        The checkpoint in ``pretrain_model`` brings the sizes and switches of the parts that it holds; keys
        that the config sets itself win over them.

        Args:
            say: takes one line on every value that the file and the config do not share.

        Raises:
            CheckpointError: the file is missing, damaged or of another kind.
        """
        section, path = self._section, self._section.pretrain_model
        given = section.model_fields_set & NetworkSection.model_fields.keys()
        taken = {}
        for key, value in self._stored_sizes().items():
            own = getattr(section, key)
            if own == value:
                continue
            if key in given:
                say(f"{key} is {value!r} in {path}, but the config says {own!r}")
            else:
                say(f"{key} is {value!r}, as stored in {path}")
                taken[key] = value
        return NetworkSection.model_validate({key: getattr(section, key) for key in given} | taken)

    def load_into(self, model: HandNet, *, evaluated: bool) -> list[str]:
        """Fills a network from the files, in the order of the keys, and forgets them.

        Args:
            model: the network.
            evaluated: whether it is evaluated as it is, and not trained further.

        Returns:
            One line for each file: what was loaded, and what was not.

        Raises:
            CheckpointError: a file is unreadable or does not fit, or the files together lack weights of a
                network that is evaluated.
        """
        reports, loaded = [], set()
        for key, wanted in MODULES_OF_KEY.items():
            path = getattr(self._section, key)
            if path is None or (wanted and all(getattr(model, name) is None for name in wanted)):
                continue
            stored = self._stored(path)
            if key == "pretrain_model":
                self.epoch = stored.epoch
            report, found = _load(stored, model, wanted)
            reports.append(f"{key}: {report}")
            loaded.update(found)
        self._read.clear()
        if evaluated and reports:
            self._check_complete(model, loaded)
        return reports

    def _stored(self, path: str) -> StoredWeights:
        if path not in self._read:
            self._read[path] = read_stored(path)
        return self._read[path]

    def _stored_sizes(self) -> dict:
        """Sizes and switches of the network in ``pretrain_model``, for the parts that the file holds."""
        if not self._section.pretrain_model:
            return {}
        stored = self._stored(self._section.pretrain_model)
        if "image_size" not in stored.settings:
            return {}
        network = stored.network
        held = [part for part in SIZES_OF_PART if stored.modules.keys() & set(MODULES_OF_PART[part])]
        return {key: getattr(network, key) for part in held for key in SIZES_OF_PART[part]}

    def _check_complete(self, model: HandNet, loaded: Collection[str]) -> None:
        """Training may start a network anew; its evaluation may not."""
        essential = [name for part in ESSENTIAL_PARTS for name in MODULES_OF_PART[part]]
        absent = [name for name in essential if getattr(model, name) is not None and name not in loaded]
        if absent:
            raise CheckpointError(
                f"{self._section.pretrain_model}: lacks {', '.join(absent)}, which test_requires asks for: "
                "name a checkpoint that holds their weights (the 2D branch's alone as pretrain_rgb2hm), or "
                "shorten test_requires"
            )


def _load(stored: StoredWeights, model: HandNet, wanted: tuple[str, ...] | None) -> tuple[str, list[str]]:
    """Fills what a file and a network both have, or all that is wanted.

    Returns:
        A line that says what was loaded and what was not, and the modules filled.
    """
    own = wanted or [name for name, _ in modules_with_weights(model)]
    chosen = [name for name in own if name in stored.modules]
    absent = [name for name in own if name not in stored.modules]
    if not chosen or (wanted and absent):
        raise CheckpointError(
            f"{stored.path}: holds {printable(', '.join(sorted(stored.modules))) or 'nothing known'}, but "
            f"{', '.join(absent)} is wanted; name a checkpoint of a stage that trains it"
        )
    stored.load_into(model, chosen, SIZES_REMEDY)
    report = f"{stored.path}: loaded {', '.join(chosen)}"
    if absent:
        report += f"; not in it, so left as initialised: {', '.join(absent)}"
    if stored.unknown:
        first = printable(stored.unknown[0])
        report += f"; {len(stored.unknown)} weights in it have no place here, first {first}"
    return report, chosen


def trained_modules(
    trained_parts: Collection[str], model: HandNet, keeps_backbone: bool = False
) -> frozenset[str]:
    """Names of the network's children that learn; freezes the parameters of the others.

    Args:
        trained_parts: of hand, heatmaps, texture and confidence, those that learn.
        model: the network.
        keeps_backbone: whether the backbone stays as it is, whatever learns on top of it.
    """
    names = {name for part in trained_parts for name in MODULES_OF_PART[part]}
    if "texture" in trained_parts:
        names.add("backbone")  # the heads read its low-level map
    if keeps_backbone:
        names.discard("backbone")
    for name, child in model.named_children():
        child.requires_grad_(name in names)
    return frozenset(name for name in names if getattr(model, name) is not None)
