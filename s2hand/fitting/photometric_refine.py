"""Photometric refinement: shape and pose follow what the photo shows, not only where landmarks are.

Landmarks say how long fingers are, but hardly how thick. The project's renderer draws the hand; its
silhouette is compared with the pixels that have the hand's colours (:mod:`s2hand.fitting.hand_pixels`),
and its colours, those of one skin under an ambient and a directional light, with the photo's. Both are added
to the objective of :mod:`s2hand.fitting.landmark_residuals`, and Adam descends from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.fitting.hand_pixels import forearm_pixels, hand_pixels
from s2hand.fitting.landmark_refine import RefinedHands
from s2hand.fitting.landmark_residuals import LandmarkResiduals
from s2hand.fitting.photo_texture import appearance_from_photo
from s2hand.fitting.photo_window import photo_window
from s2hand.geometry.cameras import project_points
from s2hand.hand.assets import NUM_BETAS, NUM_POSE
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.mano import ManoLayer
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import HandLandmarks, view_hands
from s2hand.rendering import MeshRenderer
from s2hand.skeleton import FINGER_BASES
from s2hand.structures import TensorStruct

RASTER_PX = 128
WINDOW_MARGIN = 0.18
"""Free border about the hand, as a share of its larger side, where surrounding colours are counted."""

STEPS = 60
FIRST_RATE, LAST_RATE = 1.0, 0.05
"""Length of Adam's steps, in units of STEP_SIZES, falling along half a cosine."""

STEP_SIZES = (*(0.015,) * NUM_POSE, *(0.08,) * NUM_BETAS, *(0.008,) * 3, *(0.0006,) * 2, 0.003)
"""Radians of finger angles, shape coefficients, radians of rotation, and metres: about a pixel each."""

APPEARANCE_STEP = 0.02
"""Length of Adam's steps of the skin before tanh, and of the light."""

AREA_ERROR = 0.0005
"""Share of the silhouette's area whose difference costs as much as one landmark's expected error."""

COLOR_ERROR, COLOR_WEIGHT = 0.08, 4.0
"""Expected difference of colours in [0, 1] from one skin under two lights; what it costs on average."""


@dataclass(frozen=True)
class SeenHands(TensorStruct):
    """What the photos show of B hands, in windows of R x R pixels.

    Attributes:
        K: (B, 3, 3) px of the windows.
        rgb: (B, 3, R, R) in [0, 1]; 0 outside of the photo.
        likeness: (B, R, R) of :class:`~s2hand.fitting.hand_pixels.HandPixels`.
        weight: (B, R, R) likewise.
        reliability: (B,) likewise.
        area: (B,) px that the hands that came in cover.
        appearance: (B, 7) skin before tanh (3), ambient light (1), directional light (3), as they are first.
    """

    K: Tensor
    rgb: Tensor
    likeness: Tensor
    weight: Tensor
    reliability: Tensor
    area: Tensor
    appearance: Tensor


