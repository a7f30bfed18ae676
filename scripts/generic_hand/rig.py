"""Fits the file's rig to MANO's: frame, scale, proportions, 16 joints, weights and the joint regressor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.optimize

from .glb import RiggedMesh
from .surface import closest_points

MANO_WRIST = np.array([0.0957, 0.0064, 0.0062])
"""Metres, where MANO's rest hand has its wrist."""

HAND_SCALE = 0.92
PROXIMAL_STRETCH = 0.74

FINGER_NAMES = ("index-finger", "middle-finger", "pinky-finger", "ring-finger")
"""In MANO's order; the thumb follows."""

SEGMENTS = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal")
THUMB_SEGMENTS = ("thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal")
MANO_JOINT_NAMES = (
    "wrist",
    *(f"{finger}-{segment}" for finger in FINGER_NAMES for segment in SEGMENTS),
    *THUMB_SEGMENTS,
)
TIP_NAMES = (*(f"{finger}-tip" for finger in FINGER_NAMES), "thumb-tip")


def place_like_mano(mesh: RiggedMesh) -> RiggedMesh:
    """Turns the hand so that the middle finger lies along -x, flat, with MANO's wrist position and size."""
    start, end = (mesh.joints[mesh.joint_names.index(f"middle-finger-{s}")] for s in ("metacarpal", "tip"))
    forward = (start - end) / np.linalg.norm(start - end)
    side = np.cross(forward, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    turn = np.stack([forward, np.cross(side, forward), side])
    wrist = mesh.joints[mesh.joint_names.index("wrist")]

    def placed(points):
        return HAND_SCALE * (points - wrist) @ turn.T + MANO_WRIST

    return replace(mesh, vertices=placed(mesh.vertices), joints=placed(mesh.joints))


def shorten_fingers(mesh: RiggedMesh) -> RiggedMesh:
    """Shortens the four proximal phalanges to MANO's proportions, which count the knuckle farther out."""
    vertices, joints = mesh.vertices.copy(), mesh.joints.copy()
    for finger in FINGER_NAMES:
        chain = [mesh.joint_names.index(f"{finger}-{s}") for s in SEGMENTS]
        tip = mesh.joint_names.index(f"{finger}-tip")
        start, end = mesh.joints[chain[0]], mesh.joints[chain[1]]
        length = np.linalg.norm(end - start)
        direction = (end - start) / length
        member = mesh.weights[:, [*chain, tip]].sum(1)
        along = np.clip((mesh.vertices - start) @ direction, 0, length)
        vertices += (PROXIMAL_STRETCH - 1) * (member * along)[:, None] * direction
        joints[[*chain[1:], tip]] += (PROXIMAL_STRETCH - 1) * length * direction
    return replace(mesh, vertices=vertices, joints=joints)


def mano_joints(mesh: RiggedMesh) -> np.ndarray:
    """(16, 3) positions in MANO's order."""
    return mesh.joints[[mesh.joint_names.index(name) for name in MANO_JOINT_NAMES]]


def mano_weights(mesh: RiggedMesh) -> np.ndarray:
    """(N, 16) weights: the file's metacarpals of the four fingers move with the wrist, tips with the last bone."""
    weights = np.zeros((len(mesh.vertices), len(MANO_JOINT_NAMES)))
    for column, name in zip(mesh.weights.T, mesh.joint_names, strict=True):
        target = name.replace("finger-tip", "finger-phalanx-distal").replace("thumb-tip", THUMB_SEGMENTS[-1])
        joint = MANO_JOINT_NAMES.index(target) if target in MANO_JOINT_NAMES else 0
        weights[:, joint] += column
    return weights


def transfer_weights(
    points: np.ndarray, faces: np.ndarray, source: RiggedMesh, source_weights: np.ndarray, smoothing_rounds: int
) -> np.ndarray:
    """Carries weights from the source's surface to a new mesh and smooths them along its edges."""
    _, face, barycentric = closest_points(points, source.vertices, source.faces)
    weights = np.einsum("pk,pkj->pj", barycentric, source_weights[source.faces[face]])
    for _ in range(smoothing_rounds):
        weights = 0.5 * weights + 0.5 * neighbour_mean(weights, faces)
    return weights / weights.sum(1, keepdims=True)


def neighbour_mean(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The mean of each vertex's neighbours."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    total, count = np.zeros_like(values), np.zeros(len(values))
    np.add.at(total, edges[:, 0], values[edges[:, 1]])
    np.add.at(count, edges[:, 0], 1)
    return total / count[:, None]


def fit_joint_regressor(
    vertices: np.ndarray, weights: np.ndarray, joints: np.ndarray, parents: tuple[int, ...]
) -> np.ndarray:
    """Non-negative weights of vertices around each joint that sum to one and reproduce its position.

    Among all that do, a small ridge prefers those that spread evenly over the ring of skin at the joint.

    Returns:
        (16, N), few entries per row.
    """
    regressor = np.zeros((len(joints), len(vertices)))
    for j, joint in enumerate(joints):
        distance = np.linalg.norm(vertices - joint, axis=1)
        bend = weights[:, j] * (weights[:, parents[j]] if parents[j] >= 0 else 1.0)
        near = np.argsort(distance - 0.01 * (bend > 0.05), kind="stable")[:32]
        scale = distance[near].mean()
        system = np.concatenate([(vertices[near] - joint).T / scale, np.ones((1, len(near)))]) * 1e3
        system = np.concatenate([system, np.eye(len(near))])
        target = np.zeros(len(system))
        target[3] = 1e3
        solution, _ = scipy.optimize.nnls(system, target)
        regressor[j, near] = solution / solution.sum()
    return regressor
