"""What the commands share that read an experiment's JSON: replacing its values, and loading it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from s2hand.errors import S2HandError


def override_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="override config values, for example --set train_batch=16 precision=bf16",
    )
    command.add_argument("--device", help="auto, cpu, cuda or cuda:<index>; short for --set device=...")


def overrides(arguments: argparse.Namespace) -> dict:
    """The values that --set and --device give."""
    from s2hand.config import parse_override

    values = dict(parse_override(text) for text in arguments.overrides)
    return values if arguments.device is None else values | {"device": arguments.device}


def load(file: str | Path, arguments: argparse.Namespace, read: Callable | None = None):
    """Loads a config with the overrides of the command line, and prints its notes to stderr.

    Args:
        file: what to read.
        arguments: with --set and --device.
        read: (file, overrides) -> config; None: an experiment's JSON.
    """
    from s2hand.config import load_config

    try:
        config = (read or load_config)(file, overrides(arguments))
    except S2HandError as error:
        error.told = (
            os.environ.get("LOCAL_RANK", "0") != "0"
        )  # every process of a machine reads the same file
        raise
    if os.environ.get("RANK", "0") == "0":  # one process of a distributed run speaks for all
        for note in config.notes:
            print(f"s2hand: note: {file}: {note}", file=sys.stderr)
    return config
