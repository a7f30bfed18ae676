"""A hand as a skeleton with skin, as animation programs know it, and its poses over time.

Notation: T frames, J = 16 joints in MANO's order, V vertices. In the bind pose no joint is turned: the hand
lies in the hand model's own frame (of a right hand: fingers along -x, back of the hand along +y; a left one
is its mirror image, x to -x). A joint's transform maps a bind vertex x to R (x - bind joint) + position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from s2hand.export.hand import colors_or_bare


@dataclass(frozen=True, eq=False)
class Rig:
    """Skeleton, skin and motion of one hand; poses are in glTF's frame, lengths in metres.

    The hand keeps one size and one shape over all frames.

    Attributes:
        source: name of the photo or video.
        hand: "left" or "right".
        hand_model: whose skeleton and weights these are: "generic", or the name of a file.
        joint_names: names of the 16 joints.
        parents: number of each joint's parent, -1 for the wrist; parents come before their children.
        tip_names: names of the five fingertips.
        tip_parents: the joint that carries each fingertip.
        bind_joints: (16, 3) bind pose.
        bind_tips: (5, 3) bind pose.
        bind_vertices: (V, 3) bind pose.
        influences: (V, 4) the joints that move each vertex.
        weights: (V, 4) by how much; each row adds up to 1.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside.
        face_colors: (F, 3) albedo, sRGB in [0, 1], or None.
        times_s: (T,) seconds, rising.
        positions: (T, 3) the wrist's.
        rotations: (T, 16, 4) unit quaternions (x, y, z, w): of the wrist in glTF's frame, of the other joints
            relative to their parents.
        skinning_error_mm: root mean square distance of the skinned vertices from the hand model's own.
    """

    source: str
    hand: str
    hand_model: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    tip_names: tuple[str, ...]
    tip_parents: tuple[int, ...]
    bind_joints: np.ndarray
    bind_tips: np.ndarray
    bind_vertices: np.ndarray
    influences: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    face_colors: np.ndarray | None
    times_s: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    skinning_error_mm: float

    def colors(self) -> np.ndarray:
        """(F, 3) sRGB in [0, 1]: the albedo, or ``BARE_COLOR``."""
        return colors_or_bare(self.face_colors, len(self.faces))

    @property
    def bones(self) -> np.ndarray:
        """(16, 3) from each joint's parent to the joint in the bind pose; 0 for the wrist."""
        bones = self.bind_joints - self.bind_joints[np.maximum(self.parents, 0)]
        bones[0] = 0
        return bones

    def sampled(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses at other times: the shortest turn between frames, the nearest frame before and after them.

        Args:
            times_s: (N,) seconds.

        Returns:
            Positions (N, 3) and rotations (N, 16, 4).
        """
        if len(self.times_s) == 1:
            return self.positions.repeat(len(times_s), 0), self.rotations.repeat(len(times_s), 0)
        inside = np.clip(times_s, self.times_s[0], self.times_s[-1])
        positions = np.stack([np.interp(inside, self.times_s, axis) for axis in self.positions.T], -1)
        turns = [
            Slerp(self.times_s, Rotation.from_quat(joint))(inside).as_quat()
            for joint in self.rotations.swapaxes(0, 1)
        ]
        return positions, np.stack(turns, 1)


def forward_kinematics(
    positions: np.ndarray, rotations: np.ndarray, bones: np.ndarray, parents: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Propagates rotations along a skeleton.

    Args:
        positions: (T, 3) the root's.
        rotations: (T, J, 3, 3) relative to the parents.
        bones: (J, 3) from each joint's parent to the joint in the bind pose.
        parents: number of each joint's parent, -1 for the root; parents come before their children.

    Returns:
        (T, J, 3) positions and (T, J, 3, 3) rotations of all joints.
    """
    turned, placed = [rotations[:, 0]], [positions]
    for joint, parent in enumerate(parents[1:], 1):
        turned.append(turned[parent] @ rotations[:, joint])
        placed.append(placed[parent] + turned[parent] @ bones[joint])
    return np.stack(placed, 1), np.stack(turned, 1)
