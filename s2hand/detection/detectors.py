"""Detectors by name: OpenPose's hand network, or the 2D branch of one of this project's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from s2hand.checkpoints import CheckpointError, read_stored
from s2hand.datasets import DetectorInfo
from s2hand.detection import DetectionError, Detector
from s2hand.detection.hourglass_estimator import HourglassEstimator
from s2hand.detection.openpose import FAST_SCALES, SCALES, OpenPoseEstimator, load_openpose
from s2hand.files import sha256_of_file
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.precision import resolve_precision

DETECTORS = ("openpose", "hourglass")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class DetectorSettings:
    """Which detector to use, and how it computes.

    Attributes:
        weights: ``hand_pose_model.pth``, or for the hourglass a checkpoint (.pt, a run folder, .t7,
            .safetensors).
        detector: one of ``DETECTORS``.
        precision: one of ``PRECISIONS``; "auto" is bf16 where the hardware computes in it.
        scales: OpenPose's scales; None takes the published four.
        fast: run OpenPose at one scale, ``FAST_SCALES``.
        recheck: see :class:`OpenPoseEstimator`.
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
            raise DetectionError("--fast chooses the scales itself: give --fast or --scales, not both")
        if self.detector != "openpose" and (self.fast or self.scales is not None):
            raise DetectionError(
                "--fast and --scales are OpenPose's: the hourglass has one scale; leave them out"
            )
        if self.scales is not None and not (self.scales and all(0 < scale <= 4 for scale in self.scales)):
            raise DetectionError(f"scales {list(self.scales)}: expected numbers above 0, at most 4")


def build_detector(settings: DetectorSettings) -> tuple[Detector, DetectorInfo]:
    """Loads a detector.

    Returns:
        The detector, and the description of it that detections files store.

    Raises:
        S2HandError: the weights are missing or damaged or do not fit, or there is no such device.
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
    stored = read_stored(settings.weights)
    if "heatmaps" not in stored.parts:
        raise CheckpointError(
            f"{stored.path}: holds no 2D branch; name a checkpoint that was trained with one"
        )
    network = stored.build({"heatmaps"})
    image_size = stored.network.image_size
    estimator = HourglassEstimator(network.keypoint_net, image_size, precision=precision, device=device)
    recorded = {"precision": precision, "image_size": image_size}
    return estimator, DetectorInfo(estimator.name, sha256_of_file(stored.path), recorded)
