"""The command detect."""

from __future__ import annotations

import argparse
from dataclasses import fields

UNREADABLE_IMAGES = 3
"""Exit code of a detection that left out images which could not be read."""


def detect_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", help="folder, pattern, image, video, or the folder of FreiHAND or HO-3D"
    )
    command.add_argument(
        "--detector", choices=("openpose", "hourglass"), default="openpose", help="(%(default)s)"
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        required=True,
        help="hand_pose_model.pth; for the hourglass a checkpoint (.pt, run folder, .t7, .safetensors)",
    )
    command.add_argument("--out", metavar="FILE", required=True, help="JSON of detections to write")
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="fp32", help="(%(default)s)"
    )
    command.add_argument(
        "--scales", type=float, nargs="+", metavar="S", help="input scales of OpenPose (0.5 1 1.5 2)"
    )
    command.add_argument("--fast", action="store_true", help="one scale of OpenPose: 1/7 of the time")
    command.add_argument(
        "--no-recheck",
        dest="recheck",
        action="store_false",
        help="do not repeat images in fp32 that have ambiguous peaks in a half precision",
    )
    command.add_argument("--split", choices=("training", "evaluation"), help="split of a dataset (training)")
    command.add_argument("--boxes", metavar="FILE", help="JSON of hand boxes; without it, whole images")
    command.add_argument(
        "--hand",
        choices=("left", "right"),
        default="right",
        help="hand in images whose box does not specify it (%(default)s)",
    )
    command.add_argument("--batch", type=int, metavar="N", default=8, help="images per batch (%(default)s)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index> (%(default)s)")
    command.add_argument(
        "--shard", metavar="I/N", help="process share I (from 0) of N; the last one to finish merges them"
    )
    command.add_argument("--preview", action="store_true", help="also draw a sheet of images with keypoints")
    command.add_argument(
        "--published",
        metavar="FILE",
        nargs="?",
        const="auto",
        help="also write the published format; without FILE to the dataset's own path for it",
    )


def detect(arguments: argparse.Namespace) -> int:
    """Find the keypoints of hands in images, and continue where an earlier run stopped."""
    from s2hand.detection.detect import run_detection
    from s2hand.detection.detectors import DetectorSettings

    values = vars(arguments)
    summary = run_detection(
        arguments.source,
        arguments.out,
        DetectorSettings(**{field.name: values[field.name] for field in fields(DetectorSettings)}),
        **{key: values[key] for key in ("split", "boxes", "hand", "batch", "shard", "published", "preview")},
    )
    return UNREADABLE_IMAGES if summary.unreadable else 0
