"""Training the lift: its losses, and the errors of hands held out.

The hand head sees what a simulated detector finds of hands that are drawn at random
(:mod:`s2hand.models.random_hands`), and what the real one's network finds in generated images; the truth
about both is known. Of hands in photos nothing is known but where their landmarks are seen.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.geometry.procrustes import similarity_align
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.joint_chain import JointChain
from s2hand.models import HandNet
from s2hand.models.hand_view import HandLandmarks, view_hands
from s2hand.models.landmark_lift import LandmarkLifter, view_features
from s2hand.models.random_hands import RandomHands
from s2hand.training.lift_batches import LiftBatch

JOINT_UNIT_M = 0.01
"""Metres: an error of a centimetre costs 1."""

MATRIX_GAIN = 5.0
"""Brings errors of rotation matrices to the order of those of joints."""

WEIGHTS = {"joints": 1.0, "posed": 1.0, "angles": 0.5, "rotation": 1.0, "betas": 0.02}
"""Loss of hands with the truth -> weight, with which the bundled lift was trained."""

SOURCE_WEIGHTS = {"random": 1.0, "generated": 0.5, "photos": 0.5}
"""Where hands come from -> weight of their losses."""

LANDMARK_UNIT = 0.02
"""A landmark missed by 2 % of the hand's box costs 1."""

SHAPE_WEIGHT = 0.02
"""Weight of the squared betas of hands in photos, whose landmarks leave the size open."""


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
        objective: what to minimise where the truth is known.
    """

    precision = "fp32"

    def __init__(self, model: HandNet, objective: LiftObjective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: LiftBatch) -> dict[str, Tensor]:
        """The losses of a batch by name, with their weighted sum as "total".

        Losses of random hands have the names of the objective; the others are sums, "generated" and "photos".
        """
        lifter, seen = self.model.hand_head, batch.seen
        losses = self.objective(lifter, batch.random)
        total = SOURCE_WEIGHTS["random"] * losses["total"]
        if seen.generated is not None:
            losses["generated"] = self.objective(lifter, seen.generated)["total"]
        if seen.photos is not None:
            losses["photos"] = landmark_loss(lifter, seen.photos)
        others = losses.keys() & SOURCE_WEIGHTS
        return losses | {"total": total + sum(SOURCE_WEIGHTS[name] * losses[name] for name in sorted(others))}


def landmark_loss(lifter: LandmarkLifter, landmarks: HandLandmarks) -> Tensor:
    """How far lifted hands are seen from the landmarks that they were lifted from, (); robust."""
    view = view_hands(landmarks)
    hand = lifter.in_view(view)
    points = lifter.chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
    found = view.confidence > 0
    low = torch.where(found[..., None], view.rays, torch.inf).amin(1)
    high = torch.where(found[..., None], view.rays, -torch.inf).amax(1)
    box = (high - low).amax(1)[:, None, None]
    missed = (points[..., :2] / points[..., 2:] - view.rays) / box / LANDMARK_UNIT
    distance = (missed.square().sum(-1) + 0.01).sqrt()
    return (distance * found).sum() / found.sum() + SHAPE_WEIGHT * hand.betas.square().mean()


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
