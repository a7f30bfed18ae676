"""Refinement: moves lifted hands until their landmarks lie where the detector saw them.

Levenberg-Marquardt on pose, shape, rotation and translation, all hands and all starts of a batch at once. A
hand seen once has several folds that fit; descent from one start cannot leave its own, so each hand starts
from the lifted one, a half-open hand, a fist, and the sampled poses that look most like it. Where the lifted
hand is trusted (``landmark_residuals.LIFTED_ERRORS``), other starts never win, and are left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.errors import S2HandError
from s2hand.fitting.landmark_residuals import LandmarkResiduals, RefinementErrors
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.pose_sampling import THUMB
from s2hand.hand.posed_hand import PosedHand
from s2hand.hand.wide_poses import sample_wide_poses
from s2hand.models.hand_view import HandLandmarks, HandView, view_hands
from s2hand.models.landmark_lift import solve_translation
from s2hand.structures import TensorStruct

SCOUT_STEPS, FINAL_STEPS = 6, 10
"""Steps of every start where there are several, and further ones of the best of each hand."""

FIRST_DAMPING, DAMPING_DOWN, DAMPING_UP, DAMPING_RANGE = 1e-2, 0.3, 6.0, (1e-6, 1e6)
"""Levenberg-Marquardt: the share of the matrix's diagonal that is added to it; how it follows success."""

BANK_SEED, BANK_POSES = 1, 2048
"""Sampled poses among which the starts that look most like a hand are sought."""

NUM_NAMED = 2
"""Poses at the head of the bank from which every hand starts: the mean pose and a fist."""

FIST_RAD = (1.2, 1.5, 0.9)
"""Radians: bend of the three joints of each finger in a fist."""


@dataclass(frozen=True)
class RefinedHands(TensorStruct):
    """What refinement answers.

    Attributes:
        hand: (B,) in the camera's frame.
        objective: (B,) of ``hand``, never above ``start_objective``.
        start_objective: (B,) of the hands that came in.
    """

    hand: PosedHand
    objective: Tensor
    start_objective: Tensor


