"""Lifting: from a detector's landmarks to the pose, shape and rotation of a hand, without looking at pixels.

A small perceptron sees the landmarks in the hand's view (:mod:`s2hand.models.hand_view`): rays less their
mean, over their root mean square; relative depths in the same unit; world landmarks; confidences. It answers
in the view, and the answer is turned back to the camera's frame. So turning the picture about its middle, or
mirroring it, turns or mirrors the answer exactly. Translation is no output: least squares find it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from s2hand.errors import S2HandError
from s2hand.hand.assets import NUM_BETAS, NUM_POSE, HandModel, load_hand_model
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import HandLandmarks, HandView, view_hands
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.skeleton import NUM_JOINTS

WIDTH, NUM_BLOCKS = 512, 3

NUM_FEATURES = NUM_JOINTS * (2 + 1 + 3 + 1) + 3
"""Rays, depths, world landmarks, confidences; the size, and whether depths and world landmarks are given."""

USUAL_LOG_SIZE, LOG_SIZE_SPREAD = -2.8, 0.45
"""Mean and deviation of log(size): hands of 4.5 cm root mean square at 0.3 to 1.2 m."""

SMALLEST_SPREAD = 1e-10
"""Rays squared: keeps the translation finite where all landmarks coincide."""

UNSEEN_SHARE = 0.15
"""Share of the hands whose image is withheld in training: keypoints may come without one."""

NEAREST_SHARE = 0.5
"""See :func:`solve_translation`. Lifted random hands, with gross errors among them, are at 0.67 to 1.16."""

NEAREST_M = 0.05
"""Metres: no hand that a camera sees whole is nearer; points that fit no rays could be put behind it."""

WORLD_UNIT_M = 0.04
"""Metres: world landmarks over it are of order 1."""


BUNDLED_WEIGHTS = Path(__file__).with_name("weights") / "lift.safetensors"
"""Trained as configs/Small/train.json says; the card beside it says how."""

RANDOM_HANDS_WEIGHTS = BUNDLED_WEIGHTS.with_name("random_lift.safetensors")
"""Where that began: trained on random hands alone, as configs/Lift/train.json says. Networks that are to
learn without 3D truth start from these weights."""


class LiftNet(nn.Module):
    """The perceptron: view in, joint rotations, shape and rotation of the hand in the view out.

    Args:
        width: number of features in the residual blocks.
        blocks: how many there are.
        image_channels: width of the image feature that it reads too; 0: it sees landmarks alone.
    """

    def __init__(self, width: int = WIDTH, blocks: int = NUM_BLOCKS, image_channels: int = 0):
        super().__init__()
        self.first = nn.Linear(NUM_FEATURES, width)
        self.image = None
        if image_channels:
            self.image = nn.Sequential(nn.LayerNorm(image_channels), nn.Linear(image_channels, width))
            # At first the image adds nothing: a network trained on landmarks alone goes on from there.
            nn.init.zeros_(self.image[1].weight)
            nn.init.zeros_(self.image[1].bias)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.last = nn.Linear(width, 6 + NUM_POSE + NUM_BETAS)
        nn.init.normal_(self.last.weight, std=1e-3)
        nn.init.zeros_(self.last.bias)
        with torch.no_grad():
            self.last.bias[:6] = torch.tensor([1.0, 0, 0, 0, 1.0, 0])

    def forward(self, features: Tensor, image: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """
        Args:
            features: (B, 150) of :func:`view_features`.
            image: (B, C) feature of the upright image; None, and rows of NaN: landmarks have to do.

        Returns:
            (B, 45) finger angles in radians, (B, 10) betas, (B, 3, 3) rotation in the view.
        """
        hidden = self.first(features)
        if self.image is not None and image is not None:
            known = torch.isfinite(image).all(-1, keepdim=True)
            if self.training:
                known = known & (torch.rand_like(image[:, :1]) >= UNSEEN_SHARE)
            hidden = hidden + self.image(torch.where(known, image, 0)) * known
        hidden = torch.relu(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        rotation, angles, betas = self.last(hidden).split([6, NUM_POSE, NUM_BETAS], -1)
        return angles, betas, rotation_from_6d(rotation)


class ResidualBlock(nn.Module):
    """x + W2 relu(W1 norm(x)); layer norms keep small batches and single hands alike."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.outer(torch.relu(self.inner(self.norm(hidden))))


