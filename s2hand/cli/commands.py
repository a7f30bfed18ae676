"""The sub-commands: each imports what it needs, calls one function, and prints what that returns."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from s2hand.cli.arguments import STAGES
from s2hand.errors import S2HandError

UNREADABLE_PICTURES = 3
"""Exit code of a detection that left out pictures which could not be read."""

FAULT_FOUND = 1
"""Exit code of `doctor` when a check failed."""


def _overrides(arguments: argparse.Namespace) -> dict:
    """What --set and --device replace."""
    from s2hand.config import parse_override

    overrides = dict(parse_override(text) for text in arguments.overrides)
    return overrides if arguments.device is None else overrides | {"device": arguments.device}


def _load(file: str | Path, arguments: argparse.Namespace, **overrides):
    """The config of a file with the command line's overrides; its notes go to stderr."""
    from s2hand.config import load_config

    try:
        config = load_config(file, overrides | _overrides(arguments))
    except S2HandError as error:
        error.told = os.environ.get("LOCAL_RANK", "0") != "0"  # all processes of a machine read the same file
        raise
    if os.environ.get("RANK", "0") == "0":  # one process of a distributed run speaks for all
        for note in config.notes:
            print(f"s2hand: note: {file}: {note}", file=sys.stderr)
    return config


def _run(config) -> None:
    from s2hand import experiment

    experiment.run(config)


def train(arguments: argparse.Namespace) -> None:
    """Run an experiment: train, evaluate on the way, and go on where an earlier run stopped."""
    _run(_load(arguments.file, arguments))


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate an experiment's network, without training."""
    _run(_load(arguments.file, arguments, mode=["evaluation"]))


def staged(arguments: argparse.Namespace) -> None:
    """Train the hand, then the 2D branch, then both together, and evaluate."""
    configs = [_load(Path(arguments.folder) / f"{stage}.json", arguments) for stage in STAGES]
    for config in configs:
        _run(config)


def demo(arguments: argparse.Namespace) -> None:
    """Train on generated pictures for some minutes, and show what was learned."""
    from s2hand.demo import run_demo

    run_demo(arguments.out, _overrides(arguments))


def synth(arguments: argparse.Namespace) -> None:
    """Write a synthetic dataset in the layout of FreiHAND, of HO-3D or of own photos."""
    from s2hand.synthetic import write_synthetic_dataset

    summary = write_synthetic_dataset(
        arguments.out,
        train=arguments.train_size,
        evaluation=arguments.eval_size,
        image_size=arguments.image_size,
        layout=arguments.layout,
        seed=arguments.seed,
        hand_model=arguments.hand_model,
        backgrounds=arguments.backgrounds,
        overwrite=arguments.overwrite,
    )
    print(f"{summary.root}: {'was there already' if summary.reused else 'written'}")


def shard(arguments: argparse.Namespace) -> None:
    """Write datasets as tar shards, to train from with few large files."""
    from s2hand.experiment.sharding import DEFAULT_MEGABYTES, config_of_source, shard_datasets

    shard_datasets(
        config_of_source(arguments.source, _overrides(arguments)),
        arguments.out,
        splits=arguments.splits,
        labels=arguments.labels,
        megabytes=DEFAULT_MEGABYTES if arguments.shard_size is None else arguments.shard_size,
        overwrite=arguments.overwrite,
    )
    print(f'to train from them: "train_datasets": ["Shards"], "shards_path": "{arguments.out}"')


def detect(arguments: argparse.Namespace) -> int:
    """Find hand keypoints on pictures, and go on where an earlier run stopped."""
    from s2hand.detection.detect import run_detection
    from s2hand.detection.detectors import DetectorSettings

    values = vars(arguments)
    summary = run_detection(
        arguments.source,
        arguments.out,
        DetectorSettings(**{field.name: values[field.name] for field in fields(DetectorSettings)}),
        **{key: values[key] for key in ("split", "boxes", "hand", "batch", "shard", "published", "preview")},
    )
    return UNREADABLE_PICTURES if summary.unreadable else 0


def score(arguments: argparse.Namespace) -> None:
    """Compute the official numbers of a prediction file."""
    from s2hand.evaluation.scoring import format_scores, score_files

    print(format_scores(score_files(arguments.gt, arguments.pred, arguments.out)))


def doctor(arguments: argparse.Namespace) -> int:
    """Show versions and devices, test the installation, and try a config's data."""
    import json

    from s2hand.doctor.doctor import diagnose

    diagnosis = diagnose(arguments.file, _overrides(arguments))
    print(json.dumps(diagnosis.as_dict(), indent=2) if arguments.json else diagnosis)
    return 0 if diagnosis.healthy else FAULT_FOUND


def compare(arguments: argparse.Namespace) -> None:
    """Put runs side by side: figures, speed, and the config keys that differ."""
    from s2hand.evaluation.compare import compare_runs, format_comparison, write_comparison

    comparison = compare_runs(arguments.runs)
    print(format_comparison(comparison))
    if arguments.out is not None:
        for path in write_comparison(comparison, arguments.out):
            print(path)


def convert_checkpoint(arguments: argparse.Namespace) -> None:
    """Convert a published .t7 checkpoint to safetensors and JSON."""
    from s2hand.checkpoints.converted import convert_published

    destination = arguments.destination or Path(arguments.source).with_suffix(".safetensors")
    for path in convert_published(arguments.source, destination):
        print(path)


def config(arguments: argparse.Namespace) -> None:
    """Check an experiment's JSON and print every key with its resolved value."""
    from s2hand.config import ConfigError, reference

    if arguments.schema or arguments.markdown:
        print(reference.json_schema() if arguments.schema else reference.markdown(), end="")
    elif arguments.file is None:
        raise ConfigError("config: give the FILE to check, or --schema, or --markdown")
    else:
        print(_load(arguments.file, arguments).to_json())