class PhotometricRefiner(nn.Module):
    """Refines hands to their photos. Hands do not touch each other.

    Args:
        chain: the points of the hand model that the detector's landmarks mean.
        layer: the hand, with all 45 directions of the pose basis.
        faces: (F, 3) vertex numbers of a right hand.
        steps: how many.
    """

    def __init__(self, chain: JointChain, layer: ManoLayer, faces: Tensor, steps: int = STEPS):
        super().__init__()
        self.residuals, self.layer, self.steps = LandmarkResiduals(chain), layer, steps
        settings = {"anti_aliasing": False, "fill_back": False, "background": (0, 0, 0)}
        self.renderer = MeshRenderer(faces, RASTER_PX, gradient="antialias", **settings)
        self.register_buffer("step_sizes", torch.tensor(STEP_SIZES), persistent=False)
        basis = torch.linalg.inv(layer.pose_basis.double()).to(layer.pose_basis)
        self.register_buffer("inverse_basis", basis, persistent=False)

    def forward(
        self, photos: Sequence[np.ndarray], K: Tensor, landmarks: HandLandmarks, start: PosedHand
    ) -> RefinedHands:
        """
        Args:
            photos: of right hands, or mirrored ones of left hands, (H, W, 3) uint8 RGB.
            K: (B, 3, 3) px of the photos.
            landmarks: as detected in them.
            start: the hands in the cameras' frames, refined to the landmarks.

        Returns:
            The refined hands; a hand that no step improves stays as it is.
        """
        with torch.no_grad():
            seen = self.look(photos, K, start)
        view = view_hands(landmarks)
        anchor = start.turned(view.rotation)
        step = torch.zeros(len(start.betas), len(self.step_sizes), device=K.device, requires_grad=True)
        appearance = seen.appearance.clone().requires_grad_()
        optimizer = torch.optim.Adam([{"params": [step]}, {"params": [appearance]}], betas=(0.8, 0.98))
        best, best_step = torch.full_like(seen.area, torch.inf), torch.zeros_like(step)
        first = None
        with torch.enable_grad():
            for number in range(self.steps + 1):
                moved = start.moved(step * self.step_sizes)
                of_landmarks = self.residuals(moved.turned(view.rotation), anchor, view)[0]
                objective = of_landmarks + self.difference(moved, appearance, seen)
                first = objective.detach() if first is None else first
                better = objective.detach() < best  # false for what is not finite
                best = torch.where(better, objective.detach(), best)
                best_step = torch.where(better[:, None], step.detach(), best_step)
                if number == self.steps:
                    break
                share = 0.5 + 0.5 * np.cos(np.pi * number / self.steps)
                rate = LAST_RATE + (FIRST_RATE - LAST_RATE) * share
                optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = rate, APPEARANCE_STEP
                optimizer.zero_grad()
                objective.sum().backward()
                optimizer.step()
        return RefinedHands(start.moved(best_step * self.step_sizes), best, first)

    def difference(self, hand: PosedHand, appearance: Tensor, seen: SeenHands) -> Tensor:
        """(B,) what the differences of silhouette and colours cost; 0 where colours tell no hand.

        Args:
            hand: (B,) in the cameras' frames.
            appearance: (B, 7), see :class:`SeenHands`.
            seen: the photos.
        """
        drawn = self._draw(hand, seen.K, appearance)
        apart = (seen.weight * (drawn.silhouette - seen.likeness).square()).sum((1, 2)) / seen.area
        shown = (drawn.silhouette.detach() > 0.99) * seen.likeness * seen.weight
        relative = ((drawn.rgb - seen.rgb) / COLOR_ERROR).square().mean(1)
        color = (shown * relative.log1p()).sum((1, 2)) / seen.area
        return seen.reliability * (apart / AREA_ERROR + COLOR_WEIGHT * color)

    def look(self, photos: Sequence[np.ndarray], K: Tensor, hand: PosedHand) -> SeenHands:
        """What the photos show about hands; arguments as of :meth:`forward`."""
        vertices = self._vertices(hand)
        projected = project_points(vertices, K).cpu().numpy()
        points = self.residuals.chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
        rows = []
        for number, photo in enumerate(photos):
            camera = K[number].double().cpu().numpy()
            window, pixels = photo_window(photo, projected[number], RASTER_PX, WINDOW_MARGIN)
            row_K = torch.from_numpy(window @ camera).to(K)
            keypoints = project_points(points[number][None], row_K[None])[0].cpu().numpy()
            plain = vertices.new_zeros(1, len(self.renderer.faces), 3)
            silhouette = self.renderer(vertices[number][None], row_K[None], plain).silhouette[0].cpu().numpy()
            forearm = forearm_pixels(keypoints, FINGER_BASES, RASTER_PX)
            told = hand_pixels(pixels, silhouette > 0.5, forearm)
            look = appearance_from_photo(
                photo, vertices[number].cpu(), self.renderer.faces.cpu().long(), K[number].cpu()
            )
            rows.append((row_K, pixels, told, silhouette.sum(), look))
        windows, pixels, told, areas, looks = zip(*rows, strict=True)

        def stacked(values) -> Tensor:
            return torch.from_numpy(np.stack(values)).to(K)

        return SeenHands(
            K=torch.stack(windows),
            rgb=stacked([np.nan_to_num(values).transpose(2, 0, 1) for values in pixels]),
            likeness=stacked([each.likeness for each in told]),
            weight=stacked([each.weight for each in told]),
            reliability=stacked([each.reliability for each in told]),
            area=stacked(areas).clamp(min=1),
            appearance=torch.stack([_first_appearance(look) for look in looks]).to(K),
        )

    def _vertices(self, hand: PosedHand) -> Tensor:
        """(B, V, 3) in the camera's frame."""
        offsets = hand.angles.flatten(1) - self.layer.pose_mean
        upright = torch.zeros_like(hand.translation)
        vertices = self.layer(offsets @ self.inverse_basis, hand.betas, upright).vertices
        return vertices @ hand.rotation.transpose(1, 2) + hand.translation[:, None]

    def _draw(self, hand: PosedHand, K: Tensor, appearance: Tensor):
        skin, ambient, directional = appearance.split([3, 1, 3], -1)
        ones = torch.ones_like(ambient)
        light = torch.cat([ambient, ones, ones.expand(-1, 6), directional], -1)
        textures = skin[:, None].expand(-1, len(self.renderer.faces), 3)
        return self.renderer(self._vertices(hand), K, textures, light)


def _first_appearance(look) -> Tensor:
    """(7,) the median skin and the light of a textured hand."""
    skin = look.face_textures.median(0).values
    return torch.cat([skin, look.light[:1], look.light[1] * look.light[8:11]])
