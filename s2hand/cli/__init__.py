"""The ``s2hand`` command: arguments in, one function call out, faults as one line.

Everything heavy is imported by the sub-command that needs it, so that ``s2hand --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys

from s2hand.cli import arguments, commands, prediction
from s2hand.errors import S2HandError

USAGE_ERROR = 2
"""Exit code of a fault the user can put right, as argparse's own."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells report it."""

COMMANDS = (
    ("train", arguments.experiment_arguments, commands.train),
    ("evaluate", arguments.evaluate_arguments, commands.evaluate),
    ("demo", arguments.demo_arguments, commands.demo),
    ("staged", arguments.staged_arguments, commands.staged),
    ("synth", arguments.synth_arguments, commands.synth),
    ("shard", arguments.shard_arguments, commands.shard),
    ("detect", arguments.detect_arguments, commands.detect),
    ("predict", prediction.predict_arguments, prediction.predict),
    ("export-onnx", prediction.onnx_arguments, prediction.export_onnx),
    ("score", arguments.score_arguments, commands.score),
    ("doctor", arguments.doctor_arguments, commands.doctor),
    ("compare", arguments.compare_arguments, commands.compare),
    ("config", arguments.config_arguments, commands.config),
    ("convert-checkpoint", arguments.convert_arguments, commands.convert_checkpoint),
)
"""Name, function that declares the arguments, function that runs; its docstring is the help."""


def main(argv: list[str] | None = None) -> int:
    """Runs a sub-command.

    Args:
        argv: the arguments without the program's name; default: the process's own.

    Returns:
        The exit code: 0, 1 if `doctor` found a fault, 2 for a fault the user can put right, 3 if `detect`
        or `predict` met unreadable pictures, 130 or 143 when told to stop.
    """
    parsed = _parser().parse_args(argv)
    try:
        exit_code = parsed.run(parsed)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:  # the trainer's own kind has saved a checkpoint and says so
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
    """Whether this is the process of a distributed run that speaks, or the only one."""
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
