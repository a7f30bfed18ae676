"""Landmarks of a hand as an upright camera that looks at its middle sees them.

A camera's position in its world, the place of a hand in the picture and the picture's turn about the line of
sight say nothing of the hand's pose. The *view* removes them: a virtual camera with the same centre looks at
the middle of the landmarks, and is rolled until the direction from the wrist to the finger bases points up.
What is answered in the view is turned back exactly, so turning the picture turns the answer.

Rays are x / z and y / z of a camera's frame (x right, y down, z forward). B is the number of hands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from s2hand.errors import S2HandError
from s2hand.skeleton import FINGER_BASES, FINGERS, NUM_JOINTS, WRIST
from s2hand.structures import TensorStruct

JOINT_LEVELS = (0, *(1, 2, 3, 4) * len(FINGERS))
"""How many bones lie between each joint and the wrist."""

FEWEST_PLACED = 8
"""With fewer keypoints a hand has more unknowns than these have coordinates that say anything."""

SMALLEST_SIZE = 1e-4
"""Rays: a hand's least root mean square extent, 0.2 px at the focal length of a large photo."""


@dataclass(frozen=True)
class HandLandmarks(TensorStruct):
    """What a detector finds of hands, free of pixels; of right hands, or of the mirror images of left ones.

    Attributes:
        rays: (B, 21, 2) x / z and y / z in the camera's frame.
        confidence: (B, 21) in [0, 1]; a joint of confidence 0 was not found.
        depths: (B, 21) relative depth in the unit of the rays (pixels over the focal length), larger is
            farther, up to a constant of each hand; NaN in the hands that have none. None: no hand has any.
        world: (B, 21, 3) metres, up to a translation, in a frame that looks at the hand as the picture does
            (x right, y down, z away); NaN in the hands that have none. None: no hand has any.
    """

    rays: Tensor
    confidence: Tensor
    depths: Tensor | None = None
    world: Tensor | None = None

    def __post_init__(self):
        batch = len(self.rays)
        shapes = {
            "rays": (batch, NUM_JOINTS, 2),
            "confidence": (batch, NUM_JOINTS),
            "depths": (batch, NUM_JOINTS),
            "world": (batch, NUM_JOINTS, 3),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise S2HandError(f"landmarks: {name} has shape {tuple(value.shape)}, expected {shape}")

    @property
    def whole(self) -> Tensor:
        """(B,) bool: all joints were found, and with them depths and world landmarks."""
        whole = (self.confidence > 0).all(1)
        for values in (self.depths, self.world):
            known = torch.zeros_like(whole) if values is None else values.flatten(1).isfinite().all(1)
            whole = whole & known
        return whole

    @classmethod
    def from_pixels(
        cls,
        keypoints_2d: Tensor,
        K: Tensor,
        confidence: Tensor | None = None,
        depths_px: Tensor | None = None,
        world: Tensor | None = None,
    ) -> HandLandmarks:
        """Takes the camera away from a detector's landmarks.

        Args:
            keypoints_2d: (B, 21, 2) px.
            K: (B, 3, 3) px.
            confidence: (B, 21); None: all certain.
            depths_px: (B, 21) relative depths in pixels, larger is farther, or None.
            world: (B, 21, 3) metres, or None.

        Returns:
            The landmarks.
        """
        focal = torch.diagonal(K[:, :2, :2], dim1=1, dim2=2)
        rays = (keypoints_2d - K[:, None, :2, 2]) / focal[:, None]
        return cls(
            rays=rays,
            confidence=torch.ones_like(rays[..., 0]) if confidence is None else confidence,
            depths=None if depths_px is None else depths_px / focal.mean(-1, keepdim=True),
            world=world,
        )

    def placed(
        self, keypoints_2d: Tensor, confidence: Tensor, K: Tensor, *, keep_depths: bool = True
    ) -> HandLandmarks:
        """Takes rays and confidences from other keypoints, in hands of which enough are known.

        Args:
            keypoints_2d: (B, 21, 2) px.
            confidence: (B, 21); 0 where missed.
            K: (B, 3, 3) px.
            keep_depths: whether these hands keep their depths and world landmarks.
        """
        other = HandLandmarks.from_pixels(keypoints_2d, K, confidence)
        enough = (confidence > 0).sum(1) >= FEWEST_PLACED
        depths, world = self.depths, self.world
        if not keep_depths:
            depths = None if depths is None else depths.masked_fill(enough[:, None], torch.nan)
            world = None if world is None else world.masked_fill(enough[:, None, None], torch.nan)
        return HandLandmarks(
            rays=torch.where(enough[:, None, None], other.rays, self.rays),
            confidence=torch.where(enough[:, None], confidence, self.confidence),
            depths=depths,
            world=world,
        )

    def mirrored(self, which: Tensor) -> HandLandmarks:
        """Mirrors the chosen hands in the plane x = 0 of the camera's frame, (B,) bool.

        Left hands become right ones and the other way round; done twice, nothing has changed.
        """
        sign = torch.where(which, -1.0, 1.0).to(self.rays)[:, None]
        world = self.world
        if world is not None:
            world = torch.cat([world[..., :1] * sign[..., None], world[..., 1:]], -1)
        rays = torch.stack([self.rays[..., 0] * sign, self.rays[..., 1]], -1)
        return replace(self, rays=rays, world=world)


@dataclass(frozen=True)
class HandView(TensorStruct):
    """Landmarks in their view.

    Attributes:
        rotation: (B, 3, 3) from the camera's frame to the view's.
        rays: (B, 21, 2) in the view's frame; 0 where not found.
        confidence: (B, 21).
        centre: (B, 2) mean of the rays that were found.
        size: (B,) root mean square distance of the rays from their mean.
        depths: (B, 21) less their mean, in units of ``size``; 0 where missing.
        has_depths: (B,) bool.
        world: (B, 21, 3) metres, less their mean, in the view's frame; 0 where missing.
        has_world: (B,) bool.
    """

    rotation: Tensor
    rays: Tensor
    confidence: Tensor
    centre: Tensor
    size: Tensor
    depths: Tensor
    has_depths: Tensor
    world: Tensor
    has_world: Tensor

    @property
    def plane(self) -> Tensor:
        """(B, 21, 2) rays less their mean, in units of ``size``; 0 where not found."""
        centred = (self.rays - self.centre[:, None]) / self.size[:, None, None]
        return centred * (self.confidence > 0)[..., None]


def view_hands(landmarks: HandLandmarks) -> HandView:
    """Turns landmarks into their views.

    Args:
        landmarks: of right hands.

    Returns:
        The views.

    Raises:
        S2HandError: A landmark that counts is not finite, or a hand has fewer than three.
    """
    found = landmarks.confidence > 0
    if not torch.isfinite(landmarks.rays[found]).all():
        raise S2HandError("landmarks: a keypoint of confidence above 0 is NaN or infinite; give it 0")
    if (found.sum(1) < 3).any():
        raise S2HandError(
            "landmarks: a hand has fewer than three keypoints of confidence above 0; leave it out"
        )
    directions = torch.nn.functional.pad(landmarks.rays, (0, 1), value=1.0)
    directions = torch.where(found[..., None], directions, 0)
    middle = _mean(directions[..., :2], found)
    towards = rotation_towards(middle)
    seen = directions @ towards.transpose(1, 2)
    # A joint beside or behind the virtual camera cannot be of a hand before it; it is kept finite.
    rays = seen[..., :2] / torch.where(found, seen[..., 2], 1).clamp(min=0.1)[..., None]
    roll = _upright(rays, found, _mean(rays, found))
    rays = rays @ roll[:, :2, :2].transpose(1, 2)
    centre = _mean(rays, found)
    squared = ((rays - centre[:, None]).square().sum(-1) * found).sum(1) / found.sum(1)
    size = squared.sqrt().clamp(min=SMALLEST_SIZE)
    depths, has_depths = _centred(landmarks.depths, rays[..., 0])
    world, has_world = _centred(landmarks.world, seen)
    return HandView(
        rotation=roll @ towards,
        rays=rays,
        confidence=landmarks.confidence,
        centre=centre,
        size=size,
        depths=depths / size[:, None],
        has_depths=has_depths,
        # The picture sees a hand along the line to its middle, so only the roll turns world landmarks.
        world=world @ roll.transpose(1, 2),
        has_world=has_world,
    )


def rotation_towards(middle: Tensor) -> Tensor:
    """The shortest rotation that brings a ray to the optical axis.

    Args:
        middle: (B, 2) ray.

    Returns:
        (B, 3, 3) R with R (x, y, 1) along (0, 0, 1); a turn of the ray about the axis turns R with it.
    """
    direction = torch.nn.functional.normalize(torch.nn.functional.pad(middle, (0, 1), value=1.0), dim=-1)
    x, y, z = direction.unbind(-1)
    # Rodrigues' formula with axis (y, -x, 0) / sin and cos = z.
    share = 1 / (1 + z)
    return torch.stack(
        [1 - x * x * share, -x * y * share, -x, -x * y * share, 1 - y * y * share, -y, x, y, z], -1
    ).unflatten(-1, (3, 3))


def _upright(rays: Tensor, found: Tensor, middle: Tensor) -> Tensor:
    """(B, 3, 3) rotations about z that bring the direction from the wrist to the finger bases to -y."""
    bases = list(FINGER_BASES)
    known = found[:, WRIST, None] & found[:, bases]
    along = ((rays[:, bases] - rays[:, WRIST, None]) * known[..., None]).sum(1)
    # Without the wrist or the bases: towards the joints that are far along their fingers.
    level = torch.tensor(JOINT_LEVELS, dtype=rays.dtype, device=rays.device)
    outwards = ((rays - middle[:, None]) * (level * found)[..., None]).sum(1)
    along = torch.where(known.any(1)[:, None], along, outwards)
    length = torch.linalg.vector_norm(along, dim=-1, keepdim=True)
    tiny = torch.finfo(rays.dtype).tiny
    x, y = torch.where(length > tiny, along / length.clamp(min=tiny), along.new_tensor([0.0, -1.0])).unbind(
        -1
    )
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([-y, x, zero, -x, -y, zero, zero, zero, one], -1).unflatten(-1, (3, 3))


def _mean(values: Tensor, found: Tensor) -> Tensor:
    """(B, C) mean of values (B, 21, C) over the joints that were found."""
    return (values * found[..., None]).sum(1) / found.sum(1, keepdim=True)


def _centred(values: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """Values less their mean over joints, 0 in hands that lack them; and which hands have them, (B,)."""
    if values is None:
        return torch.zeros_like(like), torch.zeros(len(like), dtype=torch.bool, device=like.device)
    known = torch.isfinite(values).flatten(1).all(1)
    values = torch.where(known.view(-1, *[1] * (values.ndim - 1)), values, 0)
    return values - values.mean(1, keepdim=True), known
