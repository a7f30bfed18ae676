"""What a refined hand is held to: residuals of a posed hand and their derivatives, in the hand's view.

Notation: B hands, P = 61 parameters in the order 45 finger angles, 10 betas, 3 of the rotation (w in
exp([w]x) rotation), 3 of the translation. Every residual is divided by what is expected of it, so 1 is an
ordinary error and the weights in the sum of squares are all 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.assets import NUM_BETAS, NUM_POSE
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.wide_poses import WIDE_RANGES_DEG, sample_wide_poses
from s2hand.models.hand_view import HandView
from s2hand.structures import TensorStruct

NUM_UNKNOWNS = NUM_POSE + NUM_BETAS + 6

KEYPOINT_ERROR = 0.06
DEPTH_ERROR = 0.25
WORLD_ERROR_M = 0.012
LIMIT_ERROR = 0.05
TOLERATED = 2.0
DEPTH_FLATNESS = 1.0
WORLD_SCALE = 1.0
NEAREST_M = 0.05


@dataclass(frozen=True)
class PosedHand(TensorStruct):
    """Parameters of hands in a camera's frame.

    Attributes:
        angles: (B, 15, 3) axis-angles of the finger joints, radians, MANO order.
        betas: (B, 10).
        rotation: (B, 3, 3).
        translation: (B, 3) metres.
    """

    angles: Tensor
    betas: Tensor
    rotation: Tensor
    translation: Tensor

    def moved(self, step: Tensor) -> PosedHand:
        angles, betas, turn, shift = step.split([NUM_POSE, NUM_BETAS, 3, 3], -1)
        return PosedHand(
            angles=self.angles + angles.unflatten(-1, (-1, 3)),
            betas=self.betas + betas,
            rotation=axis_angle_to_matrix(turn) @ self.rotation,
            translation=self.translation + shift,
        )


class LandmarkResiduals(nn.Module):
    def __init__(self, chain: JointChain, prior=True):
        super().__init__()
        self.chain = chain
        poses = sample_wide_poses(0, 8192)
        mean = poses.mean(0)
        covariance = np.cov(poses.T) + 0.05**2 * np.eye(NUM_POSE)
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        low, high = np.deg2rad(WIDE_RANGES_DEG.reshape(NUM_POSE, 2)).T
        for name, value in dict(pose_mean=mean, whitening=whitening, low=low, high=high).items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)).float(), persistent=False)
        self.prior = 0.5 if prior else 0.1

    def forward(self, hand: PosedHand, view: HandView) -> tuple[Tensor, Tensor, Tensor]:
        """Objective (B,), gradient (B, 61) and Gauss-Newton matrix (B, 61, 61)."""
        points, jacobian = self.chain.with_jacobian(hand.angles, hand.betas, hand.rotation)
        batch = len(points)
        eye = torch.eye(3, dtype=points.dtype).expand(batch, points.shape[1], 3, 3)
        jacobian = torch.cat([jacobian, eye], -1)
        points = points + hand.translation[:, None]
        terms = [self._keypoints(points, jacobian, view)]
        terms.append(self._depths(points, jacobian, view))
        terms.append(self._world(points, jacobian, view))
        cost, rows, values = 0, [], []
        for residual, derivative, scale in terms:
            squared = residual.square().sum(-1)  # (B, 21)
            cost = cost + (scale * TOLERATED**2 * (1 + squared / TOLERATED**2).log()).sum(-1)
            weight = (scale / (1 + squared / TOLERATED**2)).sqrt()[..., None]
            values.append((residual * weight).flatten(1))
            rows.append((derivative * weight[..., None]).flatten(1, 2))
        pose = hand.angles.flatten(1)
        excess = (pose - pose.clamp(self.low, self.high)) / LIMIT_ERROR
        prior = (pose - self.pose_mean) @ self.whitening.T * self.prior
        cost = cost + excess.square().sum(-1) + prior.square().sum(-1) + hand.betas.square().sum(-1)
        rows, values = torch.cat(rows, 1), torch.cat(values, 1)
        gradient = (rows.transpose(1, 2) @ values[..., None])[..., 0]
        matrix = rows.transpose(1, 2) @ rows
        white = self.whitening * self.prior
        gradient[:, :NUM_POSE] += excess / LIMIT_ERROR + prior @ white
        gradient[:, NUM_POSE : NUM_POSE + NUM_BETAS] += hand.betas
        matrix[:, :NUM_POSE, :NUM_POSE] += white.T @ white + torch.diag_embed((excess != 0) / LIMIT_ERROR**2)
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        diagonal[:, NUM_POSE : NUM_POSE + NUM_BETAS] += 1
        return cost, gradient, matrix

    def _keypoints(self, points, jacobian, view):
        unit = (view.size * KEYPOINT_ERROR)[:, None, None]
        depth = points[..., 2:].clamp(min=NEAREST_M)
        projected = points[..., :2] / depth
        residual = (projected - view.rays) / unit
        derivative = (jacobian[..., :2, :] - projected[..., None] * jacobian[..., 2:, :]) / depth[..., None]
        return residual, derivative / unit[..., None], view.confidence

    def _depths(self, points, jacobian, view):
        depth = points[..., 2] - points[..., 2].mean(1, keepdim=True)
        gain = DEPTH_FLATNESS / (points[..., 2].mean(1) * view.size)[:, None]
        residual = (depth * gain - view.depths) / DEPTH_ERROR
        derivative = jacobian[..., 2, :] - jacobian[..., 2, :].mean(1, keepdim=True)
        weight = view.has_depths[:, None] * view.confidence
        return residual[..., None], (derivative * gain[..., None] / DEPTH_ERROR)[..., None, :], weight

    def _world(self, points, jacobian, view):
        centred = (points - points.mean(1, keepdim=True)) * WORLD_SCALE
        residual = (centred - view.world) / WORLD_ERROR_M
        derivative = (jacobian - jacobian.mean(1, keepdim=True)) * WORLD_SCALE / WORLD_ERROR_M
        return residual, derivative, view.has_world[:, None] * view.confidence


def minimise(residuals, hand, view, steps=15):
    cost, gradient, matrix = residuals(hand, view)
    damping = torch.full_like(cost, 1e-3)
    for _ in range(steps):
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        damped = matrix + torch.diag_embed(damping[:, None] * (diagonal + 1e-6))
        factor, _ = torch.linalg.cholesky_ex(damped)
        step = -torch.cholesky_solve(gradient[..., None], factor)[..., 0]
        trial = hand.moved(step)
        new = residuals(trial, view)
        better = new[0] < cost
        def pick(a, b): return torch.where(better.view(-1, *[1] * (a.ndim - 1)), a, b)
        hand = PosedHand(*(pick(getattr(trial, n), getattr(hand, n)) for n in ("angles", "betas", "rotation", "translation")))
        cost, gradient, matrix = (pick(a, b) for a, b in zip(new, (cost, gradient, matrix)))
        damping = torch.where(better, damping * 0.3, damping * 6).clamp(1e-6, 1e6)
    return hand, cost
