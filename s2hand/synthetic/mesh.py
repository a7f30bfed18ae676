"""The drawn mesh: the hand, a forearm behind its open wrist, each triangle split in four for soft shading."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

FOREARM_LENGTH_M = 0.32
FOREARM_RINGS = 14
FOREARM_GROWTH = 1.45
"""Thickness of the elbow's end, relative to the wrist."""

CUFF_SWELL = 1.16
"""Radius of a sleeve, relative to the arm."""

STEEPEST_TOWARDS_CAMERA = -0.15
"""An arm that would come straight at the camera is bent aside to this z of its direction."""


def boundary_loop(faces: np.ndarray) -> np.ndarray:
    """The vertices around the mesh's one hole, in the order in which its faces run along it.

    Args:
        faces: (F, 3).

    Returns:
        (L,) vertex numbers; empty for a closed mesh.

    Raises:
        ValueError: there is more than one hole.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    present = {tuple(edge) for edge in edges}
    following = {a: b for a, b in present if (b, a) not in present}
    if not following:
        return np.zeros(0, np.int64)
    loop = [min(following)]
    while (after := following[loop[-1]]) != loop[0]:
        loop.append(after)
    if len(loop) != len(following):
        raise ValueError(
            f"the hand's mesh has {len(following)} border edges, {len(loop)} around its first hole"
        )
    return np.array(loop)


def split_triangles(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits each triangle in four at its edges' middles.

    Args:
        faces: (F, 3).

    Returns:
        (4 F, 3) faces, those of face f from 4 f on; and (E, 2) the ends of the edges in the middle of which
        the new vertices lie, numbered after the old ones.
    """
    edges = np.sort(np.stack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]], 1), -1)
    ends, number = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    ab, bc, ca = (faces.max() + 1 + number.reshape(-1, 3)).T
    a, b, c = faces.T
    quarters = [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]
    return np.array(quarters).transpose(2, 0, 1).reshape(-1, 3), ends


class ArmMesh:
    """Topology of hand and forearm; :meth:`vertices` and :meth:`normals` follow a posed hand.

    Attributes:
        faces: (F, 3) of the split mesh, hand first.
        num_hand_faces: faces that belong to the hand.
        ring: (F,) for forearm faces how far along the arm, 0 wrist to 1 elbow; -1 for the hand's.
    """

    def __init__(self, hand_faces: np.ndarray, num_vertices: int):
        self.num_vertices = num_vertices
        self.loop = boundary_loop(hand_faces)
        coarse = np.concatenate([hand_faces, self._forearm_faces()])
        self.coarse_faces = coarse
        self.faces, self.edge_ends = split_triangles(coarse)
        self.num_hand_faces = 4 * len(hand_faces)
        rings = np.full(len(coarse), -1.0)
        rings[len(hand_faces) :] = np.repeat(np.arange(FOREARM_RINGS) / FOREARM_RINGS, 2 * len(self.loop))[
            : len(coarse) - len(hand_faces)
        ]
        self.ring = np.repeat(rings, 4)

    def _forearm_faces(self) -> np.ndarray:
        """Two triangles between neighbours of each ring and the next, wound like the hand's."""
        length = len(self.loop)
        if not length:
            return np.zeros((0, 3), np.int64)
        rings = [self.loop, *(self.num_vertices + np.arange(FOREARM_RINGS * length).reshape(-1, length))]
        faces = []
        for near, far in pairwise(rings):
            here, there = (near, np.roll(near, -1)), (far, np.roll(far, -1))
            # The hand runs along the loop from near to its successor; the arm runs back.
            faces += [np.stack([here[1], here[0], there[0]], -1), np.stack([here[1], there[0], there[1]], -1)]
        return np.concatenate(faces)

    def vertices(self, hand: np.ndarray, fingers: np.ndarray, cuff: float) -> np.ndarray:
        """Adds the forearm and the edges' middles.

        Args:
            hand: (778, 3) metres, camera frame.
            fingers: (3,) unit vector from the wrist to the fingers, about which the arm continues.
            cuff: 0..1 along the arm where a sleeve begins; 1 for none.

        Returns:
            (V, 3) vertices of the split mesh.
        """
        coarse = np.concatenate([hand, self._forearm(hand, fingers, cuff)])
        return self._with_middles(coarse)

    def _forearm(self, hand: np.ndarray, fingers: np.ndarray, cuff: float) -> np.ndarray:
        if not len(self.loop):
            return np.zeros((0, 3))
        rim = hand[self.loop]
        direction = _bent_aside(-fingers)
        # The rim is not flat: its points keep their distance along the arm and even out ring by ring.
        spokes = rim - rim.mean(0)
        along = spokes @ direction
        across = spokes - along[:, None] * direction
        rings = []
        for number in range(1, FOREARM_RINGS + 1):
            share = number / FOREARM_RINGS
            radius = 1 + (FOREARM_GROWTH - 1) * min(1.0, 2 * share)
            radius *= CUFF_SWELL if share > cuff else 1
            offset = FOREARM_LENGTH_M * share + along * (1 - share) ** 2
            rings.append(rim.mean(0) + offset[:, None] * direction + radius * across)
        return np.concatenate(rings)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Outward unit normals of the split mesh's vertices, smooth across triangles.

        Args:
            vertices: (V, 3) from :meth:`vertices`.

        Returns:
            (V, 3).
        """
        num_coarse = len(vertices) - len(self.edge_ends)
        a, b, c = vertices[self.coarse_faces.T]
        area_normals = np.cross(b - a, c - a)
        sums = np.stack(
            [
                np.bincount(self.coarse_faces.ravel(), np.repeat(component, 3), minlength=num_coarse)
                for component in area_normals.T
            ],
            -1,
        )
        normals = self._with_middles(sums / np.maximum(np.linalg.norm(sums, axis=-1, keepdims=True), 1e-12))
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)

    def _with_middles(self, coarse: np.ndarray) -> np.ndarray:
        return np.concatenate([coarse, coarse[self.edge_ends].mean(1)])


def _bent_aside(direction: np.ndarray) -> np.ndarray:
    """Turns a direction that points steeply at the camera to the side; (3,) unit vector."""
    if direction[2] >= STEEPEST_TOWARDS_CAMERA:
        return direction
    aside = direction[:2] if np.linalg.norm(direction[:2]) > 0.1 else np.array([0.0, 1.0])
    aside = aside / np.linalg.norm(aside) * np.sqrt(1 - STEEPEST_TOWARDS_CAMERA**2)
    return np.array([*aside, STEEPEST_TOWARDS_CAMERA])
