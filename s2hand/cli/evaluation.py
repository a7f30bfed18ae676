"""The commands that judge networks and what runs have written: score, compare, report."""

from __future__ import annotations

import argparse

from s2hand.cli.overrides import override_arguments, overrides
from s2hand.cli.streams import tell_loading


def score_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--gt", metavar="DIR", required=True, help="dataset folder, which holds the labels")
    command.add_argument(
        "--pred", metavar="FILE", required=True, help="pred.json, or a .zip that contains it"
    )
    command.add_argument("--out", metavar="DIR", help="folder for scores.json and a PCK plot")


def score(arguments: argparse.Namespace) -> None:
    """Compute the official metrics of a prediction file."""
    from s2hand.evaluation.scoring import format_scores, score_files

    print(format_scores(score_files(arguments.gt, arguments.pred, arguments.out)))


def compare_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", metavar="RUN", nargs="+", help="run folder (the base_out_path of a config)")
    command.add_argument("--out", metavar="DIR", help="folder for compare.png and compare.json")


def compare(arguments: argparse.Namespace) -> None:
    """Compare the metrics, the speed and the configs of runs."""
    from s2hand.evaluation.compare import compare_runs, format_comparison, write_comparison

    comparison = compare_runs(arguments.runs)
    print(format_comparison(comparison))
    if arguments.out is not None:
        for path in write_comparison(comparison, arguments.out):
            print(path)


def report_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="RUN", help="run folder (the base_out_path of a config)")
    command.add_argument(
        "--dataset", metavar="NAME", help="dataset to score on (default: the first of val_datasets)"
    )
    command.add_argument(
        "--samples",
        type=int,
        metavar="N",
        default=60,
        help="number of samples to show (default: %(default)s)",
    )
    command.add_argument("--out", metavar="FILE", help="page to write (default: RUN/report_DATASET.html)")
    override_arguments(command)


def report(arguments: argparse.Namespace) -> None:
    """Write a page about the best weights of a run: metrics, errors, training curves and samples in 3D."""
    tell_loading(arguments.folder)
    from s2hand.experiment.report import write_run_report

    path = write_run_report(
        arguments.folder,
        arguments.dataset,
        samples=arguments.samples,
        out=arguments.out,
        overrides=overrides(arguments),
        command=arguments.command_line,
    )
    print(path)