class LandmarkLifter(nn.Module):
    """Hands from landmarks: the perceptron, its view, and the translation that fits the rays.

    Args:
        net: the perceptron.
        hand_model: of MANO's shape.
        fingertips: which vertices stand for the tips, a key of ``skeleton.FINGERTIP_VERTICES``.
    """

    def __init__(self, net: LiftNet, hand_model: HandModel, fingertips: str = "freihand"):
        super().__init__()
        self.net = net
        self.chain = mediapipe_chain(hand_model, fingertips)
        self.register_buffer(
            "mean_pose",
            torch.from_numpy(hand_model.hands_mean).to(torch.get_default_dtype()),
            persistent=False,
        )

    @classmethod
    def bundled(
        cls, hand_model: HandModel | None = None, path: str | Path = BUNDLED_WEIGHTS
    ) -> LandmarkLifter:
        """The trained lifter.

        Args:
            hand_model: None: the generic hand, on which it was trained.
            path: weights as the training script writes them.

        Returns:
            The lifter on the CPU, in float32, for evaluation.

        Raises:
            S2HandError: the file is missing or holds other weights.
        """
        net = LiftNet()
        try:
            net.load_state_dict(bundled_weights(path))
        except RuntimeError as error:
            line = " ".join(str(error).split())
            raise S2HandError(f"{path} holds no weights of the lifting network: {line}") from error
        return cls(net, hand_model or load_hand_model("generic")).eval()

    def forward(
        self, landmarks: HandLandmarks, left: Tensor | None = None, image: Tensor | None = None
    ) -> PosedHand:
        """Lifts hands.

        Args:
            landmarks: as the detector saw them.
            left: (B,) bool, left hands; they are mirrored. None: all are right ones.
            image: (B, C) features of upright images of right hands, or of left ones' mirror images; see
                :class:`LiftNet`.

        Returns:
            Right hands in the camera's frame; for left ones, the right hand in the mirrored camera's.

        Raises:
            S2HandError: landmarks that cannot be lifted, see :func:`view_hands`.
        """
        if left is not None:
            landmarks = landmarks.mirrored(left)
        view = view_hands(landmarks)
        return self.in_view(view, image).turned(view.rotation.transpose(1, 2))

    def in_view(self, view: HandView, image: Tensor | None = None) -> PosedHand:
        """Lifts hands seen in their views, (B,); the answer is in the views' frames."""
        angles, betas, rotation = self.net(view_features(view), image)
        angles = (angles + self.mean_pose).unflatten(-1, (-1, 3))
        points = self.chain(angles, betas, rotation)
        return PosedHand(angles, betas, rotation, solve_translation(points, view.rays, view.confidence))


def bundled_weights(path: str | Path = BUNDLED_WEIGHTS) -> dict[str, Tensor]:
    """The weights of a :class:`LiftNet` as the training script writes them, in float32.

    Raises:
        S2HandError: the file is missing or damaged.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise S2HandError(f"lifting weights {path} cannot be read ({error}); reinstall s2hand") from error
    return {name: value.float() for name, value in weights.items()}


def view_features(view: HandView) -> Tensor:
    """What the perceptron sees, (B, 150), all of order 1; what is missing is 0."""
    return torch.cat(
        [
            view.plane.flatten(1),
            view.depths,
            (view.world / WORLD_UNIT_M).flatten(1),
            view.confidence,
            (view.size.log()[:, None] - USUAL_LOG_SIZE) / LOG_SIZE_SPREAD,
            view.has_depths[:, None].to(view.size.dtype),
            view.has_world[:, None].to(view.size.dtype),
        ],
        -1,
    )


def solve_translation(points: Tensor, rays: Tensor, confidence: Tensor) -> Tensor:
    """The translation that puts points on rays, in weighted least squares.

    A point p on ray (u, v) fulfils t_x - u t_z = u p_z - p_x, and alike in y: equations linear in t. The less
    points resemble their rays, the nearer least squares put them, up to the camera itself; so they stay at
    least at ``NEAREST_SHARE`` of the distance from which they look as large as the rays.

    Args:
        points: (B, 21, 3) metres, before translation.
        rays: (B, 21, 2).
        confidence: (B, 21), at least two of each row above 0; its square is the weight.

    Returns:
        (B, 3) metres.
    """
    weight = confidence.square()
    weight = weight / weight.sum(1, keepdim=True)
    right_side = rays * points[..., 2:] - points[..., :2]  # (B, 21, 2)
    mean_rays, mean_right = ((weight[..., None] * value).sum(1) for value in (rays, right_side))
    # With t_x and t_y eliminated, one equation is left: t_z from the spread of both about their means.
    centred = rays - mean_rays[:, None]
    spread = (weight * centred.square().sum(-1)).sum(1)
    spread = spread.clamp(min=SMALLEST_SPREAD)
    depth = -(weight * (centred * right_side).sum(-1)).sum(1) / spread
    across = points[..., :2] - (weight[..., None] * points[..., :2]).sum(1, keepdim=True)
    as_large = ((weight * across.square().sum(-1)).sum(1) / spread).sqrt()
    # Detached, as the root's gradient is infinite where all points coincide.
    depth = torch.maximum(depth, NEAREST_SHARE * as_large.detach()).clamp(min=NEAREST_M)
    return torch.cat([mean_right + mean_rays * depth[:, None], depth[:, None]], -1)


def rotation_from_6d(columns: Tensor) -> Tensor:
    """Rotations from their first two columns by Gram-Schmidt (Zhou et al. 2019).

    Args:
        columns: (B, 6), any two that are not parallel.

    Returns:
        (B, 3, 3).
    """
    first = torch.nn.functional.normalize(columns[:, :3], dim=-1)
    along = (first * columns[:, 3:]).sum(-1, keepdim=True)
    second = torch.nn.functional.normalize(columns[:, 3:] - along * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)
