"""Writes the datasets of a config as tar shards, from which ``Shards`` then trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from s2hand.config import Config, check_paths, config_from_dict, load_config
from s2hand.datasets.base import SPLITS
from s2hand.datasets.json_files import write_json
from s2hand.datasets.shards.index import SETS
from s2hand.datasets.shards.writer import DEFAULT_MEGABYTES, ShardSummary, write_shards
from s2hand.errors import DatasetError
from s2hand.experiment.datasets import build_dataset, training_labels


def config_of_source(source: str | Path, overrides: dict | None = None) -> Config:
    """The config that names the datasets to shard.

    Args:
        source: an experiment's JSON, or the folder of FreiHAND, of HO-3D, or of a dataset in their layouts.
        overrides: key -> value, replacing the file's.

    Raises:
        DatasetError: the folder has neither layout, or the config names no dataset.
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        config = load_config(path, overrides)
        if not (config.train_datasets or config.val_datasets):
            raise DatasetError(f"{path}: trains without images, so it names no dataset; give another config")
        return config
    if (path / "training_K.json").is_file():
        dataset, key = "FreiHand", "freihand_base_path"
    elif (path / "train.txt").is_file():
        dataset, key = "HO3D", "ho3d_base_path"
    else:
        raise DatasetError(
            f"{path}: neither training_K.json (FreiHAND's layout) nor train.txt (HO-3D's) is there: give an "
            "experiment's JSON, or a dataset's folder"
        )
    values = {"train_datasets": [dataset], key: str(path), "losses": ["open_2dj"], "base_out_path": "runs"}
    return config_from_dict(values | (overrides or {}), str(source))


def shard_datasets(
    config: Config,
    out: str | Path,
    *,
    splits: Sequence[str] = SPLITS,
    labels: Sequence[str] = (),
    megabytes: float = DEFAULT_MEGABYTES,
    overwrite: bool = False,
    say=print,
) -> list[ShardSummary]:
    """Writes ``OUT/training`` and ``OUT/evaluation``; a split of several datasets gets a folder for each.

    Args:
        config: names the datasets, and by its losses the training labels to keep.
        out: folder of the splits.
        splits: which of ``training`` and ``evaluation``.
        labels: further training labels to keep; evaluation keeps those on disk.
        megabytes: size at which a new tar is begun.
        overwrite: replace other shards.
        say: takes each line meant for the user.

    Raises:
        S2HandError: a dataset is missing or damaged, or other shards are in the way.
    """
    check_paths(config)
    summaries = []
    for split in splits:
        training = split == "training"
        names = config.train_datasets if training else config.val_datasets
        if "Shards" in names:
            raise DatasetError(f"{config.source}: Shards are sharded already: name what they came from")
        if config.stage == "evaluate" and training:
            say("no training split: the config's mode is evaluation")
            continue
        for name in names:
            wanted = sorted(training_labels(config) | set(labels)) if training else None
            summary = write_shards(
                build_dataset(config, name, split, wanted),
                Path(out) / split if len(names) == 1 else Path(out) / split / name,
                source=name,
                megabytes=megabytes,
                max_unreadable_share=config.max_unreadable_share if training else 0.0,
                overwrite=overwrite,
            )
            say(_describe(summary))
            summaries.append(summary)
        _list_sets(Path(out) / split, names)
    return summaries


def _list_sets(folder: Path, names: Sequence[str]) -> None:
    """Says which folders belong together, where there are several."""
    if len(names) > 1:
        write_json(folder / SETS, list(names))
    else:
        (folder / SETS).unlink(missing_ok=True)


def _describe(summary: ShardSummary) -> str:
    size = f"{summary.size / 1e6:,.1f} MB"
    line = f"{summary.folder}: {summary.samples:,} samples in {summary.shards} tars, {size}"
    if summary.reused:
        line += f"; {summary.reused} were there already"
    if summary.unreadable:
        line += f"; {summary.unreadable} images cannot be read, and are kept as they are"
    return line
