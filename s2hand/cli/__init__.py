"""The ``s2hand`` command. Every sub-command is one function call, and an error of the user's is one line.

A sub-command imports what it needs when it runs, so that ``s2hand --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys

from s2hand.cli import checks, datasets, detection, evaluation, experiments, prediction
from s2hand.errors import S2HandError

USAGE_ERROR = 2
"""Exit code of an error that the user can fix, the same as argparse's."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells report it."""

COMMANDS = (
    ("train", experiments.experiment_arguments, experiments.train),
    ("evaluate", experiments.experiment_arguments, experiments.evaluate),
    ("demo", experiments.demo_arguments, experiments.demo),
    ("staged", experiments.staged_arguments, experiments.staged),
    ("synth", datasets.synth_arguments, datasets.synth),
    ("shard", datasets.shard_arguments, datasets.shard),
    ("detect", detection.detect_arguments, detection.detect),
    ("predict", prediction.predict_arguments, prediction.predict),
    ("export-onnx", prediction.onnx_arguments, prediction.export_onnx),
    ("score", evaluation.score_arguments, evaluation.score),
    ("doctor", checks.doctor_arguments, checks.doctor),
    ("compare", evaluation.compare_arguments, evaluation.compare),
    ("config", checks.config_arguments, checks.config),
    ("convert-checkpoint", checks.convert_arguments, checks.convert_checkpoint),
)
"""Name, function that declares the arguments, and function that runs; its docstring is the help text."""


def main(argv: list[str] | None = None) -> int:
    """Runs a sub-command.

    Args:
        argv: the arguments without the program's name; default: the process's own.

    Returns:
        The exit code: 0; 1 if `doctor` found a fault; 2 for an error that the user can fix; 3 if `detect` or
        `predict` left out unreadable files; 130 or 143 after SIGINT or SIGTERM.
    """
    parsed = _parser().parse_args(argv)
    try:
        exit_code = parsed.run(parsed)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:  # the trainer's own has saved a checkpoint and says so
        exit_code = getattr(stop, "exit_code", INTERRUPTED)
        return _fail(str(stop) or "interrupted", exit_code) if _is_main_process() else exit_code
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except S2HandError as error:
        return USAGE_ERROR if error.told else _fail(f"error: {error}", USAGE_ERROR)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"error: {where}{error.strerror or error}", USAGE_ERROR)
    return exit_code or 0


def _is_main_process() -> bool:
    """Whether this is the only process, or the one of a distributed run that prints."""
    return os.environ.get("RANK", "0") == "0"


def _fail(message: str, exit_code: int) -> int:
    print("s2hand:", " ".join(message.split()), file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="s2hand", description="3D hand reconstruction from one photo, trained without manual labels."
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_arguments, run in COMMANDS:
        command = subparsers.add_parser(name, help=run.__doc__, description=run.__doc__)
        add_arguments(command)
        command.set_defaults(run=run)
    return parser
