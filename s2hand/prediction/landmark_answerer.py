"""The answerer that looks at landmarks instead of pixels: lifts them, and refines hands to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2hand.errors import S2HandError
from s2hand.fitting.lifted_refine import LiftedHandRefiner
from s2hand.fitting.photometric_refine import PhotometricRefiner
from s2hand.hand import HandModel, ManoLayer, load_hand_model
from s2hand.hand.assets import NUM_POSE
from s2hand.hand.posed_hand import PosedHand
from s2hand.images.crops import DEFAULT_SQUARES, SquareRule
from s2hand.models.hand_view import FEWEST_PLACED, HandLandmarks
from s2hand.models.landmark_lift import BUNDLED_WEIGHTS, LandmarkLifter
from s2hand.models.placing import place_hand
from s2hand.prediction.hand_views import HandView
from s2hand.runtime.devices import resolve_device
from s2hand.skeleton import NUM_JOINTS
from s2hand.structures import HandBatch, HandParameters, HandPrediction

VIEW_SIZE = 224
"""Side of the views in pixels; nothing is read from them but where they are."""


class LandmarkAnswerer:
    """Answers from landmarks: the lift, and the refinement that starts from it.

    Args:
        lifter: lifts landmarks, on ``device``.
        hand_model: the arrays of its hand.
        device: where it computes.
        path: the file of its weights.
        photometric: whether refinement also follows what the photo shows.
        notes: lines that are worth showing to the user.
    """

    image_size: int = VIEW_SIZE
    squares: SquareRule = DEFAULT_SQUARES
    upright = False
    finds_keypoints = False
    paints_from_photos = True

    def __init__(
        self,
        lifter: LandmarkLifter,
        hand_model: HandModel,
        device: torch.device,
        path: Path,
        photometric: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.hand_model, self.device, self.path, self.notes = hand_model, device, path, notes
        self.lifter = lifter.to(device)
        self.layer = ManoLayer(hand_model, num_pca=NUM_POSE).to(device)
        self.refiner = LiftedHandRefiner(self.lifter.chain)
        self.photometric: PhotometricRefiner | None = None
        if photometric:
            faces = torch.from_numpy(hand_model.faces)
            self.photometric = PhotometricRefiner(self.lifter.chain, self.layer, faces).to(device)

    @classmethod
    def bundled(
        cls,
        hand_model: str | Path | None = None,
        device: str = "auto",
        path: Path = BUNDLED_WEIGHTS,
        photometric: bool = False,
    ) -> LandmarkAnswerer:
        """The lift with the weights that the package ships.

        Args:
            hand_model: "generic" or the path of a MANO file; None: generic, with which it was trained.
            device: "auto", "cpu", "cuda" or "cuda:<index>".
            path: the weights.
            photometric: see the class.

        Raises:
            S2HandError: the weights or the hand model cannot be read.
        """
        arrays = load_hand_model(hand_model or "generic")
        return cls(LandmarkLifter.bundled(arrays, path), arrays, resolve_device(device), path, photometric)

    @torch.no_grad()
    def __call__(
        self, batch: HandBatch, views: Sequence[HandView], keypoints: bool = False
    ) -> HandPrediction:
        """Lifts hands; see :class:`~s2hand.prediction.answerers.Answerer`.

        Raises:
            S2HandError: a view has too few landmarks.
        """
        for view in views:
            found = 0 if view.keypoints is None else np.count_nonzero(view.confidence)
            if found < FEWEST_PLACED:
                raise S2HandError(
                    f"{view.name or 'image'}: {found} keypoints of the {view.hand} hand are known, and "
                    f"{FEWEST_PLACED} are needed to lift it; leave the keypoints out to have them detected"
                )
        hand = self.lifter(self._landmarks(views))
        return HandPrediction(parameters=self._in_views(hand, views))

    @torch.no_grad()
    def refine(
        self, answer: HandPrediction, batch: HandBatch, views: Sequence[HandView]
    ) -> tuple[HandPrediction, tuple[bool, ...]]:
        """Refines hands to their landmarks, and to their photos if that was asked for.

        See :class:`~s2hand.prediction.answerers.Answerer`.
        """
        start = self._in_cameras(answer.parameters, views)
        landmarks = self._landmarks(views)
        hand = self.refiner(landmarks, start)
        if self.photometric is not None:
            photos, cameras = zip(*map(_as_right_hand, views), strict=True)
            K = torch.from_numpy(np.stack(cameras)).float().to(self.device)
            hand = self.photometric(photos, K, landmarks, hand).hand
        refined = replace(answer, parameters=self._in_views(hand, views))
        return refined, (True,) * len(views)

    def place_hand(self, parameters: HandParameters, K: Tensor) -> dict[str, Tensor]:
        """Poses hands and puts them before cameras, as :func:`s2hand.models.placing.place_hand`."""
        return place_hand(self.layer, parameters, K)

    def _landmarks(self, views: Sequence[HandView]) -> HandLandmarks:
        """What was detected, of right hands or the mirror images of left ones, in the photos' cameras."""
        missing = np.full(NUM_JOINTS, np.nan), np.full((NUM_JOINTS, 3), np.nan)
        columns = {
            "keypoints_2d": [view.keypoints for view in views],
            "K": [view.K for view in views],
            "confidence": [view.confidence for view in views],
            "depths_px": [missing[0] if view.depths_px is None else view.depths_px for view in views],
            "world": [missing[1] if view.world is None else view.world for view in views],
        }
        tensors = {name: torch.from_numpy(np.stack(rows)).float() for name, rows in columns.items()}
        left = torch.tensor([view.square.mirrored for view in views])
        return HandLandmarks.from_pixels(**tensors).mirrored(left).to(self.device)

    def _rotations(self, views: Sequence[HandView]) -> Tensor:
        """(B, 3, 3) from the (mirrored) photos' camera frames to those of the views."""
        return torch.from_numpy(np.stack([view.square.rotation for view in views])).float().to(self.device)

    def _in_views(self, hand: PosedHand, views: Sequence[HandView]) -> HandParameters:
        """Hands before their photos' cameras as parameters in the frames of the views."""
        return hand.turned(self._rotations(views)).parameters(self.layer)

    def _in_cameras(self, parameters: HandParameters, views: Sequence[HandView]) -> PosedHand:
        """The inverse of :meth:`_in_views`."""
        hand = PosedHand.of_parameters(parameters, self.layer)
        return hand.turned(self._rotations(views).transpose(1, 2))


def _as_right_hand(view: HandView) -> tuple[np.ndarray, np.ndarray]:
    """A view's photo, (H, W, 3) uint8, and camera (3, 3), both mirrored where the hand is a left one."""
    photo = view.photo if view.photo.dtype == np.uint8 else np.rint(view.photo * 255).astype(np.uint8)
    if not view.square.mirrored:
        return photo, view.K
    flipped = np.array([[-1.0, 0, photo.shape[1]], [0, 1, 0], [0, 0, 1]])
    return np.ascontiguousarray(photo[:, ::-1]), flipped @ view.K @ np.diag([-1.0, 1, 1])
