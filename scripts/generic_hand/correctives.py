"""Pose-dependent corrections: what linear blend skinning should have done, as MANO's linear blend shapes.

Plain skinning loses volume at a bent joint and folds the skin on its inner side. Delta mush (Mancewicz et al.
2014) repairs both: it smooths the posed surface and puts the details, turned with the skin, back on. Its
displacements, taken back to the rest pose, are fitted for each joint as a linear function of the joint's
rotation matrix minus the identity, which is the form of MANO's ``posedirs``.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .remesh import boundary_loop
from .rig import HandRig
from .surface import neighbour_mean

SMOOTHING_ROUNDS = 6
SAMPLES_PER_JOINT = 60
RIDGE = 0.02
"""Per sample: keeps corrections small where the samples' rotations say little about a direction."""


def fit_pose_correctives(
    rig: HandRig, parents: tuple[int, ...], ranges_deg: np.ndarray, seed: int = 0
) -> np.ndarray:
    """The corrective blend shapes.

    Args:
        rig: the hand in its rest pose.
        parents: the parents of the 16 joints.
        ranges_deg: (15, 3, 2) lowest and highest axis-angle components of the finger joints.
        seed: what rotations are sampled with.

    Returns:
        (N, 3, 135) metres per unit of rotation minus identity.
    """
    rng = np.random.default_rng(seed)
    correctives = np.zeros((len(rig.vertices), 3, 15, 9))
    smooth = smoothing_matrix(rig.faces, len(rig.vertices))
    for joint, (low, high) in enumerate(ranges_deg.transpose(0, 2, 1), start=1):
        axis_angles = rng.uniform(low, high, (SAMPLES_PER_JOINT, 3))
        rotations = Rotation.from_rotvec(axis_angles, degrees=True).as_matrix()
        features = (rotations - np.eye(3)).reshape(-1, 9)
        moves_with = _descends_from(joint, parents)
        targets = np.array([_rest_offsets(rig, smooth, turn, joint, moves_with) for turn in rotations])
        normal = features.T @ features + RIDGE * SAMPLES_PER_JOINT * np.eye(9)
        solution = np.linalg.solve(normal, features.T @ targets.reshape(SAMPLES_PER_JOINT, -1))
        correctives[:, :, joint - 1] = solution.reshape(9, -1, 3).transpose(1, 2, 0)
    return correctives.reshape(len(rig.vertices), 3, -1)


def _rest_offsets(
    rig: HandRig, smooth: np.ndarray, rotation: np.ndarray, joint: int, moves_with: np.ndarray
) -> np.ndarray:
    """(N, 3) what to add to the rest vertices so that skinning, with one joint turned, gives delta mush."""
    share = rig.weights[:, moves_with].sum(1)
    blend = np.eye(3) + share[:, None, None] * (rotation - np.eye(3))
    pivot = rig.joints[joint]
    turned = (rig.vertices - pivot) @ rotation.T + pivot
    skinned = rig.vertices + share[:, None] * (turned - rig.vertices)
    details = rig.vertices - smooth @ rig.vertices
    frames = _nearest_rotations(np.eye(3) + (smooth @ share)[:, None, None] * (rotation - np.eye(3)))
    mushed = smooth @ skinned + np.einsum("nij,nj->ni", frames, details)
    return np.linalg.solve(blend, (mushed - skinned)[..., None])[..., 0]


def smoothing_matrix(faces: np.ndarray, count: int) -> np.ndarray:
    """(N, N) repeated averaging along edges; the boundary stays."""
    once = 0.5 * np.eye(count) + 0.5 * neighbour_mean(np.eye(count), faces)
    boundary = boundary_loop(faces)
    once[boundary] = np.eye(count)[boundary]
    return np.linalg.matrix_power(once, SMOOTHING_ROUNDS)


def _nearest_rotations(matrices: np.ndarray) -> np.ndarray:
    """The rotations closest to (N, 3, 3) blends of rotations."""
    u, _, vt = np.linalg.svd(matrices)
    u[..., 2] *= np.linalg.det(u @ vt)[:, None]
    return u @ vt


def _descends_from(joint: int, parents: tuple[int, ...]) -> np.ndarray:
    """The joint and all that hang on it."""
    chain = [joint]
    for other in range(joint + 1, len(parents)):
        if parents[other] in chain:
            chain.append(other)
    return np.array(chain)
