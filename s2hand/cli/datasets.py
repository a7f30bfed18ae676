"""The commands that write and show datasets: synth, shard, view."""

from __future__ import annotations

import argparse

from s2hand.cli.overrides import override_arguments, overrides


def synth_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", required=True, help="output folder")
    numbers = {
        "--train-size": (2000, "number of training images"),
        "--eval-size": (200, "number of evaluation images"),
        "--seed": (0, "random seed"),
    }
    for name, (default, meaning) in numbers.items():
        command.add_argument(
            name, type=int, metavar="N", default=default, help=f"{meaning} (default: %(default)s)"
        )
    command.add_argument(
        "--layout",
        choices=("freihand", "ho3d_v2", "ho3d_v3", "folder"),
        default="freihand",
        help="layout of the files: FreiHAND, HO-3D, or a folder of photos (default: %(default)s)",
    )
    command.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="image width in pixels (default: 224; HO-3D: 640; folder: at most 480)",
    )
    command.add_argument(
        "--hand-model", metavar="FILE", default="generic", help='"generic" (default) or a MANO file'
    )
    command.add_argument("--backgrounds", metavar="DIR", help="folder of photos to use as backgrounds")
    command.add_argument(
        "--wide-poses", action="store_true", help="draw poses as wide as photos show them, not only gestures"
    )
    command.add_argument(
        "--objects",
        type=float,
        metavar="SHARE",
        default=0.0,
        help="share of the images with something in the hand, and with something before it (default: 0)",
    )
    command.add_argument(
        "--noise",
        choices=("independent", "bundled"),
        default="independent",
        help="errors of the simulated detector: independent, or like the bundled detector's (default: "
        "%(default)s)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace a dataset that has other settings")


def synth(arguments: argparse.Namespace) -> None:
    """Generate a synthetic dataset in the layout of FreiHAND, of HO-3D or of a folder of photos."""
    from s2hand.synthetic import NOISES, write_synthetic_dataset

    summary = write_synthetic_dataset(
        arguments.out,
        train=arguments.train_size,
        evaluation=arguments.eval_size,
        image_size=arguments.image_size,
        layout=arguments.layout,
        seed=arguments.seed,
        hand_model=arguments.hand_model,
        backgrounds=arguments.backgrounds,
        wide_poses=arguments.wide_poses,
        object_share=arguments.objects,
        noise=NOISES[arguments.noise],
        overwrite=arguments.overwrite,
    )
    print(f"{summary.root}: {'exists already' if summary.reused else 'written'}")


def shard_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        metavar="CONFIG_OR_DATASET",
        help="experiment config, or a folder in the layout of FreiHAND or HO-3D",
    )
    command.add_argument("--out", metavar="DIR", required=True, help="output folder")
    command.add_argument(
        "--shard-size", type=float, metavar="MB", help="size of a tar in megabytes (default: 256)"
    )
    command.add_argument(
        "--splits",
        nargs="+",
        choices=("training", "evaluation"),
        default=("training", "evaluation"),
        help="splits to pack (default: both)",
    )
    command.add_argument(
        "--labels",
        nargs="+",
        choices=("joints", "vertices", "mask", "scale"),
        default=(),
        help="training labels to pack in addition to those that the losses of the config read",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace shards that have other data or settings"
    )
    override_arguments(command)


def shard(arguments: argparse.Namespace) -> None:
    """Pack datasets into tar shards, so that training reads a few large files."""
    from s2hand.experiment.sharding import DEFAULT_MEGABYTES, config_of_source, shard_datasets

    shard_datasets(
        config_of_source(arguments.source, overrides(arguments)),
        arguments.out,
        splits=arguments.splits,
        labels=arguments.labels,
        megabytes=DEFAULT_MEGABYTES if arguments.shard_size is None else arguments.shard_size,
        overwrite=arguments.overwrite,
    )
    print(f'to train on the shards: "train_datasets": ["Shards"], "shards_path": "{arguments.out}"')


def view_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        metavar="CONFIG_OR_FOLDER",
        help="experiment config, or a dataset folder: photos with detections.json, FreiHAND, HO-3D or shards",
    )
    command.add_argument(
        "--samples", type=int, metavar="N", default=100, help="number of hands to show (default: %(default)s)"
    )
    command.add_argument(
        "--out", metavar="FILE", default="dataset.html", help="page to write (default: %(default)s)"
    )
    override_arguments(command)


def view(arguments: argparse.Namespace) -> None:
    """Write a page that shows what training sees of a dataset, and what is left out and why."""
    from s2hand.experiment.view import config_to_view, view_datasets

    config = config_to_view(arguments.source, overrides(arguments))
    print(view_datasets(config, arguments.out, arguments.samples, command=arguments.command_line))