class LandmarkRefiner(nn.Module):
    """Refines hands to landmarks.

    Hands do not touch each other: each is refined to the same result in any batch, up to rounding.

    Args:
        chain: the points of the hand model that the detector's landmarks mean.
        errors: what is expected of the residuals.
        scout_steps: steps of every start.
        final_steps: further steps of the best start of each hand.
        other_starts: whether there are other starts than the lifted hands.
    """

    def __init__(
        self,
        chain: JointChain,
        errors: RefinementErrors | None = None,
        scout_steps: int = SCOUT_STEPS,
        final_steps: int = FINAL_STEPS,
        other_starts: bool = True,
    ):
        super().__init__()
        self.residuals = LandmarkResiduals(chain, errors)
        self.scout_steps, self.final_steps = scout_steps, final_steps
        self.other_starts = other_starts
        if not other_starts:
            return
        bank = sample_wide_poses(BANK_SEED, BANK_POSES).reshape(-1, 15, 3)
        mean = bank.mean(0)
        fist = mean.copy()
        fist[: 3 * THUMB] = [(0.0, 0.0, bend) for bend in FIST_RAD] * 4
        bank = torch.from_numpy(np.concatenate([[mean, fist], bank])).to(chain.rest_joints)
        self.register_buffer("bank", bank, persistent=False)
        neutral = bank.new_zeros(len(bank), 10), torch.eye(3).to(bank).expand(len(bank), 3, 3)
        self.register_buffer("bank_points", chain(bank, *neutral), persistent=False)

    def with_steps(self, scout_steps: int, final_steps: int) -> LandmarkRefiner:
        """The same refiner with other numbers of steps; its poses are shared."""
        other = copy.copy(self)
        other.scout_steps, other.final_steps = scout_steps, final_steps
        return other

    @torch.no_grad()
    def forward(self, landmarks: HandLandmarks, start: PosedHand) -> RefinedHands:
        """
        Args:
            landmarks: of right hands, or of left ones mirrored (as those that were lifted).
            start: the lifted hands in the camera's frame.

        Returns:
            The refined hands; a hand that no step improves stays as it is.

        Raises:
            S2HandError: a hand that came in is not finite, or landmarks that have no view.
        """
        view = view_hands(landmarks)
        lifted = start.turned(view.rotation)
        first = self.residuals(lifted, lifted, view)[0]
        if not torch.isfinite(first).all():
            bad = torch.nonzero(~torch.isfinite(first)).flatten().tolist()
            raise S2HandError(
                f"refinement: hands {bad} of the batch are NaN or infinite before the first step"
            )
        start_at = self._scout(lifted, view) if self.other_starts else lifted
        hand, objective = self._descend(start_at, lifted, view, self.final_steps)
        return RefinedHands(hand.turned(view.rotation.transpose(1, 2)), objective, first)

    def _scout(self, lifted: PosedHand, view: HandView) -> PosedHand:
        """The best of each hand's starts after some steps."""
        starts = [lifted, *self._other_starts(lifted, view)]
        count, batch = len(starts), len(lifted.betas)
        repeat = torch.arange(batch, device=view.size.device).repeat(count)
        many, objective = self._descend(
            PosedHand.joined(starts), lifted.select(repeat), view.select(repeat), self.scout_steps
        )
        # A start that is not finite must not win; argmin would choose it.
        objective = objective.nan_to_num(nan=torch.inf).view(count, batch)
        best = objective.argmin(0) * batch + torch.arange(batch, device=objective.device)
        return many.select(best)

    def _other_starts(self, lifted: PosedHand, view: HandView) -> list[PosedHand]:
        """A half-open hand, a fist and the most similar sampled pose, turned and placed as the lifted one."""
        points = torch.einsum("bij,pkj->bpki", lifted.rotation[:, :2], self.bank_points)
        found = (view.confidence > 0).to(points)[:, None, :, None]
        points = points - (points * found).sum(2, keepdim=True) / found.sum(2, keepdim=True)
        size = ((points.square() * found).sum((2, 3), keepdim=True) / found.sum((2, 3), keepdim=True)).sqrt()
        error = ((points / size - view.plane[:, None]).square() * found).sum((2, 3))
        nearest = error[:, NUM_NAMED:].argmin(1) + NUM_NAMED
        starts = []
        for chosen in (*(torch.full_like(nearest, number) for number in range(NUM_NAMED)), nearest):
            turned = (lifted.rotation[:, None] @ self.bank_points[chosen][..., None]).squeeze(-1)
            translation = solve_translation(turned, view.rays, view.confidence)
            betas = torch.zeros_like(lifted.betas)
            starts.append(PosedHand(self.bank[chosen], betas, lifted.rotation, translation))
        return starts

    def _descend(
        self, hand: PosedHand, anchor: PosedHand, view: HandView, steps: int
    ) -> tuple[PosedHand, Tensor]:
        """Takes steps; each hand keeps the best it has seen. Returns the hands and their objectives."""
        cost, gradient, matrix = self.residuals(hand, anchor, view)
        damping = torch.full_like(cost, FIRST_DAMPING)
        for _ in range(steps):
            diagonal = matrix.diagonal(dim1=1, dim2=2)
            damped = matrix + torch.diag_embed(damping[:, None] * diagonal)
            factor, failed = torch.linalg.cholesky_ex(damped)
            step = -torch.cholesky_solve(gradient[..., None], factor).squeeze(-1)
            trial = hand.moved(step)
            new_cost, new_gradient, new_matrix = self.residuals(trial, anchor, view)
            # A comparison with NaN is false, so what diverges is not taken.
            better = (new_cost < cost) & (failed == 0)
            hand = trial.where(better, hand)
            cost = torch.where(better, new_cost, cost)
            gradient = torch.where(better[:, None], new_gradient, gradient)
            matrix = torch.where(better[:, None, None], new_matrix, matrix)
            change = torch.where(better, DAMPING_DOWN, DAMPING_UP).to(damping)
            damping = (damping * change).clamp(*DAMPING_RANGE)
        return hand, cost
