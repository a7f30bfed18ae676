"""What the sliders do to a hand: other shapes, poses, lights and textures, and the hand that follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from s2hand.geometry.cameras import project_points
from s2hand.geometry.mirror import mirror_points
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.structures import HandPrediction

SHAPE_SLIDERS, POSE_SLIDERS = 5, 6
"""How many coefficients of shape and pose can be moved: the first ones, which change most."""

PHOTO, EVEN, COLOR, PARTS = "From the photo", "Even skin", "One colour", "Parts of the hand"
TEXTURES = (PHOTO, EVEN, COLOR, PARTS)
"""Textures that every hand can have."""

DEFAULT_COLOR = "#5b8dd6"

ALBEDO_RANGE = (0.02, 0.98)
"""Textures are stored before tanh, which reaches neither 0 nor 1 sensibly."""

WARMTH = (0.12, 0.0, -0.2)
"""RGB that is added to white light at full warmth, and taken away at full coolness."""


@dataclass(frozen=True)
class LightEdit:
    """A light as sliders show it.

    Attributes:
        ambient: intensity from all sides.
        lamp: intensity of the lamp.
        azimuth_deg: where the lamp stands: 0 at the camera, positive to the right.
        elevation_deg: positive above the camera.
        warmth: -1 is bluish, 1 yellowish.
    """

    ambient: float = 0.6
    lamp: float = 0.5
    azimuth_deg: float = 0.0
    elevation_deg: float = 0.0
    warmth: float = 0.0

    @classmethod
    def of(cls, light: Tensor) -> LightEdit:
        """What comes nearest to a light vector (11,)."""
        ambient, lamp = float(light[0]), float(light[1])
        x, y, z = (-light[8:11] / light[8:11].norm().clamp(min=1e-9)).tolist()  # towards the lamp
        return cls(ambient, lamp, math.degrees(math.atan2(x, -z)), math.degrees(math.asin(-y)))

    def vector(self) -> Tensor:
        """(11,), see :mod:`s2hand.rendering.lighting`."""
        azimuth, elevation = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        flat = math.cos(elevation)
        towards = (flat * math.sin(azimuth), -math.sin(elevation), -flat * math.cos(azimuth))
        color = [1 + self.warmth * part for part in WARMTH]
        return torch.tensor([self.ambient, self.lamp, *color, *color, *(-part for part in towards)])


@dataclass(frozen=True)
class HandEdit:
    """What is changed about one hand.

    Attributes:
        shape: added to the first shape coefficients.
        pose: added to the first pose coefficients.
        light: None: as reconstructed.
        texture: one of ``TEXTURES``, or the name of one that the page has seen.
        color: of ``COLOR``, as "#rrggbb".
    """

    shape: tuple[float, ...] = (0.0,) * SHAPE_SLIDERS
    pose: tuple[float, ...] = (0.0,) * POSE_SLIDERS
    light: LightEdit | None = None
    texture: str = PHOTO
    color: str = DEFAULT_COLOR


def edited(
    hands: Reconstruction,
    edits: Sequence[HandEdit],
    reconstructor: HandReconstructor,
    textures: Callable[[int, HandEdit], Tensor | None],
) -> Reconstruction:
    """The hands with all changes made; the wrist's place and turn in the photo stay.

    Args:
        hands: as reconstructed.
        edits: one for each hand.
        reconstructor: poses them again.
        textures: gives the (F, 3) texture before tanh of a hand; None: its own.
    """
    parameters = replace(
        hands.parameters,
        betas=_moved(hands.parameters.betas, [edit.shape for edit in edits]),
        hand_pose=_moved(hands.parameters.hand_pose, [edit.pose for edit in edits]),
    )
    answerer = reconstructor.answerer
    place = answerer.device
    placed = HandPrediction(**answerer.place_hand(parameters.to(place), hands.K.to(place))).to("cpu")
    left = torch.tensor([side == "left" for side in hands.hands])[:, None, None]
    vertices, joints = (
        torch.where(left, mirror_points(points), points) for points in (placed.vertices, placed.joints)
    )
    own = hands.face_textures
    chosen = [textures(index, edit) for index, edit in enumerate(edits)]
    lights = [hands.light[i] if edit.light is None else edit.light.vector() for i, edit in enumerate(edits)]
    return replace(
        hands,
        parameters=parameters,
        vertices=vertices,
        joints=joints,
        keypoints_2d=project_points(joints, hands.K),
        pose_axis_angle=placed.pose_axis_angle,
        lengths_mm=reconstructor.ruler.lengths_mm(parameters),
        face_textures=torch.stack([own[i] if new is None else new for i, new in enumerate(chosen)]),
        light=torch.stack(lights),
    )


def _moved(coefficients: Tensor, steps: Sequence[Sequence[float]]) -> Tensor:
    """Coefficients (B, n) with steps added to the first of each row."""
    moved = coefficients.clone()
    offsets = torch.tensor(np.array(steps)).to(moved)
    count = min(offsets.shape[1], moved.shape[1])
    moved[:, :count] += offsets[:, :count]
    return moved


def as_texture(colors: np.ndarray) -> Tensor:
    """Colours (F, 3), sRGB in [0, 1], as a texture before tanh."""
    return torch.from_numpy(np.clip(colors, *ALBEDO_RANGE)).float().atanh()


def parse_color(text: str) -> tuple[float, float, float]:
    """ "#rrggbb", or the "rgba(r, g, b, a)" that colour pickers send, as RGB in [0, 1].

    What is neither becomes the default colour.
    """
    text = text.strip()
    if text.startswith("#") and len(text) == 7:
        try:
            return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
        except ValueError:
            return parse_color(DEFAULT_COLOR)
    try:
        numbers = [float(part) for part in text[text.index("(") + 1 : text.index(")")].split(",")]
        red, green, blue = (min(max(value / 255, 0.0), 1.0) for value in numbers[:3])
        return red, green, blue
    except ValueError:
        return parse_color(DEFAULT_COLOR)
