"""The command with the two fixed benchmarks: benchmark synthetic, benchmark photos."""

from __future__ import annotations

import argparse
import sys

from s2hand.benchmark.photo_split import DEFAULT_COUNT, DEFAULT_SEED
from s2hand.cli.exit_codes import UNREADABLE
from s2hand.errors import one_line

MOST_NAMED = 10
"""Photos that were left out are named up to this many; a folder that is gone may have hundreds."""


def benchmark_arguments(command: argparse.ArgumentParser) -> None:
    parts = command.add_subparsers(required=True, metavar="synthetic | photos")
    for name, add_arguments, function in (
        ("synthetic", _synthetic_arguments, benchmark_synthetic),
        ("photos", _photos_arguments, benchmark_photos),
    ):
        part = parts.add_parser(name, help=function.__doc__, description=function.__doc__)
        add_arguments(part)
        part.add_argument("--out", metavar="FILE", help="JSON file for the metrics")
        part.set_defaults(benchmark=function, parser=part)


def benchmark(arguments: argparse.Namespace) -> int | None:
    """Score a network on a fixed benchmark: generated hands, or real photos without labels."""
    from s2hand.files import check_replaceable

    if arguments.out is not None:
        check_replaceable(arguments.out)
    return arguments.benchmark(arguments)


def _run_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="RUN", nargs="?", help="run folder (default: the bundled network)")


def _synthetic_arguments(command: argparse.ArgumentParser) -> None:
    _run_argument(command)
    command.add_argument(
        "--data",
        metavar="DIR",
        default="datasets/synthhand",
        help="folder of SynthHand, which is generated if it is missing (default: %(default)s)",
    )
    command.add_argument("--hands", metavar="N", type=int, help="score only the first N hands")
    command.add_argument(
        "--refine", action="store_true", help="also fit hands to the detections, with and without the network"
    )
    command.add_argument(
        "--detect",
        action="store_true",
        help="also let the bundled detector look for the hands in the images, as in photos",
    )


def benchmark_synthetic(arguments: argparse.Namespace) -> None:
    """Score a network on SynthHand, generated hands, beside the mean hand and the detections."""
    from s2hand.benchmark.synth_hand import synth_hand

    options = {"refine": arguments.refine, "detect": arguments.detect}
    result = synth_hand(arguments.source, arguments.data, arguments.hands, **options)
    _report(result, arguments.out)


def _photos_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder", metavar="DIR", help="folder of photos, or of folders of photos with reference.json"
    )
    _run_argument(command)
    command.add_argument(
        "--photos",
        metavar="N",
        type=int,
        default=DEFAULT_COUNT,
        help="photos of each folder (default: %(default)s)",
    )
    command.add_argument(
        "--seed", metavar="N", type=int, default=DEFAULT_SEED, help="of the draw (default: %(default)s)"
    )
    command.add_argument("--refine", action="store_true", help="measure refined hands too")
    command.add_argument(
        "--photometric",
        action="store_true",
        help="refine, and let refined hands follow what the photo shows (the bundled network only)",
    )
    command.add_argument("--device", default="auto", help="cpu, cuda or cuda:N (default: cuda if available)")


def benchmark_photos(arguments: argparse.Namespace) -> int:
    """Measure a network on real photos: agreement, silhouettes, consistency, colours, plausibility."""
    from s2hand.benchmark.photos import benchmark_photos

    result = benchmark_photos(
        arguments.folder,
        arguments.source,
        count=arguments.photos,
        seed=arguments.seed,
        refine=arguments.refine,
        photometric=arguments.photometric,
        device=arguments.device,
    )
    for line in result.notes:
        print(f"s2hand: note: {line}", file=sys.stderr)
    _report(result, arguments.out)
    for line in result.unreadable[:MOST_NAMED]:
        print(f"s2hand: left out: {one_line(line)}", file=sys.stderr)
    if (more := len(result.unreadable) - MOST_NAMED) > 0:
        where = f"{arguments.out} lists them" if arguments.out else "--out FILE lists them"
        print(f"s2hand: left out: {more:,} more; {where}", file=sys.stderr)
    return UNREADABLE if result.unreadable else 0


def _report(result, out: str | None) -> None:
    """Prints a result's table, and writes all of its numbers if asked to."""
    import json
    from dataclasses import asdict

    from s2hand.files import write_text_whole

    print(result.table())
    if out is not None:
        write_text_whole(out, json.dumps(asdict(result), indent=2) + "\n")
