"""The ``s2hand`` command: arguments in, one function call out, faults as one line.

Everything heavy is imported inside the sub-command that needs it, so that ``s2hand --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from s2hand.errors import S2HandError

USAGE_ERROR = 2
"""Exit code of a fault the user can put right, as argparse's own."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells report it."""

STAGES = ("SSL-shape", "SSL-kp", "SSL-finetune", "evaluation")
"""The configs of the staged path, in order; each starts from the results of those before it."""


def main(argv: list[str] | None = None) -> int:
    """Runs a sub-command.

    Args:
        argv: the arguments without the program's name; default: the process's own.

    Returns:
        The exit code: 0, 2 for a fault the user can put right, 130 or 143 when told to stop.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:  # the trainer's own kind has saved a checkpoint and says so
        return _fail(str(stop) or "interrupted", getattr(stop, "exit_code", INTERRUPTED))
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except S2HandError as error:
        return _fail(f"error: {error}", USAGE_ERROR)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"error: {where}{error.strerror or error}", USAGE_ERROR)
    return 0


def _fail(message: str, exit_code: int) -> int:
    print("s2hand:", " ".join(message.split()), file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="s2hand", description="3D hand reconstruction from one photo, trained without manual labels."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_arguments, run in COMMANDS:
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        add_arguments(command)
        command.set_defaults(run=run)
    return parser


def _experiment_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="the experiment's JSON; docs/config.md lists its keys")
    _override_arguments(command)


def _override_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="replace values of the JSON, as in --set train_batch=16 precision=bf16",
    )
    command.add_argument("--device", help="auto, cpu, cuda or cuda:<index>; the same as --set device=...")


def _overrides(arguments: argparse.Namespace) -> dict:
    """What --set and --device replace."""
    from s2hand.config import parse_override

    overrides = dict(parse_override(text) for text in arguments.overrides)
    return overrides if arguments.device is None else overrides | {"device": arguments.device}


def _load(file: str | Path, arguments: argparse.Namespace, **overrides):
    """The config of a file with the command line's overrides; its notes go to stderr."""
    from s2hand.config import load_config

    config = load_config(file, overrides | _overrides(arguments))
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
    """Write a synthetic dataset in FreiHAND's layout."""
    from s2hand.data.synthetic import write_synthetic_dataset

    write_synthetic_dataset(
        arguments.out,
        train_size=arguments.train_size,
        eval_size=arguments.eval_size,
        image_size=arguments.image_size,
        seed=arguments.seed,
        hand_model=arguments.hand_model,
        background_folder=arguments.backgrounds,
    )


def score(arguments: argparse.Namespace) -> None:
    """Compute the official numbers of a prediction file."""
    from s2hand.engine.scoring import format_scores, score_files

    print(format_scores(score_files(arguments.gt, arguments.pred, arguments.out)))


def convert_checkpoint(arguments: argparse.Namespace) -> None:
    """Convert a published .t7 checkpoint to safetensors and JSON."""
    from s2hand.engine.published import convert_published

    for path in convert_published(arguments.source, arguments.destination):
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


def _staged_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default="configs/Synthetic",
        help=f"folder holding {', '.join(STAGES)} as .json (default: %(default)s)",
    )
    _override_arguments(command)


def _demo_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", default="runs/demo", help="folder of results (%(default)s)")
    _override_arguments(command)


def _synth_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    command.add_argument("--train-size", type=int, default=2000, help="training images (%(default)s)")
    command.add_argument("--eval-size", type=int, default=200, help="evaluation images (%(default)s)")
    command.add_argument("--image-size", type=int, default=224, help="side in pixels (%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="same seed, same files (%(default)s)")
    command.add_argument("--hand-model", default="generic", help='"generic" or the path of a MANO file')
    command.add_argument("--backgrounds", metavar="DIR", help="folder of photos to put behind the hands")


def _score_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--gt", metavar="DIR", required=True, help="the dataset's folder")
    command.add_argument("--pred", metavar="FILE", required=True, help="pred.json, or a zip of it")
    command.add_argument("--out", metavar="DIR", help="also write scores.json and the PCK plot there")


def _convert_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="FILE.t7", help="the published checkpoint")
    command.add_argument("destination", metavar="OUT.safetensors", help="weights; the .json lies beside them")


def _config_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?", help="the experiment's JSON")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema, configs/schema.json")
    what.add_argument("--markdown", action="store_true", help="print the keys' page, docs/config.md")
    _override_arguments(command)


COMMANDS = (
    ("train", _experiment_arguments, train),
    ("evaluate", _experiment_arguments, evaluate),
    ("demo", _demo_arguments, demo),
    ("staged", _staged_arguments, staged),
    ("synth", _synth_arguments, synth),
    ("score", _score_arguments, score),
    ("config", _config_arguments, config),
    ("convert-checkpoint", _convert_arguments, convert_checkpoint),
)
"""Name, function that declares the arguments, function that runs."""

if __name__ == "__main__":
    sys.exit(main())
