"""What answers for the hands in views: the trained network that sees their pixels, or anything like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from s2hand.checkpoints import StoredNetwork
from s2hand.errors import S2HandError, shown
from s2hand.fitting.refine import (
    DEFAULT_STEPS,
    MAX_STEPS,
    REFINEMENT_LOSSES,
    HandRefiner,
    follow_best_keypoints,
)
from s2hand.geometry.canonical_camera import to_true_camera
from s2hand.hand import HandModel
from s2hand.images.crops import SquareRule
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.models import detections_for
from s2hand.prediction.hand_views import HandView
from s2hand.structures import HandBatch, HandParameters, HandPrediction

UNNOTICED = 0.05
"""Focal lengths this much beyond those of the training are taken as they are."""


class Answerer(Protocol):
    """Views in, hand parameters out.

    Attributes:
        path: the file that it was loaded from.
        hand_model: the hand whose parameters it gives.
        image_size: S, side of views in pixels.
        squares: where it looks for hands that were detected.
        upright: whether views are turned so that the detected hand's fingers point up.
        notes: lines that are worth showing to the user.
        device: where it computes.
        finds_keypoints: whether its answers can hold ``heatmap_keypoints``, which refinement may follow.
        paints_from_photos: whether hands without texture are to take it from their photos.
        place_hand: poses hands and puts them before cameras K (B, 3, 3), as ``HandNet.place_hand``.
    """

    path: Path
    hand_model: HandModel
    image_size: int
    squares: SquareRule
    upright: bool
    notes: tuple[str, ...]
    device: torch.device
    finds_keypoints: bool
    paints_from_photos: bool
    place_hand: Callable[[HandParameters, Tensor], dict[str, Tensor]]

    def __call__(self, batch: HandBatch, views: Sequence[HandView], keypoints: bool) -> HandPrediction:
        """Says which right hand each view shows.

        Args:
            batch: the views as tensors on ``device``: images, K, and what was detected.
            views: the same, with all that is known.
            keypoints: whether ``heatmap_keypoints`` are wanted, if there are any.

        Returns:
            At least ``parameters``, in the frames of the views' cameras; perhaps ``face_textures`` with
            ``light``, and ``heatmap_keypoints`` in pixels of the views.
        """
        ...

    def refine(
        self, answer: HandPrediction, batch: HandBatch, views: Sequence[HandView]
    ) -> tuple[HandPrediction, tuple[bool, ...]]:
        """Fits hands to keypoints.

        Args:
            answer: what was answered for the views.
            batch: as the answer was given for it.
            views: likewise.

        Returns:
            The answer, its ``parameters`` refined; and whether each hand was: one without keypoints is not.
        """
        ...


class ImageAnswerer:
    """The :class:`Answerer` that looks at the pixels of views with a trained network.

    Args:
        network: from :func:`s2hand.checkpoints.open`.
        refine_steps: number of steps of the fit to keypoints, where one is asked for.

    Raises:
        S2HandError: the number of steps is below 1, or above ``MAX_STEPS``.
    """

    paints_from_photos = False

    def __init__(self, network: StoredNetwork, refine_steps: int = DEFAULT_STEPS) -> None:
        if not 1 <= refine_steps <= MAX_STEPS:
            raise S2HandError(f"refinement steps: expected 1 to {MAX_STEPS:,}, got {shown(refine_steps)}")
        self.model, self.hand_model, self.image_size = network.model, network.hand_model, network.image_size
        self.path, self.notes, self.device = network.path, network.notes, network.device
        self.squares, self.place_hand = network.squares, network.model.place_hand
        self.focal_range, self.upright = network.focal_range, network.upright
        self.finds_keypoints = network.model.keypoint_net is not None
        weights = {name: DEFAULT_WEIGHTS[name] for name in REFINEMENT_LOSSES}
        faces = torch.from_numpy(network.hand_model.faces)
        objective = Objective(weights, faces, image_size=network.image_size).to(network.device)
        self._refiner = HandRefiner(self.place_hand, objective, refine_steps)

    def __call__(self, batch: HandBatch, views: Sequence[HandView], keypoints: bool) -> HandPrediction:
        parts = {"hand"}
        if self.model.texture_light_head is not None:
            parts.add("texture")
        if self.model.confidence_head is not None:
            parts.add("confidence")
        if self.finds_keypoints and (keypoints or self.model.hand_needs_keypoints):
            parts.add("heatmaps")
        known = self._known_focal(batch.K)
        K = batch.K.clone()
        K[:, :2, :2] *= (known / batch.K[:, 0, 0])[:, None, None]
        answer = self.model(batch.image, K, parts, **detections_for(self.model, batch))
        if torch.equal(known, batch.K[:, 0, 0]):
            return answer
        moved = to_true_camera(answer.joints, answer.parameters.translation, known, batch.K[:, 0, 0])
        return replace(answer, parameters=replace(answer.parameters, translation=moved))

    def _known_focal(self, K: Tensor) -> Tensor:
        """(B,) px: focal lengths inside the range of the training, the nearest to those of K (B, 3, 3).

        A network that sees a square knows the cameras that it was trained with alone. Through another one it
        answers as if it were one of these, and the hand is then moved to give the same image.
        """
        focal = K[:, 0, 0]
        if self.focal_range is None:
            return focal
        low, high = (self.image_size * bound for bound in self.focal_range)
        inside = (focal > low * (1 - UNNOTICED)) & (focal < high * (1 + UNNOTICED))
        return torch.where(inside, focal, focal.clamp(low, high))

    def refine(
        self, answer: HandPrediction, batch: HandBatch, views: Sequence[HandView]
    ) -> tuple[HandPrediction, tuple[bool, ...]]:
        """See :class:`Answerer`; a hand without detected keypoints follows the 2D branch's."""
        return follow_best_keypoints(self._refiner, answer, batch)
