"""Contradictions between the keys of own photos."""

from __future__ import annotations

import math
from collections.abc import Collection

from s2hand.config.messages import ConfigError
from s2hand.config.model import Config


def check_folder(config: Config) -> None:
    """Refuses contradictions between the keys of own photos.

    Raises:
        ConfigError: with the keys concerned and the remedy, but without the file's name.
    """
    if config.folder_K is not None:
        _check_camera(config.folder_K)
        if config.folder_focal is not None:
            raise ConfigError("folder_K and folder_focal both state the camera; keep one of them")
    trains = config.stage == "train" and "Folder" in config.train_datasets
    if trains and config.folder_val_share == 1:
        raise ConfigError(
            "folder_val_share is 1: no photo of Folder is left to train on; 0 trains and evaluates on all"
        )


def _check_camera(rows: tuple[tuple[float, ...], ...]) -> None:
    shaped = len(rows) == 3 and all(len(row) == 3 for row in rows)
    finite = all(math.isfinite(value) for row in rows for value in row)
    if not (
        shaped and finite and rows[0][0] > 0 and rows[1][1] > 0 and rows[1][0] == 0 and rows[2] == (0, 0, 1)
    ):
        raise ConfigError(
            "folder_K must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] in pixels with fx, fy > 0, got "
            f"{[list(row) for row in rows]}"
        )


def ineffective_folder_keys(config: Config, given: Collection[str]) -> list[str]:
    """One line per key of own photos that is changed without own photos being used."""
    training = config.train_datasets if config.stage == "train" else ()
    if "Folder" in (*training, *config.val_datasets):
        return []
    changed = [
        name
        for name in sorted(given)
        if name.startswith("folder_") and getattr(config, name) != Config.model_fields[name].default
    ]
    return [f"{name} has no effect: Folder is not among the datasets" for name in changed]
