"""Things in and before synthetic hands: rounded boxes, cylinders and balls that hide parts of them.

Every scene has two, so that all scenes share one list of faces; one that is not there is shrunk to a point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.synthetic.backgrounds import natural_colour

RINGS, SEGMENTS = 9, 16
"""Size of the grid of latitudes and longitudes; each thing is a sphere of such a grid, deformed."""

OBJECTS_PER_SCENE = 2
"""One in the hand, one between hand and camera."""

ROUNDNESS = (0.25, 1.0)
"""Exponents of superquadrics (Barr 1981): 1 is an ellipsoid, 0 would be a box or a cylinder."""

HELD_RADII_M, HELD_LENGTHS_M = (0.008, 0.03), (0.02, 0.07)
"""Half axes of what is held, across and along: from a pencil to a cup."""

OCCLUDER_RADII_M = (0.006, 0.03)
OCCLUDER_GAP_M = (0.03, 0.12)
"""How far before the hand an occluder is."""

PALM_JOINTS = (0, 5, 9, 13, 17)
PATTERN_DEPTH = 0.25
"""How much darker or lighter stripes of an object are."""


@dataclass(frozen=True)
class SceneObject:
    """A thing, or the lack of one.

    Attributes:
        vertices: (RINGS * SEGMENTS, 3) metres, camera frame.
        albedo: (F, 3) RGB of its faces.
    """

    vertices: np.ndarray
    albedo: np.ndarray


def object_faces() -> np.ndarray:
    """(F, 3) faces of one object, wound outwards."""
    number = np.arange(RINGS * SEGMENTS).reshape(RINGS, SEGMENTS)
    a, b = number[:-1], np.roll(number[:-1], -1, 1)
    c, d = number[1:], np.roll(number[1:], -1, 1)
    return np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)


NUM_FACES = len(object_faces())


def no_object(place: np.ndarray) -> SceneObject:
    """A thing that is not there.

    Args:
        place: (3,) metres, where its point lies.
    """
    return SceneObject(np.tile(place, (RINGS * SEGMENTS, 1)), np.zeros((NUM_FACES, 3)))


def sample_held(random: np.random.Generator, joints: np.ndarray, palm: np.ndarray) -> SceneObject:
    """Draws a thing in a hand, lying across the palm.

    Args:
        random: source of randomness.
        joints: (21, 3) metres, camera frame.
        palm: (3,) unit vector out of the palm.
    """
    radii = np.array([random.uniform(*HELD_LENGTHS_M), *np.exp(random.uniform(*np.log(HELD_RADII_M), 2))])
    across = joints[5] - joints[17]
    fingers = np.cross(palm, across)
    axes = np.stack([across, fingers, np.cross(across, fingers)], -1)
    axes /= np.linalg.norm(axes, axis=0)
    turned = Rotation.from_rotvec(random.normal(0, 0.4, 3)).as_matrix() @ axes
    middle = joints[list(PALM_JOINTS)].mean(0) + 0.3 * (joints[9] - joints[0])
    return _thing(random, radii, turned, middle + palm * (0.012 + radii[2]))


def sample_occluder(random: np.random.Generator, vertices: np.ndarray) -> SceneObject:
    """Draws a thing between a hand, (V, 3) metres in the camera frame, and the camera."""
    radii = np.exp(random.uniform(*np.log(OCCLUDER_RADII_M), 3))
    hidden = vertices[random.integers(len(vertices))]
    towards_camera = -hidden / np.linalg.norm(hidden)
    gap = random.uniform(*OCCLUDER_GAP_M) + radii.max()
    turn = Rotation.random(rng=random).as_matrix()
    return _thing(random, radii, turn, hidden + gap * towards_camera)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) outward unit normals; 0 for faces without area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)


def _thing(
    random: np.random.Generator, radii: np.ndarray, axes: np.ndarray, middle: np.ndarray
) -> SceneObject:
    """A superquadric with half axes ``radii`` along the columns of ``axes``, striped in two colours."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, RINGS)[:, None]
    longitude = np.arange(SEGMENTS) * (2 * np.pi / SEGMENTS)
    north, east = random.uniform(*ROUNDNESS, 2)
    ring = _power(np.cos(latitude), north)
    unit = np.stack(
        [
            np.broadcast_to(_power(np.sin(latitude), north), (RINGS, SEGMENTS)),
            ring * _power(np.cos(longitude), east),
            ring * _power(np.sin(longitude), east),
        ],
        -1,
    ).reshape(-1, 3)
    stripes = np.sin(random.uniform(1, 6) * np.arange(NUM_FACES) / SEGMENTS + random.uniform(0, 6))
    albedo = natural_colour(random) * (1 + PATTERN_DEPTH * random.random() * stripes[:, None])
    return SceneObject(middle + (unit * radii) @ axes.T, np.clip(albedo, 0.02, 1))


def _power(value: np.ndarray, exponent: float) -> np.ndarray:
    """Signed power."""
    return np.sign(value) * np.abs(value) ** exponent
