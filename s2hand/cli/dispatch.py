"""From the arguments of the process to a sub-command, and from its outcome to one line and an exit code.

A sub-command imports what it needs when it runs, so that ``s2hand --help`` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import os
import shlex
import signal
import sys
from typing import TextIO

from s2hand.cli import app, benchmarks, checks, datasets, detection, evaluation, experiments, prediction
from s2hand.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, USAGE_ERROR
from s2hand.cli.streams import open_closed_streams, print_anything, reader_left, silence_output
from s2hand.errors import S2HandError, one_line

COMMANDS = (
    ("train", experiments.experiment_arguments, experiments.train),
    ("evaluate", experiments.evaluate_arguments, experiments.evaluate),
    ("demo", experiments.demo_arguments, experiments.demo),
    ("staged", experiments.staged_arguments, experiments.staged),
    ("synth", datasets.synth_arguments, datasets.synth),
    ("shard", datasets.shard_arguments, datasets.shard),
    ("view", datasets.view_arguments, datasets.view),
    ("detect", detection.detect_arguments, detection.detect),
    ("import-detections", detection.import_arguments, detection.import_detections),
    ("predict", prediction.predict_arguments, prediction.predict),
    ("app", app.app_arguments, app.app),
    ("export-onnx", prediction.onnx_arguments, prediction.export_onnx),
    ("score", evaluation.score_arguments, evaluation.score),
    ("doctor", checks.doctor_arguments, checks.doctor),
    ("benchmark", benchmarks.benchmark_arguments, benchmarks.benchmark),
    ("compare", evaluation.compare_arguments, evaluation.compare),
    ("report", evaluation.report_arguments, evaluation.report),
    ("config", checks.config_arguments, checks.config),
    ("convert-checkpoint", checks.convert_arguments, checks.convert_checkpoint),
)
"""Name, function that declares the arguments, and function that runs; its docstring is the help text."""


class CommandParser(argparse.ArgumentParser):
    """Fails if what it says cannot be written, to a full disk say; argparse itself passes over that."""

    def _print_message(self, message: str, file: TextIO | None = None) -> None:
        (file or sys.stderr).write(message or "")


class UsageError(S2HandError):
    """The arguments name a command or an option that does not exist."""


def run(argv: list[str] | None, catch_interrupts: bool) -> int:
    """Runs a sub-command; see :func:`s2hand.cli.main`.

    Args:
        argv: the arguments, None for those of the process.
        catch_interrupts: whether Ctrl-C is to raise KeyboardInterrupt from now on.
    """
    open_closed_streams()
    print_anything()
    try:
        if catch_interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        exit_code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except KeyboardInterrupt as stop:  # the trainer's own has saved a checkpoint and says so
        exit_code = getattr(stop, "exit_code", INTERRUPTED)
        return _fail(str(stop) or "interrupted", exit_code) if _is_main_process() else exit_code
    except S2HandError as error:
        return USAGE_ERROR if error.told else _fail(f"error: {error}", USAGE_ERROR)
    except UnicodeError as error:
        return _fail(f"error: {_unprintable(error)}", USAGE_ERROR)
    except ImportError as error:
        if (error.name or "").startswith("s2hand"):
            raise
        return _fail(f"error: {one_line(str(error))}; `s2hand doctor` tests the installation", USAGE_ERROR)
    except RuntimeError as error:
        if "home directory" not in str(error):  # pathlib's error for ~name without such a user
            raise
        return _fail("error: a path begins with ~, but there is no such user's home folder", USAGE_ERROR)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and reader_left():
            silence_output()
            return BROKEN_PIPE
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"error: {where}{error.strerror or error}", USAGE_ERROR)
    return exit_code or 0


def _run(argv: list[str]) -> int | None:
    """Parses the arguments and calls the sub-command."""
    parser = command_parser()
    if not argv:
        parser.print_help()
        return 0
    names = [name for name, *_ in COMMANDS]
    choices = [*names, "-h", "--help", "--version"]
    if argv[0] not in choices:
        raise UsageError(
            f"no command {argv[0]!r}; {_suggestion(argv[0], choices, 's2hand --help lists them')}"
        )
    try:
        parsed, unknown = parser.parse_known_args(argv)
    except SystemExit as end:  # argparse has printed help or a usage error
        return end.code
    if unknown and hasattr(parsed, "inputs") and not any(word.startswith("-") for word in unknown):
        parsed.inputs += unknown  # argparse takes positional arguments up to the first option alone
        unknown = []
    if unknown:
        known = [option for action in parsed.parser._actions for option in action.option_strings]
        word = unknown[0].partition("=")[0]
        remedy = _suggestion(word, known, f"s2hand {argv[0]} --help lists them")
        raise UsageError(f"{argv[0]}: unknown argument {word!r}; {remedy}")
    for name, value in vars(parsed).items():
        if value == "" or (isinstance(value, list) and "" in value):
            raise UsageError(
                f"{argv[0]}: {name} is empty, as from a variable that is not set; give it a value"
            )
    parsed.command_line = shlex.join(["s2hand", *argv])
    return parsed.run(parsed)


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = CommandParser(
        prog="s2hand", description="3D hand reconstruction from one photo, trained without manual labels."
    )
    parser.add_argument("--version", action="version", version=f"s2hand {_version()}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_arguments, function in COMMANDS:
        command = subparsers.add_parser(name, help=function.__doc__, description=function.__doc__)
        add_arguments(command)
        command.set_defaults(run=function, parser=command)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("s2hand")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _suggestion(word: str, known: list[str], otherwise: str) -> str:
    """What was probably meant, or where the choices are listed."""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else otherwise


def _unprintable(error: UnicodeError) -> str:
    """A line about text that is not valid Unicode, which a name of a file may be."""
    text = getattr(error, "object", "")
    shown = ascii(text)[1:-1] if isinstance(text, (str, bytes)) else ""
    return f"{shown[:200]}: not valid UTF-8; rename this file or folder"


def _is_main_process() -> bool:
    """Whether this is the only process, or the one of a distributed run that prints."""
    return os.environ.get("RANK", "0") == "0"


def _fail(message: str, exit_code: int) -> int:
    """Prints one line to stderr, if anybody reads it; returns the exit code."""
    is_lost = False
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"s2hand: {one_line(message)}\n")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            is_lost = True
    if is_lost:
        silence_output()
    return exit_code
