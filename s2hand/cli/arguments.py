"""The arguments of each sub-command."""

from __future__ import annotations

import argparse

STAGES = ("SSL-shape", "SSL-kp", "SSL-finetune", "evaluation")
"""The configs of the staged path, in order; each starts from the results of those before it."""


def experiment_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="the experiment's JSON; docs/config.md lists its keys")
    override_arguments(command)


def evaluate_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file",
        metavar="RUN_OR_FILE",
        help="a run's folder, whose best weights are evaluated; or an experiment's JSON",
    )
    override_arguments(command)


def override_arguments(command: argparse.ArgumentParser) -> None:
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


def staged_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default="configs/Synthetic",
        help=f"folder holding {', '.join(STAGES)} as .json (default: %(default)s)",
    )
    override_arguments(command)


def demo_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", default="runs/demo", help="folder of results (%(default)s)")
    override_arguments(command)


def synth_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    numbers = {
        "--train-size": (2000, "training images"),
        "--eval-size": (200, "evaluation images"),
        "--seed": (0, "the same seed gives the same files"),
    }
    for name, (default, meaning) in numbers.items():
        command.add_argument(name, type=int, metavar="N", default=default, help=f"{meaning} (%(default)s)")
    command.add_argument(
        "--layout",
        choices=("freihand", "ho3d_v2", "ho3d_v3", "folder"),
        default="freihand",
        help="files as FreiHAND's, HO-3D's or own photos (%(default)s)",
    )
    command.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="width of the images in pixels (224, as HO-3D 640, as photos up to 480)",
    )
    command.add_argument(
        "--hand-model", metavar="FILE", default="generic", help='"generic" or the path of a MANO file'
    )
    command.add_argument("--backgrounds", metavar="DIR", help="folder of photos to put behind the hands")
    command.add_argument("--overwrite", action="store_true", help="replace a dataset with other settings")


def shard_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        metavar="CONFIG_OR_DATASET",
        help="an experiment's JSON, or a folder in FreiHAND's or HO-3D's layout",
    )
    command.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    command.add_argument(
        "--shard-size",
        type=float,
        metavar="MB",
        help="begin a new tar at this many megabytes (256)",
    )
    command.add_argument(
        "--splits",
        nargs="+",
        choices=("training", "evaluation"),
        default=("training", "evaluation"),
        help="what to write (both)",
    )
    command.add_argument(
        "--labels",
        nargs="+",
        choices=("joints", "vertices", "mask", "scale"),
        default=(),
        help="training labels to keep besides those that the config's losses read",
    )
    command.add_argument("--overwrite", action="store_true", help="replace shards of other data or settings")
    override_arguments(command)


def detect_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", help="folder, pattern, picture, video, or the folder of FreiHAND or HO-3D"
    )
    command.add_argument("--detector", choices=("openpose", "hourglass"), default="openpose")
    command.add_argument(
        "--weights",
        metavar="FILE",
        required=True,
        help="hand_pose_model.pth; for the hourglass a checkpoint (.pt, run folder, .t7, .safetensors)",
    )
    command.add_argument("--out", metavar="FILE", required=True, help="detections to write, JSON")
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="fp32", help="(%(default)s)"
    )
    command.add_argument("--scales", type=float, nargs="+", metavar="S", help="of OpenPose (0.5 1 1.5 2)")
    command.add_argument("--fast", action="store_true", help="OpenPose at one scale: 1/7 of the time")
    command.add_argument(
        "--no-recheck",
        dest="recheck",
        action="store_false",
        help="do not compute pictures again in fp32 whose peaks a half precision leaves open",
    )
    command.add_argument("--split", choices=("training", "evaluation"), help="of a dataset (training)")
    command.add_argument(
        "--boxes", metavar="FILE", help="JSON of hand boxes; without, pictures are taken whole"
    )
    command.add_argument(
        "--hand", choices=("left", "right"), default="right", help="where the boxes do not say (%(default)s)"
    )
    command.add_argument("--batch", type=int, metavar="N", default=8, help="pictures at once (%(default)s)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index> (%(default)s)")
    command.add_argument("--shard", metavar="I/N", help="do part I (from 0) of N; the last to finish merges")
    command.add_argument(
        "--preview", action="store_true", help="also draw a sheet of pictures with keypoints"
    )
    command.add_argument(
        "--published",
        metavar="FILE",
        nargs="?",
        const="auto",
        help="also write the published format; without FILE to the place that the dataset has for it",
    )


def score_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--gt", metavar="DIR", required=True, help="the dataset's folder")
    command.add_argument("--pred", metavar="FILE", required=True, help="pred.json, or a zip of it")
    command.add_argument("--out", metavar="DIR", help="also write scores.json and the PCK plot there")


def convert_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="FILE.t7", help="the published checkpoint")
    command.add_argument(
        "destination",
        metavar="OUT.safetensors",
        nargs="?",
        help="weights; the .json lies beside them (default: beside the checkpoint)",
    )


def doctor_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="CONFIG", nargs="?", help="an experiment's JSON, whose data to try")
    command.add_argument("--json", action="store_true", help="print JSON")
    override_arguments(command)


def compare_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, its base_out_path")
    command.add_argument("--out", metavar="DIR", help="also write compare.png and compare.json there")


def config_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?", help="the experiment's JSON")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema, configs/schema.json")
    what.add_argument("--markdown", action="store_true", help="print the keys' page, docs/config.md")
    override_arguments(command)
