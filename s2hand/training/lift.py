"""Training the lift on random hands: their batches, the losses, and the errors of hands held out.

No image is involved: the hand head sees what a simulated detector finds of hands that are drawn at random
(:mod:`s2hand.models.random_hands`), and the truth about these is known.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from s2hand.geometry.procrustes import similarity_align
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import HandModel
from s2hand.hand.joint_chain import JointChain
from s2hand.models import HandNet
from s2hand.models.hand_view import view_hands
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import LandmarkLifter, view_features
from s2hand.models.random_hands import RandomHands, RandomHandSource

FIRST_BATCH_SEED, SEEDS_OF_A_RUN, SEED_LIMIT = 1_000_000, 1_000_003, 2**63
"""Batch n of a run with seed s is drawn with seed ``FIRST_BATCH_SEED + s * SEEDS_OF_A_RUN + n``, modulo the
limit that random generators set."""

HELD_OUT_SEED = 10_000
"""Seed of the hands on which errors are measured; no batch is drawn with it."""

JOINT_UNIT_M = 0.01
"""Metres: an error of a centimetre costs 1."""

MATRIX_GAIN = 5.0
"""Brings errors of rotation matrices to the order of those of joints."""

WEIGHTS = {"joints": 1.0, "posed": 1.0, "angles": 0.5, "rotation": 1.0, "betas": 0.02}
"""Loss -> weight, with which the bundled lift was trained."""


class RandomHandBatches(Dataset):
    """Batches of random hands by number; the same number always gives the same hands.

    Args:
        hand_model: the hand that is drawn.
        fingertips: which vertices stand for the tips, a key of ``skeleton.FINGERTIP_VERTICES``.
        batch_size: hands in a batch.
        seed: the run's seed.
    """

    def __init__(self, hand_model: HandModel, fingertips: str, batch_size: int, seed: int) -> None:
        self.chains = mediapipe_chain(hand_model, fingertips), mediapipe_world_chain(hand_model, fingertips)
        self.batch_size, self.seed = batch_size, seed

    def __getitem__(self, number: int) -> RandomHands:
        seed = (FIRST_BATCH_SEED + self.seed * SEEDS_OF_A_RUN + number) % SEED_LIMIT
        return RandomHandSource(seed, *self.chains).draw(self.batch_size)

    def held_out(self, count: int) -> RandomHands:
        """``count`` hands that are in no batch, the same in every run."""
        return RandomHandSource(HELD_OUT_SEED, *self.chains).draw(count)


class LiftObjective(nn.Module):
    """How far lifted hands are from the true ones, in their views; robust, as one view leaves folds open.

    Args:
        chain: the joints of the hand that is drawn.
    """

    def __init__(self, chain: JointChain) -> None:
        super().__init__()
        self.chain = chain

    def forward(self, lifter: LandmarkLifter, hands: RandomHands) -> dict[str, Tensor]:
        """The losses of a lifter's answer, (), by name, with their weighted sum as "total"."""
        view = view_hands(hands.landmarks)
        angles, betas, rotation = lifter.net(view_features(view))
        angles = (angles + lifter.mean_pose).unflatten(-1, (-1, 3))
        # In the hand's own frame first: there an error of the rotation cannot hide one of the pose.
        unturned = torch.eye(3, device=rotation.device).expand_as(rotation)
        own = _centred(self.chain(angles, betas, unturned))
        truth = _centred(hands.joints)
        rotations = axis_angle_to_matrix(angles) - axis_angle_to_matrix(hands.angles)
        losses = {
            "joints": _distance(own @ rotation.transpose(1, 2), truth @ view.rotation.transpose(1, 2)),
            "posed": _distance(own, truth @ hands.rotation),
            "angles": rotations.abs().mean() * MATRIX_GAIN,
            "rotation": (rotation - view.rotation @ hands.rotation).abs().mean() * MATRIX_GAIN,
            "betas": (betas - hands.betas).square().mean(),
        }
        return losses | {"total": sum(WEIGHTS[name] * value for name, value in losses.items())}


class LiftLosses(nn.Module):
    """Network and objective as one module, as :class:`~s2hand.training.step.TrainingLosses` is for images.

    Args:
        model: its hand head lifts landmarks; nothing else of it is computed.
        objective: what to minimise.
    """

    precision = "fp32"

    def __init__(self, model: HandNet, objective: LiftObjective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, hands: RandomHands) -> dict[str, Tensor]:
        """The losses of a batch by name, with their weighted sum as "total"."""
        return self.objective(self.model.hand_head, hands)


@torch.no_grad()
def lift_errors(lifter: LandmarkLifter, hands: RandomHands, chain: JointChain) -> dict[str, float]:
    """Errors of lifted hands.

    Args:
        lifter: in evaluation mode.
        hands: on its device.
        chain: the joints of the hand that is drawn.

    Returns:
        ``pa_mpjpe``, mm, of all hands; and, where there are such hands, ``with_all`` of those with depths and
        world landmarks, ``with_2d`` of those with neither, and ``tips`` of the former's fingertips.
    """
    found = lifter(hands.landmarks)
    joints = chain(found.angles, found.betas, found.rotation).cpu().numpy()
    truth = hands.joints.cpu().numpy()
    error = 1000 * np.linalg.norm(similarity_align(joints, truth) - truth, axis=-1)
    depths = torch.isfinite(hands.landmarks.depths).all(1).cpu().numpy()
    world = torch.isfinite(hands.landmarks.world).flatten(1).all(1).cpu().numpy()
    groups = {
        "pa_mpjpe": error,
        "with_all": error[depths & world],
        "with_2d": error[~depths & ~world],
        "tips": error[depths & world, 4::4],
    }
    return {name: float(values.mean()) for name, values in groups.items() if values.size}


def _centred(points: Tensor) -> Tensor:
    """Points (B, 21, 3) less their mean."""
    return points - points.mean(1, keepdim=True)


def _distance(points: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in units of ``JOINT_UNIT_M``, smooth at 0."""
    return ((points - truth).square().sum(-1) / JOINT_UNIT_M**2 + 0.01).sqrt().mean()
