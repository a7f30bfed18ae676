"""Hands from anyone's photos: a trained network behind one method."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2hand.checkpoints import StoredNetwork
from s2hand.detection.mediapipe import HandDetector
from s2hand.detection.mediapipe.looks import LOOKS
from s2hand.errors import S2HandError
from s2hand.fitting.refine import DEFAULT_STEPS
from s2hand.hand.length import HandRuler
from s2hand.images.intrinsics import StatedCamera
from s2hand.prediction.answerers import Answerer, ImageAnswerer
from s2hand.prediction.asked_hands import Image, asked_hands
from s2hand.prediction.batches import Group, T, as_batch, chunks
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.hand_views import HandView, Viewer
from s2hand.prediction.landmark_answerer import LandmarkAnswerer
from s2hand.prediction.networks import open_trained
from s2hand.prediction.options import DEFAULT_BATCH, check_hand_length
from s2hand.prediction.painting import painted
from s2hand.prediction.reconstruction import Reconstruction, concatenated, in_photos, no_hands, turned_back
from s2hand.prediction.sides import SideJudge
from s2hand.runtime.devices import resolve_device
from s2hand.structures import HandParameters, HandPrediction

Adjust = Callable[[HandParameters, Sequence[Group]], HandParameters]
"""Changes the parameters of the hands of some groups, in their order, as a filter over time does."""


class HandReconstructor:
    """Reconstructs hands from photos.

    Args:
        answerer: says which hands there are in views.
        batch_size: number of hands that are reconstructed at once.
        finder: finds the hands of images that come without keypoints; None: one hand is taken to be in
            each, about the box or anywhere.
        hand_length_mm: wrist to tip of the middle finger of all hands, which sets their size and distance;
            None: as the shape that was found says, which is a guess.

    Raises:
        S2HandError: the batch size is below 1, or no hand has this length.
    """

    def __init__(
        self,
        answerer: Answerer,
        batch_size: int = DEFAULT_BATCH,
        finder: FoundHands | None = None,
        *,
        hand_length_mm: float | None = None,
    ) -> None:
        check_hand_length(hand_length_mm)
        if batch_size < 1:
            raise S2HandError(f"batch size: expected 1 or more, got {batch_size}")
        self.answerer, self.batch_size, self.finder = answerer, batch_size, finder
        self.right_faces = torch.from_numpy(answerer.hand_model.faces)
        self.hand_length_mm, self.ruler = hand_length_mm, HandRuler(answerer.hand_model)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        hand_model: str | Path | None = None,
        device: str = "auto",
        *,
        batch_size: int = DEFAULT_BATCH,
        refine_steps: int = DEFAULT_STEPS,
        hand_length_mm: float | None = None,
    ) -> HandReconstructor:
        """Rebuilds the network that a checkpoint was trained with.

        Args:
            path: a checkpoint (.pt), a run's folder, or one of several stages, of which the best is taken;
                or a published checkpoint (.t7, or .safetensors).
            hand_model: "generic" or the path of a MANO file; None: the one that it was trained with, or
                generic if there is no file of it.
            device: "auto", "cpu", "cuda" or "cuda:<index>".
            batch_size: see the class.
            refine_steps: see :class:`~s2hand.prediction.answerers.ImageAnswerer`.
            hand_length_mm: see the class.

        Raises:
            S2HandError: a file is missing, damaged or does not fit; the network predicts no hand.

        Warns:
            UserWarning: one for each of :attr:`notes`, such as another hand than the one of the training.
        """
        network = open_trained(path, hand_model, device)
        found = cls.of_network(network, batch_size, refine_steps, hand_length_mm)
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return found

    @classmethod
    def of_network(
        cls,
        network: StoredNetwork,
        batch_size: int = DEFAULT_BATCH,
        refine_steps: int = DEFAULT_STEPS,
        hand_length_mm: float | None = None,
    ) -> HandReconstructor:
        """A trained network; one that lifts landmarks comes with the bundled detector, which finds them.

        Args:
            network: from :func:`s2hand.checkpoints.open`.
            batch_size: see the class.
            refine_steps: see :class:`~s2hand.prediction.answerers.ImageAnswerer`.
            hand_length_mm: see the class.
        """
        if not network.lifts:
            return cls(ImageAnswerer(network, refine_steps), batch_size, hand_length_mm=hand_length_mm)
        head, arrays = network.model.hand_head, network.hand_model
        answerer = LandmarkAnswerer(head, arrays, network.device, network.path, notes=network.notes)
        finder = FoundHands(HandDetector.bundled(network.device), SideJudge(answerer))
        return cls(answerer, batch_size, finder, hand_length_mm=hand_length_mm)

    @classmethod
    def small(
        cls,
        device: str = "auto",
        hand_model: str | Path | None = None,
        *,
        batch_size: int = DEFAULT_BATCH,
        hand_length_mm: float | None = None,
        photometric: bool = False,
        fast: bool = False,
    ) -> HandReconstructor:
        """The bundled detector and the bundled network: every hand of every image, with nothing to download.

        Args:
            device: "auto", "cpu", "cuda" or "cuda:<index>".
            hand_model: "generic" or the path of a MANO file; None: generic, with which it was trained.
            batch_size: see the class.
            hand_length_mm: see the class.
            photometric: where hands are refined, let them follow what the photo shows too; takes longer.
            fast: look once at each hand instead of five times.

        Raises:
            S2HandError: the hand model cannot be read, or there is no such device.
        """
        place = resolve_device(device)
        answerer = LandmarkAnswerer.bundled(hand_model, device, photometric=photometric)
        detector = HandDetector.bundled(place, looks=LOOKS[:1] if fast else LOOKS)
        finder = FoundHands(detector, SideJudge(answerer))
        return cls(answerer, batch_size, finder, hand_length_mm=hand_length_mm)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on the checkpoint that are worth showing to the user."""
        return self.answerer.notes

    def viewer(self, stated: StatedCamera | None = None) -> Viewer:
        """What makes the views that :meth:`predict_views` takes.

        Args:
            stated: the camera of photos that come without one.
        """
        answerer = self.answerer
        return Viewer(
            answerer.image_size, answerer.squares, stated or StatedCamera(), upright=answerer.upright
        )

    def predict(
        self,
        images: Image | Sequence[Image],
        K: np.ndarray | Tensor | None = None,
        hand: str | Sequence[str] | None = None,
        *,
        boxes: np.ndarray | Tensor | None = None,
        keypoints: np.ndarray | Tensor | None = None,
        confidence: np.ndarray | Tensor | None = None,
        refine: bool = False,
    ) -> Reconstruction:
        """Reconstructs the hands of images: all of them with a detector, else one in each.

        Args:
            images: a tensor (B, 3, H, W), RGB in [0, 1]; an array (B, H, W, 3) or several (H, W, 3), uint8
                RGB; or paths. A single image will do.
            K: (3, 3) or (B, 3, 3) camera matrices in pixels of the images. None: the focal length is the
                one in a file's EXIF, or the default; the answer's ``focal_sources`` tell.
            hand: "right" or "left", for all images or for each; None: as the detector says, or right.
            boxes: (B, 4) px: left, top, width and height of the hands; NaN rows where there is none. A
                detector then looks for the one hand there.
            keypoints: (B, 21, 2) px, of one hand in each image; then nothing is detected. Without a detector
                and without a box the network looks at the square about them, without either at the whole
                image.
            confidence: (B, 21) of the keypoints, 0 where missed; None: all are certain.
            refine: fit the hands to the keypoints given, or else to the network's 2D branch.

        Returns:
            The hands in the order of the images, on the CPU; ``image_numbers`` tells which image shows each.

        Raises:
            S2HandError: an image cannot be read, numbers do not match, or there is nothing to refine with.
        """
        finder = self.finder if keypoints is None else None
        self.check_refinement(refine, detections=keypoints is not None or finder is not None)
        groups = asked_hands(self.viewer(), images, K, hand, boxes, keypoints, confidence, finder)
        parts, numbers = [no_hands(self.answerer.hand_model, self.answerer.paints_from_photos)], []
        for number, views, hands in self.predict_groups(enumerate(groups), refine=refine):
            if hands is not None:
                parts.append(hands)
                numbers += [number] * len(views)
        return replace(concatenated(parts[1:] or parts), image_numbers=tuple(numbers))

    def predict_groups(
        self,
        groups: Iterable[Group],
        *,
        refine: bool = False,
        adjust: Adjust | None = None,
        paint: bool = True,
    ) -> Iterator[tuple[T, Sequence[HandView], Reconstruction | None]]:
        """Reconstructs the hands of many photos or frames, as many at once as make a batch.

        Args:
            groups: photos with the views of their hands.
            refine: see :meth:`predict_views`.
            adjust: changes the parameters before hands are placed in their photos.
            paint: see :meth:`predict_views`.

        Yields:
            Each photo, its views, and its hands: None where it has none.
        """
        for chunk in chunks(groups, self.batch_size):
            views = [view for _, found in chunk for view in found]
            change = None if adjust is None else lambda parameters, chunk=chunk: adjust(parameters, chunk)
            hands = self.predict_views(views, refine=refine, adjust=change, paint=paint) if views else None
            start = 0
            for owner, found in chunk:
                yield owner, found, hands[start : start + len(found)] if found else None
                start += len(found)

    @torch.inference_mode(False)  # photometric refinement needs gradients, and may be called inside of it
    @torch.no_grad()
    def predict_views(
        self,
        views: Sequence[HandView],
        *,
        refine: bool = False,
        adjust: Callable[[HandParameters], HandParameters] | None = None,
        paint: bool = True,
    ) -> Reconstruction:
        """Reconstructs hands, all at once.

        Args:
            views: the hands, from :meth:`viewer`.
            refine: fit each to its keypoints, or else to the network's 2D branch; hands with neither stay as
                the network says.
            adjust: changes the parameters, in their photos' frames, before the hands are placed there.
            paint: where the network answers no texture, take it from the photos.

        Raises:
            S2HandError: the answer is not finite.
        """
        answerer = self.answerer
        batch = as_batch(views).to(answerer.device)
        answer = answerer(batch, views, refine)
        refined = (False,) * len(views)
        if refine:
            answer, refined = answerer.refine(answer, batch, views)
        squares = [view.square for view in views]
        parameters = turned_back(answer.parameters.to("cpu"), squares)
        if adjust is not None:
            parameters = adjust(parameters)
        parameters, lengths_mm = self.ruler.sized(parameters, self.hand_length_mm)
        K = torch.from_numpy(np.stack([view.K for view in views])).float()
        placed = answerer.place_hand(parameters.to(answerer.device), K.to(answerer.device))
        hands = HandPrediction(**placed).to("cpu")
        if not hands.vertices.isfinite().all():
            raise S2HandError(
                f"{answerer.path}: the network's answer is not finite; its training went astray, so name "
                "an earlier checkpoint"
            )
        answer = replace(answer.to("cpu"), parameters=parameters)
        found = replace(
            in_photos(answer, hands, views, self.right_faces, refined),
            lengths_mm=lengths_mm,
            size_prior=self.ruler.prior if self.hand_length_mm is None else None,
        )
        return painted(found, views) if paint and answerer.paints_from_photos else found

    def check_refinement(self, refine: bool, *, detections: bool) -> None:
        """Refuses a refinement that could not happen.

        Args:
            refine: whether it is asked for.
            detections: whether there are detected keypoints.

        Raises:
            S2HandError: there is nothing to refine with.
        """
        if refine and not detections and not self.answerer.finds_keypoints:
            raise S2HandError(
                f"nothing to refine with: the network of {self.answerer.path} has no 2D branch, and there "
                "are no detected keypoints; give detections, or leave refinement out"
            )
