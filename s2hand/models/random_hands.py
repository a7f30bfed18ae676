"""Random hands and what MediaPipe's landmark network would say of them: what the lifting network trains on.

No photo is needed. A hand takes a random pose, shape, rotation and distance; its landmarks are projected, and
go wrong as a real detector's do. ``scripts/fit_landmark_definition.py`` measures how large the errors are: it
fits hands to real photos and to random hands. Errors 1.4 to 2 times as large are drawn, as landmarks in the
image and world landmarks can share errors that no disagreement shows, and as those photos are clear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.wide_poses import sample_wide_poses
from s2hand.models.hand_view import HandLandmarks
from s2hand.skeleton import FINGERS, NUM_JOINTS
from s2hand.structures import TensorStruct

NEAREST_M, FARTHEST_M = 0.3, 1.2
"""Metres: range of the hands' distance, uniform in its logarithm."""

HAND_LENGTH_M = 0.18
"""Metres, to which the relative errors below refer."""

OFFSET_NOISE_M = 0.002
"""Metres per axis: how differently the landmarks lie beside the joints from one hand to another."""

DIFFICULTY_SPREAD = 0.45
"""How hard photos are varies (log-normal): all errors of a hand, 2D, depth and world, grow together."""

KEYPOINT_NOISE, JOINT_NOISE_SPREAD = 0.015, 0.35
"""Typical deviation of a landmark per axis in hand lengths; how it varies over joints (log-normal)."""

SHARED_BY_FINGER = 0.5
"""Share of a landmark's variance that the landmarks of its finger have in common."""

OUTLIER_SHARE, MISSING_HANDS, MISSING_JOINTS = 0.01, 0.1, 0.15
"""Share of joints found elsewhere in the hand; share of hands that miss joints, and of joints they miss."""

DEPTH_GAIN, DEPTH_GAIN_SPREAD = 0.42, 0.25
"""How much of the true relative depth a detector reports, and its log-normal spread over hands."""

DEPTH_NOISE = 0.07
"""Deviation of a reported depth in hand lengths."""

WORLD_SCALE, WORLD_SCALE_SPREAD = 1.08, 0.05
"""World landmarks are of a larger hand than the generic one; how much, with its log-normal spread."""

WORLD_SHAPE = 0.5
"""Share of a hand's own shape that its world landmarks show: they are drawn to one hand's."""

WORLD_TURN_RAD, WORLD_NOISE_M = 0.125, 0.002
"""Deviation of the world landmarks' rotation per axis, and of each coordinate on its own."""

WORLD_ANGLE_RAD = (0.045, 0.1, 0.22)
"""Deviation of twist, spread and bend of the joints as world landmarks have them."""

LACKS_DEPTHS, LACKS_WORLD, LACKS_BOTH = 0.08, 0.12, 0.15
"""Shares of hands for which only 2D and the other, or 2D alone is given."""

CERTAIN_HANDS = 0.3
"""Share of hands whose detector calls every landmark certain."""


@dataclass(frozen=True)
class RandomHands(TensorStruct):
    """Hands with the truth, in the camera's frame.

    Attributes:
        landmarks: what the detector says.
        angles: (B, 15, 3) radians.
        betas: (B, 10).
        rotation: (B, 3, 3).
        joints: (B, 21, 3) metres, camera frame.
    """

    landmarks: HandLandmarks
    angles: Tensor
    betas: Tensor
    rotation: Tensor
    joints: Tensor

    def __len__(self) -> int:
        """B."""
        return len(self.joints)

    @property
    def extent(self) -> str:
        """What a message says of their number."""
        return f"{len(self)} hands"


