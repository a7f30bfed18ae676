"""What a refined hand is held to, in its view: landmarks, depths, world landmarks, limits and priors.

Every residual is divided by its expected size, so that 1 is an ordinary error and squares add up. Landmarks
go through Cauchy's robust loss, c^2 log(1 + r^2 / c^2): one that lies far off hardly pulls. Notation: B
hands, P = 61 unknowns (``posed_hand.NUM_UNKNOWNS``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.geometry.rotation_logarithm import matrix_to_axis_angle
from s2hand.hand.assets import NUM_BETAS, NUM_POSE
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.posed_hand import PosedHand
from s2hand.hand.wide_poses import WIDE_RANGES_DEG, sample_wide_poses
from s2hand.models.hand_view import HandView

PRIOR_SEED, PRIOR_POSES = 0, 8192
"""The poses whose mean and covariance are the prior."""

LEAST_ANGLE_DEVIATION_RAD = 0.03
"""Radians, added to the covariance's diagonal: no angle is certain."""

NEAREST_M = 0.05
"""Metres. Points nearer than this project as if they were here."""


SURE = 0.9
"""The confidence of a landmark whose error is what is expected."""


def precision(confidence: Tensor) -> Tensor:
    """Weights of landmarks (...) in [0, 1]: the inverse squares of the errors that confidences tell.

    A confidence is the probability of an error below a tenth of the hand
    (:mod:`s2hand.detection.mediapipe.confidence`): 1 - exp(-0.005 / s^2) where errors are Gaussian, of
    deviation s. So a landmark of confidence 0.5 weighs 0.3 of a sure one. None weighs more.
    """
    return (torch.log1p(-confidence.clamp(0, SURE)) / math.log1p(-SURE)).clamp(max=1)


@dataclass(frozen=True)
class RefinementErrors:
    """What is expected of each kind of residual; the smaller, the harder the pull.

    The defaults follow ``scripts/measure_refinement_errors.py``: the anchor's is how wrong the lifted pose of
    random hands is; the depths' is twice and the world landmarks' three times what random hands have, as
    these errors are shared within a hand and the lifted pose has used the same values; the keypoints' is 0.38
    of what random hands have, as photos leave so much less when hands are fitted to them.

    Attributes:
        keypoint: expected error of a landmark in the image, in RMS sizes of the hand.
        depth: expected error of a relative depth, in RMS sizes of the hand.
        world_m: expected error of a world landmark's coordinate, metres.
        anchor: expected distance of an angle from the start's, in deviations of the prior.
        prior: expected distance of an angle from the prior's mean, in its deviations.
        beta: expected size of a shape coefficient.
        anchor_beta: expected distance of a shape coefficient from the start's; infinite: any.
        anchor_rad: expected angle between the rotation and the start's; infinite: any.
        limit_rad: expected excess of an angle over the range that hands have.
        tolerated: c of the robust loss. At 2 a thumb that the lift has wrong counts as an outlier and stays;
            4 costs 0.13 mm on random hands, whose landmarks have gross errors.
        depth_gain: how much of the true relative depth the detector reports.
        world_scale: how much larger than the hand model the hand of the world landmarks is.
    """

    keypoint: float = 0.037
    depth: float = 0.3
    world_m: float = 0.03
    anchor: float = 0.87
    prior: float = 3.0
    beta: float = 1.0
    anchor_beta: float = math.inf
    anchor_rad: float = math.inf
    limit_rad: float = 0.05
    tolerated: float = 4.0
    depth_gain: float = 0.42
    world_scale: float = 1.08


LIFTED_ERRORS = RefinementErrors(anchor=0.5, anchor_beta=0.5, anchor_rad=0.07)
"""For hands that were lifted from all that the bundled detector reads in a photo. The lift has used what
these landmarks tell, and their errors are shared by a finger or a hand: hands that may go far from the
lifted ones come closer to the landmarks, and farther from the truth."""


