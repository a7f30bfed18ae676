"""What the 3D viewer shows, as plain data, and its form inside a page.

A scene is a photo or a video with its hands. Frames: the camera frame of the photo (x right, y down, z
forward, metres); pixels are those of the upright photo, whatever the resolution at which it is embedded.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from s2hand.pages.media import FRAME_PX, PHOTO_PX, EmbeddedImage, embed

STEPS = np.iinfo(np.uint16).max
"""A vertex is a whole number of steps along its mesh's box: 3 micrometres for a hand of 20 cm."""

ERROR_STEPS_PER_MM = 100
JOINT_DECIMALS = 5
"""Metres: a hundredth of a millimetre."""

LARGEST_VIDEO_FRAMES = 300
"""A video of more frames is thinned out: about 6 MB with the images."""


@dataclass(frozen=True)
class SceneHand:
    """What stays the same of a hand over the frames of a scene.

    Attributes:
        label: such as "Right hand".
        faces: (F, 3) vertex numbers, counter-clockwise from outside.
        colors: albedo, sRGB in [0, 1]: (V, 3) for vertices or (F, 3) for faces; None for a plain hand.
        light: (11,) predicted light (layout: :mod:`s2hand.rendering.lighting`), or None.
    """

    label: str
    faces: ArrayLike
    colors: ArrayLike | None = None
    light: ArrayLike | None = None


@dataclass(frozen=True)
class HandShape:
    """One hand in one frame; what is not known is None.

    Attributes:
        vertices: (V, 3) metres, camera frame.
        joints: (21, 3) metres, camera frame, FreiHAND order.
        confidence: (21,) in [0, 1].
        gt_vertices: (V, 3) ground truth.
        gt_joints: (21, 3) ground truth.
        vertex_errors_mm: (V,) distances to the ground truth, aligned or not, as the page's legend says.
        hand: which of the scene's hands it is.
    """

    vertices: ArrayLike | None = None
    joints: ArrayLike | None = None
    confidence: ArrayLike | None = None
    gt_vertices: ArrayLike | None = None
    gt_joints: ArrayLike | None = None
    vertex_errors_mm: ArrayLike | None = None
    hand: int = 0


@dataclass(frozen=True)
class SceneFrame:
    """A photo, or a frame of a video.

    Attributes:
        image: (H, W, 3) uint8 RGB at any resolution, or one that is embedded already.
        shapes: its hands.
    """

    image: np.ndarray | EmbeddedImage
    shapes: Sequence[HandShape] = ()


@dataclass(frozen=True)
class Scene:
    """A photo or a video with its hands.

    Attributes:
        name: the photo's or video's name.
        size: (width, height) px of the photo.
        K: (3, 3) camera matrix in pixels of the photo.
        hands: those that occur in it.
        frames: one for a photo, at least one for a video.
        fps: frames per second of a video.
    """

    name: str
    size: tuple[int, int]
    K: ArrayLike
    hands: Sequence[SceneHand]
    frames: Sequence[SceneFrame]
    fps: float | None = None


@dataclass
class Topologies:
    """The faces of a page's hands, each kept once: usually those of a right and of a left hand."""

    packed: list[str] = field(default_factory=list)

    def number(self, faces: ArrayLike) -> int:
        """The number under which the viewer finds some faces."""
        packed = _base64(np.asarray(faces, dtype="<u2"))
        if packed not in self.packed:
            self.packed.append(packed)
        return self.packed.index(packed)


def scene_json(scene: Scene, topologies: Topologies, photo_px: int = PHOTO_PX) -> str:
    """A scene as the viewer reads it.

    Args:
        scene: what to show.
        topologies: where the page keeps faces; new ones are added.
        photo_px: longest side to which photos are shrunk; a video's frames are at most ``FRAME_PX``.

    Raises:
        ValueError: there is no frame, or a number is not finite.
    """
    if not scene.frames:
        raise ValueError(f"{scene.name}: a scene needs at least one frame")
    K = np.asarray(scene.K, dtype=float)
    frames, fps = _thinned(scene)
    longest = photo_px if len(frames) == 1 else min(photo_px, FRAME_PX)
    try:
        content = {
            "name": scene.name,
            "width": scene.size[0],
            "height": scene.size[1],
            "K": [K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
            "fps": fps,
            "hands": [_hand(hand, topologies) for hand in scene.hands],
            "frames": [
                {"image": embed(frame.image, longest).uri, "hands": [_shape(shape) for shape in frame.shapes]}
                for frame in frames
            ],
        }
        return json.dumps(content, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{scene.name}: {error}") from error


def vertex_colors(face_colors: ArrayLike, faces: ArrayLike) -> np.ndarray:
    """Colours of vertices, each the mean of its faces' colours: a texture without visible facets.

    Args:
        face_colors: (F, 3).
        faces: (F, 3) vertex numbers.

    Returns:
        (V, 3).
    """
    corners = np.asarray(faces).ravel()
    count = np.bincount(corners)
    sums = [np.bincount(corners, np.repeat(channel, 3)) for channel in np.asarray(face_colors, float).T]
    return np.stack(sums, -1) / np.maximum(count, 1)[:, None]


def _thinned(scene: Scene) -> tuple[Sequence[SceneFrame], float | None]:
    """Every nth frame of a long video, and the rate at which these follow each other."""
    every = -(-len(scene.frames) // LARGEST_VIDEO_FRAMES)
    return scene.frames[::every], scene.fps and scene.fps / every


def _hand(hand: SceneHand, topologies: Topologies) -> dict:
    content = {"label": hand.label, "topology": topologies.number(hand.faces), "colors": None, "light": None}
    if hand.colors is not None:
        content["colors"] = _base64(np.rint(np.clip(hand.colors, 0, 1) * 255).astype(np.uint8))
    if hand.light is not None:
        light = np.asarray(hand.light, dtype=float)
        # Ambient and lamp with their intensities, and the direction towards the lamp.
        parts = (light[0] * light[2:5], light[1] * light[5:8], -light[8:11])
        content["light"] = np.round(np.concatenate(parts), 4).tolist()
    return content


def _shape(shape: HandShape) -> dict:
    content = {
        "hand": shape.hand,
        "prediction": _packed_points(shape.vertices),
        "truth": _packed_points(shape.gt_vertices),
        "joints": _rounded(shape.joints, JOINT_DECIMALS),
        "truthJoints": _rounded(shape.gt_joints, JOINT_DECIMALS),
        "confidence": _rounded(shape.confidence, 3),
    }
    if shape.vertex_errors_mm is not None:
        steps = np.clip(np.rint(np.asarray(shape.vertex_errors_mm) * ERROR_STEPS_PER_MM), 0, STEPS)
        content["error"] = _base64(steps.astype("<u2"))
    return content


def _packed_points(points: ArrayLike | None) -> dict | None:
    """Points as whole steps from their box's corner, 16 bits each."""
    if points is None:
        return None
    points = np.asarray(points, dtype=float)
    if not np.isfinite(points).all():
        raise ValueError("vertices must be finite numbers")
    low = points.min(0)
    step = np.maximum(np.ptp(points, 0), 1e-9) / STEPS
    steps = np.rint((points - low) / step).astype("<u2")
    return {"low": low.tolist(), "step": step.tolist(), "steps": _base64(steps)}


def _rounded(values: ArrayLike | None, decimals: int) -> list[float] | None:
    return None if values is None else np.round(np.asarray(values, dtype=float), decimals).ravel().tolist()


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