class RandomHandSource:
    """Draws batches of random hands.

    Args:
        seed: the same seed gives the same hands.
        image_chain: points that the detector's 2D landmarks mean.
        world_chain: points that its world landmarks mean.
    """

    def __init__(self, seed: int, image_chain: JointChain, world_chain: JointChain):
        self.image_chain, self.world_chain = image_chain, world_chain
        self.numpy = np.random.default_rng(seed)
        self.random = torch.Generator().manual_seed(seed)

    def draw(self, count: int) -> RandomHands:
        """Draws ``count`` hands with their landmarks."""
        angles = torch.from_numpy(sample_wide_poses(self.numpy, count)).float().unflatten(-1, (15, 3))
        betas = self._normal(count, 10)
        rotation = uniform_rotations(self._normal(count, 4))
        joints, points = self.image_chain.joints_and_points(angles, betas, rotation)
        # Detectors that say nothing of depth may mean the joints themselves, or anything between.
        lacks_depths, lacks_world = self._what_is_lacking(count)
        meaning = torch.where(lacks_depths & lacks_world, self._uniform(count), 1.0)[:, None, None]
        points = joints + meaning * (points - joints) + OFFSET_NOISE_M * self._normal(count, NUM_JOINTS, 3)
        place = torch.zeros(count, 1, 3)
        place[:, 0, 2] = (NEAREST_M * (FARTHEST_M / NEAREST_M) ** self._uniform(count)).float()
        place = place - joints.mean(1, keepdim=True)
        difficulty = (DIFFICULTY_SPREAD * self._normal(count, 1)).exp()
        rays, confidence, depths = self._look(points + place, difficulty)
        world = self._world(angles, betas, rotation, difficulty)
        depths[lacks_depths] = torch.nan
        world[lacks_world] = torch.nan
        landmarks = HandLandmarks(rays=rays, confidence=confidence, depths=depths, world=world)
        return RandomHands(landmarks, angles, betas, rotation, joints + place)

    def _look(self, points: Tensor, difficulty: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy rays, honest confidences and flattened depths of points in the camera's frame."""
        count = len(points)
        distance = points[..., 2].mean(1)
        length = (HAND_LENGTH_M / distance)[:, None]
        rays = points[..., :2] / points[..., 2:]
        varied = (JOINT_NOISE_SPREAD * self._normal(count, NUM_JOINTS)).exp()
        deviation = KEYPOINT_NOISE * difficulty * varied
        noise = self._by_finger(count, 2) * (deviation * length)[..., None]
        outliers = self._uniform(count, NUM_JOINTS) < OUTLIER_SHARE
        low, high = rays.amin(1, keepdim=True), rays.amax(1, keepdim=True)
        elsewhere = low + (high - low) * self._uniform(count, NUM_JOINTS, 2)
        confidence = self._confidence(torch.where(outliers, 3 * deviation, deviation))
        depth = (points[..., 2] - points[..., 2].mean(1, keepdim=True)) / distance[:, None]
        gain = DEPTH_GAIN * (DEPTH_GAIN_SPREAD * self._normal(count, 1)).exp()
        depth_noise = DEPTH_NOISE * length * difficulty
        # The reported depths of a tilted hand are flattened; noise comes on top of that.
        depths = gain * (depth + depth_noise * self._by_finger(count, 1)[..., 0])
        return torch.where(outliers[..., None], elsewhere, rays + noise), confidence, depths

    def _confidence(self, deviation: Tensor) -> Tensor:
        """1 for a perfect landmark, about a half for a typical one; blurred, and 0 where it is missing."""
        count = len(deviation)
        blurred = deviation * (0.3 * self._normal(count, NUM_JOINTS)).exp()
        confidence = 1 / (1 + blurred / KEYPOINT_NOISE * (0.5 * self._normal(count, 1)).exp())
        confidence = torch.where(self._uniform(count, 1) < CERTAIN_HANDS, 1.0, confidence)
        missing = (self._uniform(count, 1) < MISSING_HANDS) & (
            self._uniform(count, NUM_JOINTS) < MISSING_JOINTS
        )
        return torch.where(missing, 0.0, confidence)

    def _world(self, angles: Tensor, betas: Tensor, rotation: Tensor, difficulty: Tensor) -> Tensor:
        """World landmarks: of a similar pose of a more ordinary hand, turned a little."""
        count = len(angles)
        shared = self._by_finger(count, 3)[:, 1:].unflatten(1, (5, 4))
        order = [1, 2, 4, 3, 0]  # MANO's fingers among FreiHAND's
        error = shared[:, order, :3].flatten(1, 2) * torch.tensor(WORLD_ANGLE_RAD) * difficulty[..., None]
        turn = axis_angle_to_matrix(WORLD_TURN_RAD * difficulty * self._normal(count, 3))
        points = self.world_chain(angles + error, WORLD_SHAPE * betas, turn @ rotation)
        points = points + WORLD_NOISE_M * self._normal(count, NUM_JOINTS, 3)
        points = points - points.mean(1, keepdim=True)
        return points * WORLD_SCALE * (WORLD_SCALE_SPREAD * self._normal(count, 1, 1)).exp()

    def _what_is_lacking(self, count: int) -> tuple[Tensor, Tensor]:
        """Which hands come without depths, and which without world landmarks, each (B,) bool."""
        drawn = self._uniform(count)
        both = drawn < LACKS_BOTH
        depths = both | (drawn > 1 - LACKS_DEPTHS)
        world = both | ((drawn > LACKS_BOTH) & (drawn < LACKS_BOTH + LACKS_WORLD))
        return depths, world

    def _by_finger(self, count: int, components: int) -> Tensor:
        """(B, 21, components) of deviation 1, correlated within fingers."""
        own = self._normal(count, NUM_JOINTS, components)
        finger = torch.empty(NUM_JOINTS, dtype=torch.long)
        finger[0] = 0
        for number, chain in enumerate(FINGERS.values(), 1):
            finger[list(chain)] = number
        shared = self._normal(count, len(FINGERS) + 1, components)[:, finger]
        return math.sqrt(1 - SHARED_BY_FINGER) * own + math.sqrt(SHARED_BY_FINGER) * shared

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.random)


def uniform_rotations(normal: Tensor) -> Tensor:
    """(B, 3, 3) rotations, uniform if the entries of (B, 4) are normal: a random unit quaternion's."""
    w, x, y, z = torch.nn.functional.normalize(normal, dim=-1).unbind(-1)
    return torch.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        -1,
    ).unflatten(-1, (3, 3))
