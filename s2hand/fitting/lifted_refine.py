"""Refinement of lifted hands: near the lifted one where a detector told all it can, freely elsewhere."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.fitting.landmark_residuals import LIFTED_ERRORS, RefinementErrors
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import HandLandmarks


class LiftedHandRefiner:
    """Refines hands from where the lift put them.

    The lift is hard to beat where it was given all joints with depths and world landmarks; of hands that it
    knows less of, it knows the parts that were missed least of all. Hands do not touch each other.

    Args:
        chain: the points of the hand model that the detector's landmarks mean, where the hands are.
    """

    def __init__(self, chain: JointChain) -> None:
        self.chain = chain

    def __call__(self, landmarks: HandLandmarks, lifted: PosedHand) -> PosedHand:
        """
        Args:
            landmarks: of right hands, or of left ones mirrored (as those that were lifted).
            lifted: the lifted hands in the camera's frame.

        Returns:
            The refined hands; a hand that no step improves stays as it is.

        Raises:
            S2HandError: a hand that came in is not finite, or landmarks that have no view.
        """
        whole = landmarks.whole
        if whole.all():
            return self.near(landmarks, lifted).hand
        rows = [torch.nonzero(~whole).flatten()]
        hands = [self.free(landmarks.select(rows[0]), lifted.select(rows[0])).hand]
        if whole.any():
            rows.append(torch.nonzero(whole).flatten())
            hands.append(self.near(landmarks.select(rows[1]), lifted.select(rows[1])).hand)
        return PosedHand.joined(hands).select(torch.cat(rows).argsort())

    # Made at first use: their sampled poses take time.

    @cached_property
    def near(self) -> LandmarkRefiner:
        """For hands of which all is known."""
        return self._made(LIFTED_ERRORS, other_starts=False)

    @cached_property
    def free(self) -> LandmarkRefiner:
        """For the others."""
        return self._made(RefinementErrors(), other_starts=True)

    def _made(self, errors: RefinementErrors, *, other_starts: bool) -> LandmarkRefiner:
        joints: Tensor = self.chain.rest_joints  # in its precision, whatever PyTorch's default is by now
        refiner = LandmarkRefiner(self.chain, errors, other_starts=other_starts)
        return refiner.to(joints.device, joints.dtype)
