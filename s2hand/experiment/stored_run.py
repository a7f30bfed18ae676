"""Evaluating what a run has trained: which weights, which config, and where the results go."""

from __future__ import annotations

import json
from pathlib import Path

from s2hand.checkpoints.checkpoint import BEST, CheckpointError, newest_sound, read_checkpoint
from s2hand.checkpoints.weights import read_stored
from s2hand.config import Config, config_from_dict, load_config
from s2hand.config.loading import read_json_object
from s2hand.config.stored import stored_config
from s2hand.evaluation.run_records import best_stage, holds_training

EVALUATIONS = "evaluations"
"""The sub-folder of a run for evaluations after training."""

NO_OTHER_WEIGHTS = {
    "backbone_pretrained": False,
    "hand_head_pretrained": False,
    "pretrain_rgb2hm": None,
    "pretrain_texture_model": None,
}
"""Keys of further weights, all of which the best checkpoint of a run replaces."""


def config_to_evaluate(source: str | Path, overrides: dict | None = None) -> Config:
    """What ``s2hand evaluate SOURCE`` evaluates.

    Args:
        source: a run's folder, its config.json, or a folder of a training's stages: the best weights of the
            run, with the config that they were trained with. Or an experiment's JSON: the weights that it
            names in ``pretrain_model``; if it describes a training that has begun, the run's best weights.
        overrides: key -> value, in place of stored ones.

    Raises:
        S2HandError: there is no usable checkpoint, or the config is invalid.
    """
    path = Path(source).expanduser()
    overrides = overrides or {}
    if path.is_dir():
        return _config_of_run(best_stage(path), overrides)
    if path.name == "config.json" and holds_training(path.parent):
        return _config_of_run(path.parent, overrides)
    config = load_config(path, overrides | {"mode": ["evaluation"]})
    describes_training = "training" in read_json_object(path).get("mode", ["training"])
    if describes_training and holds_training(config.run_dir) and "pretrain_model" not in overrides:
        best = best_weights(config.run_dir)
        return config.model_copy(update={"pretrain_model": str(best), **NO_OTHER_WEIGHTS})
    return config


def best_weights(run_dir: Path) -> Path:
    """A run's best checkpoint; without one, the newest sound one.

    Raises:
        CheckpointError: the run has no usable checkpoint.
    """
    return run_dir / BEST if (run_dir / BEST).is_file() else newest_sound(run_dir)[0]


def apart_from_training(config: Config) -> Config:
    """The config of an evaluation with a folder in which it overwrites nothing that training wrote.

    If ``base_out_path`` holds a training, the results go into a folder of its own in ``evaluations/``, which
    is named after the epoch of the weights; another evaluation of the same weights gets a number.
    """
    if config.stage != "evaluate" or not holds_training(config.run_dir):
        return config
    if config.pretrain_model is None:
        best = best_weights(config.run_dir)
        config = config.model_copy(update={"pretrain_model": str(best), **NO_OTHER_WEIGHTS})
    epoch = read_stored(config.pretrain_model).epoch
    name = Path(config.pretrain_model).stem if epoch is None else f"epoch_{epoch:04d}"
    number, folder = 1, config.run_dir / EVALUATIONS / name
    while _is_of_another(folder, config):
        number += 1
        folder = config.run_dir / EVALUATIONS / f"{name}-{number}"
    return config.model_copy(update={"base_out_path": str(folder)})


def _config_of_run(run_dir: Path, overrides: dict) -> Config:
    """The config of an evaluation of a run's best weights."""
    best = best_weights(run_dir)
    state = read_checkpoint(best)
    try:
        values = stored_config(state["config"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{best}: holds no config; evaluate it with an experiment's JSON") from None
    needs_heatmaps = values.get("attention") or "keypoints" in values.get("hand_input", "image")
    if needs_heatmaps:
        requires = values.get("test_requires", ())
        values["test_requires"] = list(dict.fromkeys([*requires, "heatmaps"]))
    values |= {"mode": ["evaluation"], "pretrain_model": str(best), "base_out_path": str(run_dir)}
    values |= NO_OTHER_WEIGHTS
    return config_from_dict(values | overrides, str(best))


def _is_of_another(folder: Path, config: Config) -> bool:
    """Whether a folder holds the results of another evaluation."""
    stored = folder / "config.json"
    if not stored.is_file():
        return folder.exists()
    try:
        values = json.loads(stored.read_text(encoding="utf-8"))
    except ValueError:
        return True
    own = json.loads(config.to_json()) | {"base_out_path": None}
    return not isinstance(values, dict) or values | {"base_out_path": None} != own
