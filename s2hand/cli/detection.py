"""The commands detect and import-detections."""

from __future__ import annotations

import argparse
from dataclasses import fields

from s2hand.cli.exit_codes import NOTHING_FOUND, UNREADABLE

TERMS = (
    "Terms of use: the bundled models are licensed under Apache-2.0, which does not restrict their output. "
    "OpenPose's weights and their output are for non-commercial research only. The output of an hourglass "
    "falls under the terms of its training data."
)


def detect_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", help="image, video, folder, pattern, or the folder of FreiHAND or HO-3D"
    )
    command.epilog = TERMS
    command.add_argument(
        "--detector",
        choices=("mediapipe", "openpose", "hourglass"),
        help="mediapipe is bundled and finds all hands; the others find one hand per image or box and need "
        "--weights (default: openpose if --weights is given, otherwise mediapipe)",
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="hand_pose_model.pth for openpose; a checkpoint (.pt, run folder, .t7, .safetensors) for "
        "hourglass",
    )
    command.add_argument("--out", metavar="FILE", required=True, help="detections file (JSON) to write")
    _speed_arguments(command)
    command.add_argument(
        "--split", choices=("training", "evaluation"), help="split of the dataset (default: training)"
    )
    command.add_argument("--boxes", metavar="FILE", help="JSON of hand boxes (default: whole images)")
    command.add_argument(
        "--hand",
        choices=("left", "right"),
        help="side of hands whose box does not state it (default: mediapipe detects it; otherwise right)",
    )
    command.add_argument(
        "--shard",
        metavar="I/N",
        help="process share I (from 0) of N; the last share to finish merges all of them",
    )
    command.add_argument(
        "--preview", action="store_true", help="also draw a sheet of images with their keypoints"
    )
    command.add_argument(
        "--published",
        metavar="FILE",
        nargs="?",
        const="auto",
        help="also write the published format, by default to the path where training expects it",
    )


def _speed_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="fp32",
        help="precision of openpose and hourglass (default: %(default)s)",
    )
    command.add_argument(
        "--scales", type=float, nargs="+", metavar="S", help="input scales of openpose (default: 0.5 1 1.5 2)"
    )
    command.add_argument(
        "--fast",
        action="store_true",
        help="faster and less accurate: one scale (openpose), one look at each hand (mediapipe)",
    )
    command.add_argument(
        "--no-recheck",
        dest="recheck",
        action="store_false",
        help="do not repeat in fp32 the images that have ambiguous peaks in half precision",
    )
    command.add_argument(
        "--batch", type=int, metavar="N", default=8, help="images per batch (default: %(default)s)"
    )
    command.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:<index> (default: %(default)s)"
    )


def detect(arguments: argparse.Namespace) -> int:
    """Detect the hands in images and videos; an interrupted run is resumed."""
    from s2hand.detection.detect import run_detection
    from s2hand.detection.detectors import DetectorSettings
    from s2hand.prediction.sides import bundled_judge

    values = vars(arguments)
    summary = run_detection(
        arguments.source,
        arguments.out,
        DetectorSettings(**{field.name: values[field.name] for field in fields(DetectorSettings)}),
        judge=bundled_judge,
        **{key: values[key] for key in ("split", "boxes", "hand", "batch", "shard", "published", "preview")},
    )
    if summary.unreadable:
        return UNREADABLE
    return NOTHING_FOUND if summary.hands == 0 else 0


def import_arguments(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "A .csv file has one line per hand and the header image,hand,x0,y0,c0,...,x20,y20,c20. x and y are "
        "in pixels, and the joints in the order of OpenPose and FreiHAND. The confidences c may be left out."
    )
    command.add_argument(
        "files", metavar="FILE", nargs="+", help="files of one format, or folders of such files"
    )
    command.add_argument(
        "--from",
        dest="kind",
        choices=("openpose", "coco-wholebody", "mmpose", "mediapipe", "csv"),
        help="format of the files (default: recognised from their content)",
    )
    command.add_argument("--images", metavar="DIR", required=True, help="folder of the images")
    command.add_argument("--out", metavar="FILE", required=True, help="detections file (JSON) to write")
    command.add_argument(
        "--hand",
        choices=("left", "right"),
        help="side of hands whose side the files do not state (default: right)",
    )
    command.add_argument(
        "--keep-labels",
        action="store_true",
        help="keep MediaPipe's left and right as written (default: swap them, as its labels are for mirrored "
        "images)",
    )


def import_detections(arguments: argparse.Namespace) -> None:
    """Convert keypoints from OpenPose, COCO-WholeBody, MMPose, MediaPipe or a CSV table to detections."""
    from s2hand.detection.importing import import_detections as import_files

    import_files(
        arguments.files,
        arguments.images,
        arguments.out,
        kind=arguments.kind,
        hand=arguments.hand,
        keep_labels=arguments.keep_labels,
    )
