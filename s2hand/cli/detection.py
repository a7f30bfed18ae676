"""The commands detect and import-detections."""

from __future__ import annotations

import argparse
from dataclasses import fields

UNREADABLE_IMAGES = 3
"""Exit code of a detection that left out images which could not be read."""

NOTHING_FOUND = 4
"""Exit code of a detection that could read all images and found no hand in any."""

TERMS = (
    "Terms of use: the bundled detector's models are under Apache-2.0, which does not restrict what is made "
    "with them. OpenPose and what is made with its weights are for non-commercial research only. What an "
    "hourglass finds may be used as its training data may."
)


def detect_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", help="folder, pattern, image, video, or the folder of FreiHAND or HO-3D"
    )
    command.epilog = TERMS
    command.add_argument(
        "--detector",
        choices=("mediapipe", "openpose", "hourglass"),
        help="mediapipe is bundled and finds all hands; the others find one hand in each image or box and "
        "need --weights (default: openpose with --weights, else mediapipe)",
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="hand_pose_model.pth; for the hourglass a checkpoint (.pt, run folder, .t7, .safetensors)",
    )
    command.add_argument("--out", metavar="FILE", required=True, help="JSON of detections to write")
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="fp32", help="(%(default)s)"
    )
    command.add_argument(
        "--scales", type=float, nargs="+", metavar="S", help="input scales of OpenPose (0.5 1 1.5 2)"
    )
    command.add_argument(
        "--fast", action="store_true", help="OpenPose: one scale; bundled detector: one look at each hand"
    )
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
        help="hand in images whose box does not specify it (default: as the bundled detector says; right for "
        "the others)",
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
    """Find the hands of images and videos with their keypoints, and continue where an earlier run stopped."""
    from s2hand.detection.detect import run_detection
    from s2hand.detection.detectors import DetectorSettings

    values = vars(arguments)
    summary = run_detection(
        arguments.source,
        arguments.out,
        DetectorSettings(**{field.name: values[field.name] for field in fields(DetectorSettings)}),
        **{key: values[key] for key in ("split", "boxes", "hand", "batch", "shard", "published", "preview")},
    )
    if summary.unreadable:
        return UNREADABLE_IMAGES
    return NOTHING_FOUND if summary.hands == 0 else 0


def import_arguments(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "A .csv has a line for each hand and the header image,hand,x0,y0,c0,...,x20,y20,c20; x and y in "
        "pixels, joints in the order of OpenPose and FreiHAND; the confidences c may be left out."
    )
    command.add_argument(
        "files", metavar="FILE", nargs="+", help="files of one format, or folders of such files"
    )
    command.add_argument(
        "--from",
        dest="kind",
        choices=("openpose", "coco-wholebody", "mmpose", "mediapipe", "csv"),
        help="format of the files (default: told from their content)",
    )
    command.add_argument("--images", metavar="DIR", required=True, help="folder of the images")
    command.add_argument("--out", metavar="FILE", required=True, help="JSON of detections to write")
    command.add_argument(
        "--hand", choices=("left", "right"), help="hands whose side the files do not say (right)"
    )
    command.add_argument(
        "--keep-labels",
        action="store_true",
        help="take MediaPipe's left and right as written; otherwise the other way round, as its labels are "
        "for mirrored images",
    )


def import_detections(arguments: argparse.Namespace) -> None:
    """Convert the keypoints of OpenPose, COCO-WholeBody, MMPose, MediaPipe or a table to detections."""
    from s2hand.detection.importing import import_detections as import_files

    import_files(
        arguments.files,
        arguments.images,
        arguments.out,
        kind=arguments.kind,
        hand=arguments.hand,
        keep_labels=arguments.keep_labels,
    )
