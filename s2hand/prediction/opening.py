"""The network, and what tells where hands are, opened as the options say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2hand.errors import DatasetError, S2HandError
from s2hand.fitting.refine import DEFAULT_STEPS
from s2hand.models.hand_view import FEWEST_PLACED
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.landmark_answerer import LandmarkAnswerer
from s2hand.prediction.networks import open_trained
from s2hand.prediction.options import AUTO, DEFAULT_BATCH, PredictOptions
from s2hand.prediction.photos import Photo
from s2hand.prediction.reconstructor import HandReconstructor


@dataclass(frozen=True)
class Opened:
    """What predicts.

    Attributes:
        reconstructor: the network behind one method.
        hands: tells where hands are.
        options: as they were given.
        refines_photos: whether the hands of photos are refined.
        notes: lines that the user should mind.
    """

    reconstructor: HandReconstructor
    hands: DetectedHands | FoundHands
    options: PredictOptions
    refines_photos: bool
    notes: tuple[str, ...]


def open_prediction(
    checkpoint: str | Path | None,
    options: PredictOptions,
    hand_model: str | Path | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    photos: Sequence[Photo] = (),
) -> Opened:
    """Opens what predicts.

    Args:
        checkpoint: see :meth:`HandReconstructor.from_checkpoint`; None: the bundled network, with the bundled
            detector where there are no detections.
        options: how to predict.
        hand_model: "generic" or a MANO file; None: the one that the network was trained with.
        device: where the network computes.
        batch_size: hands at once.
        photos: those that the detections, if there are any, are to be about.

    Raises:
        S2HandError: the checkpoint or the detections cannot be used, or there is nothing to refine with.
    """
    if checkpoint is not None and options.photometric:
        raise S2HandError(
            f"--photometric follows the hands of the bundled network: leave it or {checkpoint} out"
        )
    if checkpoint is not None and options.fast:
        raise S2HandError(f"--fast is for the bundled detector and network: leave it or {checkpoint} out")
    detected = DetectedHands(options)
    unknown = detected.match(photos)
    if unknown and len(unknown) == len(photos):
        noun = "videos" if all(photo.is_video for photo in photos) else "photos"
        known = ", ".join(detected.detections.names[:2]) or "nothing"
        raise DatasetError(
            f"{detected.path} names none of the {noun} (it has {known}; these are {unknown[0].name}, ...): "
            f"name the folder that was detected on, or detect on these {noun}"
        )
    if checkpoint is None:
        reconstructor = HandReconstructor.small(
            device,
            hand_model,
            batch_size=batch_size,
            hand_length_mm=options.hand_length_mm,
            photometric=options.photometric,
            fast=options.fast,
        )
    else:
        network = open_trained(checkpoint, hand_model, device)
        steps = options.refine or DEFAULT_STEPS
        reconstructor = HandReconstructor.of_network(network, batch_size, steps, options.hand_length_mm)
    hands: DetectedHands | FoundHands = detected
    if reconstructor.finder is not None:  # the network lifts keypoints
        detected.finder = reconstructor.finder.told(options.hand, detected.stated)
        detected.fewest = FEWEST_PLACED
        hands = detected.finder if detected.detections is None else detected
    known = detected.detections is not None or reconstructor.finder is not None
    reconstructor.check_refinement(bool(options.refine), detections=known)
    lifts = isinstance(reconstructor.answerer, LandmarkAnswerer)
    refines_photos = lifts and not options.fast if options.refine is None else options.refine != 0
    notes = (*reconstructor.notes, *_taken_for_granted(hands, options), *_doubts(detected, unknown))
    return Opened(reconstructor, hands, options, refines_photos, notes)


def _doubts(hands: DetectedHands, unknown: Sequence[Photo]) -> list[str]:
    """Lines for the user on the detections, and on the photos and videos that they do not name."""
    lines = list(hands.doubts)
    for noun, is_video in (("photos", False), ("videos", True)):
        if missing := [photo.name for photo in unknown if photo.is_video == is_video]:
            remedy = "the network looks at the whole of them"
            if hands.finder is not None:
                remedy = "the bundled detector looks for their hands"
            lines.append(
                f"{hands.path} does not name {len(missing):,} of the {noun} (first {missing[0]}): {remedy}"
            )
    return lines


def _taken_for_granted(hands: DetectedHands | FoundHands, options: PredictOptions) -> list[str]:
    """Lines for the user on what is taken for granted about the hands."""
    if isinstance(hands, FoundHands):
        return []
    if hands.detections is None:
        side = "a right" if options.hand == AUTO else f"a {options.hand}"
        return [
            f"without --detections the network looks at whole photos and takes what it sees for {side} "
            "hand; `s2hand detect` finds where hands are"
        ]
    if options.hand == AUTO and hands.detections.hands is None:
        return [f"{options.detections} does not tell left from right: all hands are taken for right ones"]
    return []
