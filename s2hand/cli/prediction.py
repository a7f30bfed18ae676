"""The sub-commands that use a trained network: predict, export-onnx."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from s2hand.cli.exit_codes import DOUBTFUL, UNREADABLE
from s2hand.cli.streams import tell_loading
from s2hand.errors import S2HandError, one_line
from s2hand.prediction.options import AUTO, DEFAULT_BATCH, DEFAULT_FORMATS, FORMATS, PredictOptions

CHECKPOINT_ENDINGS = (".pt", ".pth", ".t7", ".safetensors")
RUN_FILES = ("checkpoint_*.pt", "*/checkpoint_*.pt")
"""What tells a run's folder, or one of several stages, from a folder of photos."""


def _hand_model_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--hand-model",
        metavar="FILE",
        help='"generic" or a MANO file (default: the hand model that the network was trained with)',
    )


def _checkpoint_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help=".pt file, folder of a run or a demo, published .t7, or .safetensors converted from one",
    )
    _hand_model_argument(command)


def predict_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        metavar="[CHECKPOINT] PHOTO",
        nargs="*",
        help="photos, videos, folders and patterns; a checkpoint in front of them (.pt, run folder, .t7, "
        ".safetensors) replaces the bundled network",
    )
    command.add_argument(
        "--samples", action="store_true", help="use the two photos that come with the package"
    )
    command.add_argument(
        "--camera",
        metavar="N",
        help="instead of photos: show the hands in front of camera N (0 is the first) or in a video file "
        "on a page of this machine, which can record them",
    )
    command.add_argument(
        "--port",
        type=int,
        metavar="N",
        default=0,
        help="port of the page with --camera (default: a free one)",
    )
    _hand_model_argument(command)
    _known_of_hands_arguments(command)
    _output_arguments(command)
    _fit_arguments(command)
    command.add_argument(
        "--no-smooth", dest="smooth", action="store_false", help="do not smooth the hands of videos over time"
    )
    command.add_argument(
        "--batch", type=int, metavar="N", default=DEFAULT_BATCH, help="hands per batch (default: %(default)s)"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help=f"exit with code {DOUBTFUL} if a hand misses its photo or its keypoints, or a photo has no hand",
    )
    command.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:<index> (default: %(default)s)"
    )


def _fit_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--refine",
        type=_steps,
        metavar="STEPS",
        nargs="?",
        const=True,
        help="fit the hands to the detected keypoints, or without detections to those of the 2D branch; "
        "STEPS (150) is for networks of a checkpoint, 0 switches it off (default: only photos with the "
        "bundled network or another lift are refined)",
    )
    command.add_argument(
        "--fast",
        action="store_true",
        help="look once at each hand instead of five times and do not refine: less accurate, more than "
        "twice as fast",
    )
    command.add_argument(
        "--photometric",
        action="store_true",
        help="also refine to the silhouette, skin and light in the photo, so that the shape follows (slower)",
    )


def _steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of steps; name photos before --refine"
        ) from None


def _output_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", default="hands", help="output folder (default: %(default)s)")
    command.add_argument(
        "--formats",
        metavar="LIST",
        default=",".join(DEFAULT_FORMATS),
        help=f"what to write, any of {','.join(FORMATS)} (default: %(default)s)",
    )
    command.add_argument(
        "--skinned",
        action="store_true",
        help="also write .skinned.glb, a mesh with a skeleton, animated for videos",
    )
    command.add_argument(
        "--no-page", dest="page", action="store_false", help="write no index.html that shows everything"
    )
    command.add_argument(
        "--unlit", action="store_true", help=".glb files show the skin's own colour, without shading"
    )


def _known_of_hands_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detections",
        metavar="FILE",
        help="detections file of `s2hand detect` (default: the bundled detector finds the hands; with a "
        "checkpoint, the network sees whole photos)",
    )
    command.add_argument(
        "--hand",
        choices=("left", "right", AUTO),
        default=AUTO,
        help="side of the hands; auto: as detected, otherwise right (default: %(default)s)",
    )
    command.add_argument(
        "--hand-length",
        dest="hand_length_mm",
        type=float,
        metavar="MM",
        help="length from the wrist to the tip of the middle finger, which makes sizes and distances true",
    )
    camera = command.add_mutually_exclusive_group()
    camera.add_argument("--focal", type=float, metavar="PX", help="focal length of all photos, in pixels")
    camera.add_argument(
        "--K", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"), help="camera of all photos, in pixels"
    )


def split_inputs(inputs: list[str]) -> tuple[str | None, list[str]]:
    """The checkpoint, if the first input is one, and the photos."""
    if inputs and is_checkpoint(inputs[0]):
        return inputs[0], inputs[1:]
    return None, list(inputs)


