"""From predicted parameters to a rig that animation programs play: skeleton, skin and poses.

A rig can only skin linearly, with four joints to a vertex, while the hand model also moves its vertices by
pose (MANO's pose correctives) and may blend more joints. So the bind mesh takes up the difference: it is the
mesh x that minimises, over all T frames,

    sum_t |A_t x + b_t - y_t|^2

for each vertex by itself, where A_t x + b_t is the linear skinning of frame t and y_t the hand model's own
vertex. For a photo (T = 1) the minimum is 0: the skinned mesh is the predicted one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.export.hand import GLTF_FLIP, to_gltf_frame
from s2hand.export.motion import HandMotion
from s2hand.export.rig import Rig, forward_kinematics
from s2hand.hand import HandModel
from s2hand.hand.joint_chain import THUMB_TO_LITTLE
from s2hand.prediction.smoothing import SMALLEST_SCALE
from s2hand.skeleton import FINGERTIPS, JOINT_NAMES, MANO_JOINT_NAMES

INFLUENCES = 4
"""Joints that may move a vertex: what glTF requires every program to support."""

FRAMES_AT_ONCE = 64
"""Bounds the working memory to some 20 MB."""

FLATTENED = 0.02
"""Where skinning shrinks a vertex's surroundings to less than this share in some direction, the vertex keeps
the hand model's own place in it: joints that share a vertex must differ by more than 177 degrees for that."""

MIRROR = np.diag((-1.0, 1.0, 1.0))
TO_GLTF = np.diag(GLTF_FLIP)
IDENTITY = np.eye(3)


@dataclass(frozen=True, eq=False)
class _Poses:
    """A hand of one size and shape over T frames, in glTF's frame, mirrored if it is a left one.

    Attributes:
        local: (T, 16, 3, 3) rotations; of the wrist in glTF's frame, of the others relative to their parents.
        positions: (T, 3) metres, the wrist's.
        joints: (16, 3) metres, bind pose.
        size: the hand's scale.
    """

    local: np.ndarray
    positions: np.ndarray
    joints: np.ndarray
    size: float


def rig_motion(motion: HandMotion, model: HandModel) -> Rig:
    """Rigs a hand.

    Shape and size of a hand do not change: over the frames of a video the mean is taken. Of its place the
    image shows translation / scale, which is kept, so that the hand stays where it is seen.

    Args:
        motion: the hand in the frames that show it, one for a photo.
        model: the hand model whose parameters these are.

    Returns:
        The rig; for a photo its skinned vertices are the predicted ones.
    """
    mirror = MIRROR if motion.hand == "left" else IDENTITY
    poses = _poses(motion, model, mirror)
    bones = poses.joints - poses.joints[np.maximum(model.parents, 0)]
    placed, turned = forward_kinematics(poses.positions, poses.local, bones, tuple(model.parents))
    influences = np.argsort(-model.lbs_weights, axis=1, kind="stable")[:, :INFLUENCES]
    weights = np.take_along_axis(model.lbs_weights, influences, 1)
    weights = weights / weights.sum(1, keepdims=True)
    vertices, error_m = _bind_vertices(motion, model, mirror, poses, (placed, turned), (influences, weights))
    return Rig(
        source=motion.source,
        hand=motion.hand,
        hand_model=Path(model.name).name,
        joint_names=MANO_JOINT_NAMES,
        parents=tuple(int(parent) for parent in model.parents),
        tip_names=tuple(JOINT_NAMES[tip] for tip in FINGERTIPS),
        tip_parents=THUMB_TO_LITTLE,
        bind_joints=poses.joints,
        bind_tips=_bind_tips(motion, poses, placed, turned),
        bind_vertices=vertices,
        influences=influences,
        weights=weights,
        faces=motion.faces,
        face_colors=motion.face_colors,
        times_s=motion.times_s,
        positions=poses.positions,
        rotations=_steady_signs(Rotation.from_matrix(poses.local.reshape(-1, 3, 3)).as_quat(), len(placed)),
        skinning_error_mm=1000 * error_m,
    )


