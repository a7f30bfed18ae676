"""The commands that check and convert files and the installation: config, doctor, convert-checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from s2hand.cli.exit_codes import FAULT_FOUND
from s2hand.cli.overrides import load, override_arguments, overrides


def config_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?", help="experiment config (JSON)")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema (configs/schema.json)")
    what.add_argument("--markdown", action="store_true", help="print the page of all keys (docs/config.md)")
    override_arguments(command)


def config(arguments: argparse.Namespace) -> None:
    """Check an experiment config and print every key with its resolved value."""
    from s2hand.config import ConfigError, reference

    if arguments.schema or arguments.markdown:
        print(reference.json_schema() if arguments.schema else reference.markdown(), end="")
    elif arguments.file is None:
        raise ConfigError("config: give the FILE to check, or --schema, or --markdown")
    else:
        print(load(arguments.file, arguments).to_json())


def doctor_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", metavar="CONFIG", nargs="?", help="experiment config whose data is tested too"
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    override_arguments(command)


def doctor(arguments: argparse.Namespace) -> int:
    """Show versions and devices, and test the installation and, if given, the data of a config."""
    import json

    from s2hand.doctor.imports import import_faults

    if faults := import_faults():
        print(
            json.dumps({"healthy": False, "faults": faults}, indent=2)
            if arguments.json
            else "\n".join(faults)
        )
        return FAULT_FOUND
    from s2hand.doctor.doctor import diagnose

    diagnosis = diagnose(arguments.file, overrides(arguments))
    print(json.dumps(diagnosis.as_dict(), indent=2) if arguments.json else diagnosis)
    return 0 if diagnosis.healthy else FAULT_FOUND


def convert_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="FILE.t7", help="published checkpoint")
    command.add_argument(
        "destination",
        metavar="OUT.safetensors",
        nargs="?",
        help="weights file to write, with a .json beside it (default: beside the checkpoint)",
    )


def convert_checkpoint(arguments: argparse.Namespace) -> None:
    """Convert a published .t7 checkpoint to safetensors and JSON."""
    from s2hand.checkpoints.converted import convert_published

    destination = arguments.destination or Path(arguments.source).with_suffix(".safetensors")
    for path in convert_published(arguments.source, destination):
        print(path)
