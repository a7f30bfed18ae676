"""The commands that run experiments: train, evaluate, staged, demo."""

from __future__ import annotations

import argparse
from pathlib import Path

from s2hand.cli.overrides import load, override_arguments, overrides

STAGES = ("SSL-shape", "SSL-kp", "SSL-finetune", "evaluation")
"""The configs of the staged path in their order; each one starts from the results of those before it."""


def experiment_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", metavar="FILE", help="experiment config (JSON); docs/config.md lists its keys"
    )
    override_arguments(command)


def evaluate_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file",
        metavar="RUN_OR_FILE",
        help="run folder, whose best weights are evaluated, or an experiment config",
    )
    override_arguments(command)


def train(arguments: argparse.Namespace) -> None:
    """Train a network, evaluating at intervals; an interrupted run is resumed."""
    _run(load(arguments.file, arguments), arguments)


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate the best weights of a run, or the checkpoint that a config names."""
    from s2hand.experiment import config_to_evaluate

    _run(load(arguments.file, arguments, config_to_evaluate), arguments)


def staged_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default="configs/Synthetic",
        help=f"folder with the configs {', '.join(STAGES)} (default: %(default)s)",
    )
    override_arguments(command)


def staged(arguments: argparse.Namespace) -> None:
    """Train the hand head, then the 2D branch, then both together, and evaluate the result."""
    configs = [load(Path(arguments.folder) / f"{stage}.json", arguments) for stage in STAGES]
    for config in configs:
        _run(config, arguments)


def demo_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", metavar="DIR", default="runs/demo", help="output folder (default: %(default)s)"
    )
    override_arguments(command)


def demo(arguments: argparse.Namespace) -> None:
    """Train on generated images for a few minutes and show what was learned."""
    from s2hand.demo import run_demo

    run_demo(arguments.out, overrides(arguments))


def _run(config, arguments: argparse.Namespace) -> None:
    from s2hand import experiment

    experiment.run(config, command=arguments.command_line)