class LandmarkResiduals(nn.Module):
    """The objective of the refinement with its gradient and Gauss-Newton matrix.

    Args:
        chain: the points of the hand model that the detector's landmarks mean.
        errors: what is expected of the residuals.
    """

    def __init__(self, chain: JointChain, errors: RefinementErrors | None = None):
        super().__init__()
        self.chain, self.errors = chain, errors or RefinementErrors()
        poses = sample_wide_poses(PRIOR_SEED, PRIOR_POSES)
        covariance = np.cov(poses.T) + LEAST_ANGLE_DEVIATION_RAD**2 * np.eye(NUM_POSE)
        low, high = np.deg2rad(WIDE_RANGES_DEG.reshape(NUM_POSE, 2)).T
        constants = {
            "pose_mean": poses.mean(0),
            "whitening": np.linalg.inv(np.linalg.cholesky(covariance)),
            "low": low,
            "high": high,
        }
        for name, value in constants.items():
            tensor = torch.from_numpy(np.ascontiguousarray(value)).to(torch.get_default_dtype())
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, hand: PosedHand, anchor: PosedHand, view: HandView) -> tuple[Tensor, Tensor, Tensor]:
        """
        Args:
            hand: (B,) in the views' frames.
            anchor: (B,) hands whose angles pull, the lifted ones.
            view: (B,) what was seen.

        Returns:
            (B,) objective; (B, 61) and (B, 61, 61): half its gradient, and half its Gauss-Newton matrix.
        """
        points, jacobian = self.chain.with_jacobian(hand.angles, hand.betas, hand.rotation)
        identity = torch.eye(3, dtype=points.dtype, device=points.device)
        jacobian = torch.cat([jacobian, identity.expand(*points.shape[:2], 3, 3)], -1)
        points = points + hand.translation[:, None]
        cost, rows, values = 0, [], []
        sure = precision(view.confidence)
        for (residual, derivative), weight in (
            (self._keypoints(points, jacobian, view), sure),
            (self._depths(points, jacobian, view), sure * view.has_depths[:, None]),
            (self._world(points, jacobian, view), sure * view.has_world[:, None]),
        ):
            # Relative squares: below 1 the loss is the plain square, far above it grows as a logarithm.
            relative = residual.square().sum(-1) / self.errors.tolerated**2
            cost = cost + (weight * self.errors.tolerated**2 * relative.log1p()).sum(-1)
            pull = (weight / (1 + relative)).sqrt()[..., None]
            values.append((residual * pull).flatten(1))
            rows.append((derivative * pull[..., None]).flatten(1, 2))
        stacked = torch.cat(rows, 1)
        transposed = stacked.transpose(1, 2)
        gradient = (transposed @ torch.cat(values, 1)[..., None]).squeeze(-1)
        priors = self._priors(hand, anchor)
        return cost + priors[0], gradient + priors[1], transposed @ stacked + priors[2]

    def _keypoints(self, points: Tensor, jacobian: Tensor, view: HandView) -> tuple[Tensor, Tensor]:
        unit = (view.size * self.errors.keypoint)[:, None, None]
        depth = points[..., 2:].clamp(min=NEAREST_M)
        projected = points[..., :2] / depth
        derivative = (jacobian[..., :2, :] - projected[..., None] * jacobian[..., 2:, :]) / depth[..., None]
        return (projected - view.rays) / unit, derivative / unit[..., None]

    def _depths(self, points: Tensor, jacobian: Tensor, view: HandView) -> tuple[Tensor, Tensor]:
        mean, mean_derivative = (
            points[..., 2].mean(1, keepdim=True),
            jacobian[..., 2, :].mean(1, keepdim=True),
        )
        distance = mean.clamp(min=NEAREST_M)
        gain = self.errors.depth_gain / (distance * view.size[:, None]) / self.errors.depth
        reported = (points[..., 2] - mean) * gain
        derivative = (jacobian[..., 2, :] - mean_derivative) * gain[..., None]
        # A hand farther away has less depth in units of its size.
        derivative = derivative - (reported / distance)[..., None] * mean_derivative
        residual = reported - view.depths / self.errors.depth
        return residual[..., None], derivative[..., None, :]

    def _world(self, points: Tensor, jacobian: Tensor, view: HandView) -> tuple[Tensor, Tensor]:
        scale = self.errors.world_scale / self.errors.world_m
        residual = (points - points.mean(1, keepdim=True)) * scale - view.world / self.errors.world_m
        derivative = (jacobian - jacobian.mean(1, keepdim=True)) * scale
        return residual, derivative

    def _priors(self, hand: PosedHand, anchor: PosedHand) -> tuple[Tensor, Tensor, Tensor]:
        """Objective, gradient and matrix of what is quadratic in the unknowns, or almost."""
        pose = hand.angles.flatten(1)
        excess = (pose - pose.clamp(self.low, self.high)) / self.errors.limit_rad
        whites = self.whitening / self.errors.anchor, self.whitening / self.errors.prior
        pulls = [
            (pose - middle) @ white.T
            for middle, white in zip((anchor.angles.flatten(1), self.pose_mean), whites, strict=True)
        ]
        betas = hand.betas / self.errors.beta
        drift = (hand.betas - anchor.betas) / self.errors.anchor_beta
        turned = (
            matrix_to_axis_angle(hand.rotation @ anchor.rotation.transpose(1, 2)) / self.errors.anchor_rad
        )
        cost = sum(value.square().sum(-1) for value in (excess, *pulls, betas, drift, turned))
        of_pose = excess / self.errors.limit_rad + sum(
            pull @ white for pull, white in zip(pulls, whites, strict=True)
        )
        of_shape = betas / self.errors.beta + drift / self.errors.anchor_beta
        gradient = torch.cat(
            [of_pose, of_shape, turned / self.errors.anchor_rad, torch.zeros_like(turned)], -1
        )
        pose_matrix = sum(white.T @ white for white in whites)
        of_others = [self.errors.beta**-2 + self.errors.anchor_beta**-2] * NUM_BETAS
        of_others += [self.errors.anchor_rad**-2] * 3 + [0.0] * 3
        matrix = torch.block_diag(pose_matrix, torch.diag(torch.tensor(of_others).to(pose)))
        beyond = torch.nn.functional.pad(
            (excess != 0).to(pose) / self.errors.limit_rad**2, (0, NUM_BETAS + 6)
        )
        return cost, gradient, matrix + torch.diag_embed(beyond)
