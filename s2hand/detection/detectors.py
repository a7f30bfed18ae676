"""Detectors by name: OpenPose's hand network, or the 2D branch of one of this project's checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from s2hand.checkpoints.checkpoint import CheckpointError, newest_sound, read_checkpoint
from s2hand.checkpoints.network import PUBLISHED_ENDINGS, PUBLISHED_IMAGE_SIZE, load_own_weights
from s2hand.checkpoints.published import load_published_checkpoint, published_architecture, read_published
from s2hand.datasets import DetectorInfo
from s2hand.detection import DetectionError, Detector
from s2hand.detection.hourglass_estimator import HourglassEstimator
from s2hand.detection.openpose import FAST_SCALES, SCALES, OpenPoseEstimator, load_openpose
from s2hand.files import sha256_of_file
from s2hand.models import HandNet, build_hand_net
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.precision import resolve_precision

DETECTORS = ("openpose", "hourglass")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
HOURGLASS_KEYS = ("hourglass_stacks", "hourglass_depth", "hourglass_modules", "hourglass_features")


@dataclass(frozen=True)
class DetectorSettings:
    """Which detector, and how it computes.

    Attributes:
        weights: ``hand_pose_model.pth``, or for the hourglass a checkpoint (.pt, a run's folder, .t7,
            .safetensors).
        detector: one of ``DETECTORS``.
        precision: one of ``PRECISIONS``; "auto" is bf16 where the hardware computes in it.
        scales: of OpenPose; None for the published four.
        fast: OpenPose at one scale, ``FAST_SCALES``.
        recheck: of :class:`OpenPoseEstimator`.
        device: "auto", "cpu", "cuda" or "cuda:<index>".
    """

    weights: str | Path
    detector: str = "openpose"
    precision: str = "fp32"
    scales: Sequence[float] | None = None
    fast: bool = False
    recheck: bool = True
    device: str = "auto"

    def __post_init__(self):
        if self.detector not in DETECTORS:
            raise DetectionError(f"detector {self.detector!r}: expected one of {', '.join(DETECTORS)}")
        if self.precision not in PRECISIONS:
            raise DetectionError(f"precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}")
        if self.fast and self.scales is not None:
            raise DetectionError("--fast is a choice of scales: give --fast or --scales, not both")
        if self.detector != "openpose" and (self.fast or self.scales is not None):
            raise DetectionError("--fast and --scales are OpenPose's: the hourglass has one scale")
        if self.scales is not None and not (self.scales and all(0 < scale <= 4 for scale in self.scales)):
            raise DetectionError(f"scales {list(self.scales)}: expected numbers above 0, at most 4")


def build_detector(settings: DetectorSettings) -> tuple[Detector, DetectorInfo]:
    """Loads a detector.

    Returns:
        the detector, and what is written about it.

    Raises:
        S2HandError: the weights are missing, damaged or do not fit, or the device is not there.
    """
    device = resolve_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise DetectionError("precision fp16 needs CUDA: use bf16 or fp32 on the CPU")
    build = _openpose if settings.detector == "openpose" else _hourglass
    return build(settings, precision, device)


def _openpose(
    settings: DetectorSettings, precision: str, device: torch.device
) -> tuple[Detector, DetectorInfo]:
    network, digest = load_openpose(settings.weights)
    scales = FAST_SCALES if settings.fast else tuple(settings.scales or SCALES)
    estimator = OpenPoseEstimator(
        network, scales=scales, precision=precision, recheck=settings.recheck, device=device
    )
    recorded = {"precision": precision, "scales": list(estimator.scales), "recheck": settings.recheck}
    return estimator, DetectorInfo(estimator.name, digest, recorded)


def _hourglass(
    settings: DetectorSettings, precision: str, device: torch.device
) -> tuple[Detector, DetectorInfo]:
    path = Path(settings.weights).expanduser()
    if path.is_dir():
        path = newest_sound(path)
    load = _published_branch if path.suffix in PUBLISHED_ENDINGS else _own_branch
    network, image_size = load(path)
    estimator = HourglassEstimator(network.keypoint_net, image_size, precision=precision, device=device)
    recorded = {"precision": precision, "image_size": image_size}
    return estimator, DetectorInfo(estimator.name, sha256_of_file(path), recorded)


def _published_branch(path: Path) -> tuple[HandNet, int]:
    """The 2D branch of a published checkpoint, and the side of its pictures."""
    checkpoint = read_published(path)
    found = published_architecture(checkpoint)
    if not found["heatmaps"]:
        raise CheckpointError(
            f"{path}: holds no 2D branch (rgb2hm): name a checkpoint that was trained with one"
        )
    sizes = {key: found[key] for key in HOURGLASS_KEYS}
    network = build_hand_net(hand=False, texture=False, image_size=PUBLISHED_IMAGE_SIZE, **sizes)
    load_published_checkpoint(checkpoint, network, ["rgb2hm"])
    return network, PUBLISHED_IMAGE_SIZE


def _own_branch(path: Path) -> tuple[HandNet, int]:
    """The 2D branch of one of this project's checkpoints, and the side of its pictures."""
    stored = json.loads(read_checkpoint(path).get("config") or "{}")
    keys = (*HOURGLASS_KEYS, "image_size")
    if missing := [key for key in keys if key not in stored]:
        raise CheckpointError(
            f"{path}: does not say its {', '.join(missing)}: name a checkpoint that `s2hand train` wrote"
        )
    sizes = {key: stored[key] for key in keys}
    network = build_hand_net(
        hand=False, texture=False, hourglass_input_size=stored.get("hourglass_input_size"), **sizes
    )
    load_own_weights(path, network, ("keypoint_net",))
    return network, stored["image_size"]
