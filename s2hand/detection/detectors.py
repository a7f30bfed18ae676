"""Detectors by name: the bundled one, OpenPose's hand network, or the 2D branch of a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from s2hand.checkpoints import CheckpointError, read_stored
from s2hand.datasets import DetectorInfo
from s2hand.detection import DetectionError, Estimator, Worker
from s2hand.detection.all_hands import AllHands, Judge
from s2hand.detection.hourglass_estimator import HourglassEstimator
from s2hand.detection.mediapipe import HandDetector
from s2hand.detection.mediapipe.looks import LOOKS, PLAIN_LOOK
from s2hand.detection.openpose import FAST_SCALES, SCALES, OpenPoseEstimator, load_openpose
from s2hand.files import sha256_of_file
from s2hand.models.mediapipe.weights import WEIGHTS_FOLDER
from s2hand.runtime.devices import resolve_device
from s2hand.runtime.precision import resolve_precision

BUNDLED = "mediapipe"
SIDES = ("detected", "fitted where in doubt")
"""How sides are told without a judge, and with one."""

DETECTORS = (BUNDLED, "openpose", "hourglass")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

LICENCES = {
    BUNDLED: "models under Apache-2.0, which does not restrict what is made with them",
    "openpose": "non-commercial research only, and so is what is made with its weights",
    "hourglass": "whatever the checkpoint's training data allow",
}
"""Detector -> on which terms its keypoints may be used."""


@dataclass(frozen=True)
class DetectorSettings:
    """Which detector to use, and how it computes.

    Attributes:
        weights: ``hand_pose_model.pth``, or for the hourglass a checkpoint (.pt, a run folder, .t7,
            .safetensors); None for the bundled detector.
        detector: one of ``DETECTORS``; None takes OpenPose if there are weights, and else the bundled one.
        precision: one of ``PRECISIONS``; "auto" is bf16 where the hardware computes in it. The bundled
            detector computes in fp32.
        scales: OpenPose's scales; None takes the published four.
        fast: run OpenPose at one scale, ``FAST_SCALES``; look at each hand once with the bundled detector.
        recheck: see :class:`OpenPoseEstimator`.
        device: "auto", "cpu", "cuda" or "cuda:<index>".
    """

    weights: str | Path | None = None
    detector: str | None = None
    precision: str = "fp32"
    scales: Sequence[float] | None = None
    fast: bool = False
    recheck: bool = True
    device: str = "auto"

    @property
    def name(self) -> str:
        """The detector that is meant, one of ``DETECTORS``."""
        return self.detector or (BUNDLED if self.weights is None else "openpose")

    def __post_init__(self):
        if self.name not in DETECTORS:
            raise DetectionError(f"detector {self.detector!r}: expected one of {', '.join(DETECTORS)}")
        if self.name == BUNDLED and self.weights is not None:
            raise DetectionError(f"--detector {BUNDLED} has its own weights: leave out --weights")
        if self.precision not in PRECISIONS:
            raise DetectionError(f"precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}")
        if self.fast and self.scales is not None:
            raise DetectionError("--fast chooses the scales itself: give --fast or --scales, not both")
        if self.name == "hourglass" and self.fast:
            raise DetectionError("the hourglass has one scale and looks once: leave out --fast")
        if self.name != "openpose" and self.scales is not None:
            raise DetectionError(
                "--scales are OpenPose's: leave them out, or add --detector openpose with --weights"
            )
        if self.name == BUNDLED and self.precision not in ("auto", "fp32"):
            raise DetectionError(
                f"precision {self.precision}: the bundled detector computes in fp32; leave out --precision"
            )
        if self.name != BUNDLED and self.weights is None:
            raise DetectionError(f"--detector {self.name} needs --weights; the bundled detector needs none")
        if self.scales is not None and not (self.scales and all(0 < scale <= 4 for scale in self.scales)):
            raise DetectionError(f"scales {list(self.scales)}: expected numbers above 0, at most 4")


def build_detector(
    settings: DetectorSettings, *, follow: bool = False, judge: Judge | None = None
) -> tuple[Worker | Estimator, DetectorInfo]:
    """Loads a detector.

    Args:
        settings: which, and how it computes.
        follow: whether the images are consecutive frames of a video; only the bundled detector uses it.
        judge: settles sides of which the bundled detector is not sure; the others tell none.

    Returns:
        The detector, and the description of it that detections files store.

    Raises:
        S2HandError: the weights are missing or damaged or do not fit, or there is no such device.
    """
    device = resolve_device(settings.device)
    if settings.name == BUNDLED:
        return _bundled(settings, device, follow, judge)
    precision = resolve_precision(settings.precision, device)
    build = _openpose if settings.name == "openpose" else _hourglass
    return build(settings, precision, device)


def _bundled(
    settings: DetectorSettings, device: torch.device, follow: bool, judge: Judge | None
) -> tuple[Worker, DetectorInfo]:
    looks = (PLAIN_LOOK,) if settings.fast or follow else LOOKS
    digest = hashlib.sha256()
    for path in sorted(WEIGHTS_FOLDER.glob("*.safetensors")):
        digest.update(path.read_bytes())
    recorded = {"precision": "fp32", "looks": len(looks), "follow": follow, "sides": SIDES[judge is not None]}
    worker = AllHands(HandDetector.bundled(device, looks=looks), follow=follow, judge=judge)
    return worker, DetectorInfo(BUNDLED, digest.hexdigest(), recorded)


def _openpose(
    settings: DetectorSettings, precision: str, device: torch.device
) -> tuple[Estimator, DetectorInfo]:
    network, digest = load_openpose(settings.weights)
    scales = FAST_SCALES if settings.fast else tuple(settings.scales or SCALES)
    estimator = OpenPoseEstimator(
        network, scales=scales, precision=precision, recheck=settings.recheck, device=device
    )
    recorded = {"precision": precision, "scales": list(estimator.scales), "recheck": settings.recheck}
    return estimator, DetectorInfo(estimator.name, digest, recorded)


def _hourglass(
    settings: DetectorSettings, precision: str, device: torch.device
) -> tuple[Estimator, DetectorInfo]:
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