def is_checkpoint(name: str) -> bool:
    """Whether a path is a file of weights or a folder of runs, rather than photos."""
    path = Path(name)
    if path.suffix in CHECKPOINT_ENDINGS:
        return True
    if not path.is_dir():
        return False
    return any(any(path.glob(pattern)) for pattern in RUN_FILES) or _holds_config(path / "config.json")


def _holds_config(path: Path) -> bool:
    """Whether a file is a run's config; photos may lie beside another program's."""
    return path.is_file() and b'"base_out_path"' in path.read_bytes()


def predict(arguments: argparse.Namespace) -> int:
    """Reconstruct the hands in photos, videos and a camera's view as overlays, meshes and numbers."""
    from s2hand.fitting.refine import DEFAULT_STEPS
    from s2hand.prediction.sample_photos import sample_photos

    if arguments.refine is True or (arguments.photometric and arguments.refine is None):
        arguments.refine = DEFAULT_STEPS
    arguments.formats = tuple(name.strip() for name in arguments.formats.split(",") if name.strip())
    if arguments.skinned and "skinned" not in arguments.formats:
        arguments.formats += ("skinned",)
    arguments.K = None if arguments.K is None else tuple(arguments.K)
    options = PredictOptions(
        **{field.name: getattr(arguments, field.name) for field in fields(PredictOptions)}
    )
    if arguments.port and arguments.camera is None:
        raise S2HandError("predict: --port is for the page of --camera; leave it out, or name a camera")
    checkpoint, photos = split_inputs(arguments.inputs)
    if arguments.samples:
        photos += [str(path) for path in sample_photos()]
    if arguments.camera is not None:
        return _watch(arguments, checkpoint, photos, options)
    if not photos:
        wanted = f"photos to predict on after {checkpoint}" if checkpoint else "photos to predict on"
        raise S2HandError(f"predict: name {wanted}, or add --samples to try the two photos in the package")
    return _predict_photos(arguments, checkpoint, photos, options)


def _predict_photos(
    arguments: argparse.Namespace, checkpoint: str | Path | None, photos: list[str], options: PredictOptions
) -> int:
    tell_loading(str(checkpoint or "the bundled network"))
    from s2hand.prediction.predict import predict as predict_hands

    done = predict_hands(
        checkpoint,
        photos,
        arguments.out,
        options,
        hand_model=arguments.hand_model,
        device=arguments.device,
        batch_size=arguments.batch,
        note=_note,
    )
    for line in done.unreadable:
        print(f"s2hand: left out: {one_line(line)}", file=sys.stderr)
    for line in done.doubtful:
        print(f"s2hand: in doubt: {one_line(line)}", file=sys.stderr)
    if arguments.strict and (done.doubtful or done.without_hands):
        return DOUBTFUL
    return UNREADABLE if done.unreadable else 0


def _watch(
    arguments: argparse.Namespace, checkpoint: str | Path | None, photos: list[str], options: PredictOptions
) -> int:
    from s2hand.live.session import watch_camera

    if photos:
        raise S2HandError(f"predict: --camera takes no photos, got {photos[0]}: leave one of them out")
    watch_camera(
        arguments.camera,
        checkpoint,
        arguments.out,
        options,
        port=arguments.port,
        hand_model=arguments.hand_model,
        device=arguments.device,
        say=lambda line: print(line, flush=True),
        note=_note,
    )
    return 0


def _note(line: str) -> None:
    print(f"s2hand: note: {one_line(line)}", file=sys.stderr)


def onnx_arguments(command: argparse.ArgumentParser) -> None:
    _checkpoint_argument(command)
    command.add_argument("destination", metavar="OUT.onnx", help="ONNX file to write")


def export_onnx(arguments: argparse.Namespace) -> None:
    """Export a network with its hand layer to ONNX, and check it against PyTorch."""
    from s2hand.prediction.networks import open_trained
    from s2hand.prediction.onnx_export import OPSET
    from s2hand.prediction.onnx_export import export_onnx as write_onnx

    network = open_trained(arguments.checkpoint, arguments.hand_model, device="cpu")
    for line in network.notes:
        print(f"s2hand: note: {line}", file=sys.stderr)
    written = write_onnx(network.model, network.image_size, arguments.destination)
    largest = max(written.differences.values())
    print(
        f"{written.path}: image (B, 3, {network.image_size}, {network.image_size}) and K (B, 3, 3) to "
        f"{', '.join(written.outputs)}; opset {OPSET}; within {largest:.0e} of PyTorch"
    )
