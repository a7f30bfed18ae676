"""The hand's rig in MANO's layout: 16 joints, their weights on the skin, and the joint regressor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

from .glb import RiggedMesh
from .surface import closest_points, neighbour_mean

MANO_WRIST = np.array([0.0957, 0.0064, 0.0062])
"""Metres, where MANO's rest hand has its wrist."""

FINGERS = ("index-finger", "middle-finger", "pinky-finger", "ring-finger", "thumb")
"""In MANO's order; finger f owns joints 3f + 1 to 3f + 3."""

THUMB = FINGERS.index("thumb")
SEGMENTS = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal")
THUMB_SEGMENTS = ("metacarpal", "phalanx-proximal", "phalanx-distal")
JOINT_NAMES = (
    "wrist",
    *(f"{f}-{s}" for f in FINGERS for s in (THUMB_SEGMENTS if f == "thumb" else SEGMENTS)),
)

REGRESSOR_CANDIDATES = 32
REGRESSOR_STIFFNESS = 1e3
"""Weight of reproducing the joint, beside an even spread over the vertices."""


@dataclass(frozen=True)
class HandRig:
    """A skinned hand in MANO's axes and joint order; metres.

    Attributes:
        vertices: (N, 3).
        faces: (F, 3).
        weights: (N, 16), rows sum to one.
        joints: (16, 3).
        tips: (5, 3) inside the fingertips, in MANO's finger order.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    tips: np.ndarray

    def bone(self, finger: int, segment: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Start, unit direction and length of a finger's bone; the last bone ends at the tip."""
        start = self.joints[3 * finger + 1 + segment]
        end = self.tips[finger] if segment == 2 else self.joints[3 * finger + 2 + segment]
        length = np.linalg.norm(end - start)
        return start, (end - start) / length, float(length)

    def membership(self, finger: int, from_segment: int = 0) -> np.ndarray:
        """(N,) how much each vertex follows the finger's bones from ``from_segment`` outwards."""
        return self.weights[:, 3 * finger + 1 + from_segment : 3 * finger + 4].sum(1)


def rig_from_file(mesh: RiggedMesh, scale: float) -> HandRig:
    """Reduces the file's 25 joints to MANO's 16 and places the hand as MANO's lies.

    The metacarpals of the four fingers move with the wrist. The middle finger comes to lie along -x, the hand
    flat, its wrist at MANO's place.
    """
    position = dict(zip(mesh.joint_names, mesh.joints, strict=True))
    weights = np.zeros((len(mesh.vertices), len(JOINT_NAMES)))
    for column, name in zip(mesh.weights.T, mesh.joint_names, strict=True):
        last_bone = f"{name[: -len('-tip')]}-phalanx-distal"
        target = last_bone if name.endswith("-tip") else name
        weights[:, JOINT_NAMES.index(target) if target in JOINT_NAMES else 0] += column

    start, end = position["middle-finger-metacarpal"], position["middle-finger-tip"]
    x = (start - end) / np.linalg.norm(start - end)
    z = np.cross(x, [0.0, 1.0, 0.0])
    z /= np.linalg.norm(z)
    turn = np.stack([x, np.cross(z, x), z])

    def placed(points):
        return scale * (np.asarray(points) - position["wrist"]) @ turn.T + MANO_WRIST

    return HandRig(
        vertices=placed(mesh.vertices),
        faces=mesh.faces,
        weights=weights,
        joints=placed([position[name] for name in JOINT_NAMES]),
        tips=placed([position[f"{finger}-tip"] for finger in FINGERS]),
    )


def transfer(rig: HandRig, vertices: np.ndarray, faces: np.ndarray, smoothing_rounds: int) -> HandRig:
    """Carries the rig to a new mesh of the same surface, and smooths the weights along its edges."""
    _, face, barycentric = closest_points(vertices, rig.vertices, rig.faces)
    weights = np.einsum("pk,pkj->pj", barycentric, rig.weights[rig.faces[face]])
    for _ in range(smoothing_rounds):
        weights = 0.5 * weights + 0.5 * neighbour_mean(weights, faces)
    weights = np.where(weights < 1e-3, 0, weights)
    weights /= weights.sum(1, keepdims=True)
    return replace(rig, vertices=vertices, faces=faces, weights=weights)


def fit_joint_regressor(rig: HandRig, parents: tuple[int, ...]) -> np.ndarray:
    """Non-negative weights of vertices around each joint that sum to one and reproduce its position.

    Among all that do, a ridge prefers those that spread evenly over the ring of skin at the joint.

    Returns:
        (16, N), at most 32 entries per row.
    """
    regressor = np.zeros((len(rig.joints), len(rig.vertices)))
    for j, joint in enumerate(rig.joints):
        distance = np.linalg.norm(rig.vertices - joint, axis=1)
        on_bend = rig.weights[:, j] * (rig.weights[:, parents[j]] if parents[j] >= 0 else 1.0) > 0.05
        near = np.argsort(distance - 0.01 * on_bend, kind="stable")[:REGRESSOR_CANDIDATES]
        position = (rig.vertices[near] - joint).T / distance[near].mean()
        system = REGRESSOR_STIFFNESS * np.concatenate([position, np.ones((1, len(near)))])
        target = np.append(REGRESSOR_STIFFNESS * np.array([0, 0, 0, 1.0]), np.zeros(len(near)))
        solution, _ = scipy.optimize.nnls(np.concatenate([system, np.eye(len(near))]), target)
        regressor[j, near] = solution / solution.sum()
    return regressor