def _poses(motion: HandMotion, model: HandModel, mirror: np.ndarray) -> _Poses:
    parameters = motion.parameters
    scale = _scales(motion)
    size = float(np.exp(np.log(scale).mean()))
    betas = parameters["betas"].mean(0)
    joints = size * (model.J_regressor @ (model.v_template + model.shapedirs @ betas))
    pose = parameters["pose_axis_angle"]
    local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(*pose.shape[:2], 3, 3)
    turn = Rotation.from_rotvec(parameters["rotation"]).as_matrix()
    positions = (size / scale)[:, None] * parameters["translation"] + turn @ joints[0]
    local[:, 0] = turn @ local[:, 0]
    local = mirror @ local @ mirror
    local[:, 0] = TO_GLTF @ local[:, 0]
    return _Poses(local, to_gltf_frame(positions @ mirror), joints @ mirror, size)


def _bind_vertices(
    motion: HandMotion,
    model: HandModel,
    mirror: np.ndarray,
    poses: _Poses,
    placed_turned: tuple[np.ndarray, np.ndarray],
    skin: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, float]:
    """The bind mesh (V, 3), and the root mean square distance that skinning leaves, both in metres."""
    influences, weights = skin
    betas = motion.parameters["betas"].mean(0)
    shaped = poses.size * (model.v_template + model.shapedirs @ betas) @ mirror
    normal, right_side, squares = np.zeros((len(shaped), 3, 3)), np.zeros_like(shaped), 0.0
    for frames in _chunks(len(poses.local)):
        placed, turned = (values[frames] for values in placed_turned)
        offsets = placed - (turned @ poses.joints[..., None])[..., 0]
        A = np.einsum("vk,tvkij->tvij", weights, turned[:, influences])
        b = np.einsum("vk,tvki->tvi", weights, offsets[:, influences])
        corrected = (
            shaped + _correctives(motion.parameters["pose_axis_angle"][frames], model, poses.size) @ mirror
        )
        own = np.einsum("vj,tjia,tva->tvi", model.lbs_weights, turned, corrected, optimize=True)
        own += np.einsum("vj,tji->tvi", model.lbs_weights, offsets)
        missing = own - b - np.einsum("tvij,vj->tvi", A, shaped)
        normal += np.einsum("tvij,tvik->vjk", A, A)
        right_side += np.einsum("tvij,tvi->vj", A, missing)
        squares += float(np.square(missing).sum())
    moved = (np.linalg.pinv(normal, rcond=FLATTENED**2, hermitian=True) @ right_side[..., None])[..., 0]
    left = max(squares - float((moved * right_side).sum()), 0.0)
    return shaped + moved, (left / (len(poses.local) * len(shaped))) ** 0.5


def _correctives(pose: np.ndarray, model: HandModel, size: float) -> np.ndarray:
    """(T, V, 3) metres: how the hand model moves the vertices of right hands by pose, before skinning."""
    turns = Rotation.from_rotvec(pose[:, 1:].reshape(-1, 3)).as_matrix() - IDENTITY
    return size * np.einsum("vic,tc->tvi", model.posedirs, turns.reshape(len(pose), -1), optimize=True)


def _bind_tips(motion: HandMotion, poses: _Poses, placed: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """(5, 3) metres: the fingertips as the joints that carry them see them, the mean over the frames."""
    ends = list(THUMB_TO_LITTLE)
    tips = to_gltf_frame(motion.joints[:, list(FINGERTIPS)]) * (poses.size / _scales(motion))[:, None, None]
    arms = turned[:, ends].swapaxes(-1, -2) @ (tips - placed[:, ends])[..., None]
    return poses.joints[ends] + arms[..., 0].mean(0)


def _scales(motion: HandMotion) -> np.ndarray:
    """(T,) sizes of the hand, none of which is 0."""
    return np.maximum(np.abs(motion.parameters["scale"]), SMALLEST_SCALE)


def _steady_signs(quaternions: np.ndarray, frames: int) -> np.ndarray:
    """(T, J, 4) quaternions of which each lies on the side of the one before, since q and -q are one turn."""
    quaternions = quaternions.reshape(frames, -1, 4)
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.where(flips < 0, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * signs[..., None]])


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + FRAMES_AT_ONCE) for start in range(0, count, FRAMES_AT_ONCE))
