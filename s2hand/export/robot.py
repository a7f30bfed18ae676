"""Joints for robots: the 21 joints of each hand in a frame fixed to its wrist, as retargeting takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.export.hand import CAMERA_FRAME
from s2hand.export.motion import HandMotion
from s2hand.files import write_text_whole
from s2hand.skeleton import JOINT_NAMES, WRIST

FORMAT = "s2hand-robot-1"

INDEX_BASE, MIDDLE_BASE = JOINT_NAMES.index("index_mcp"), JOINT_NAMES.index("middle_mcp")

WRIST_FRAME = (
    "origin: the wrist joint. x: from middle_mcp towards the wrist, within the plane of wrist, index_mcp and "
    "middle_mcp. z: in that plane, at right angles to x, on the side of index_mcp. y: z cross x, out of the "
    "back of a right hand and out of the palm of a left one. The axes are those of MANO's right hand at rest"
)

READING = (
    "joints are metres in the wrist frame; wrist_rotation @ joint + wrist_position is the same point in the "
    "camera frame"
)

DECIMALS = 7
"""A tenth of a micrometre."""


def wrist_frame(joints: np.ndarray) -> np.ndarray:
    """The axes of the frame that ``WRIST_FRAME`` defines.

    Args:
        joints: (..., 21, 3) metres, FreiHAND order, any frame.

    Returns:
        (..., 3, 3) rotations from the wrist frame to that of the joints: x, y and z are the columns.
    """
    x = joints[..., WRIST, :] - joints[..., MIDDLE_BASE, :]
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    side = joints[..., INDEX_BASE, :] - joints[..., MIDDLE_BASE, :]
    z = side - (side * x).sum(-1, keepdims=True) * x
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], -1)


def write_robot_json(
    path: str | Path, motions: Sequence[HandMotion], versions: Mapping[str, str] | None = None
) -> Path:
    """Writes the joints of hands, frame by frame.

    Args:
        path: the file.
        motions: the hands of one photo or video.
        versions: what made the prediction: name -> version or hash.
    """
    content = {
        "format": FORMAT,
        "source": motions[0].source if motions else "",
        "units": {"joints": "metres", "wrist_position": "metres", "time_s": "seconds"},
        "joint_names": JOINT_NAMES,
        "frames": {"joints": f"wrist: {WRIST_FRAME}", "wrist_position, wrist_rotation": CAMERA_FRAME},
        "reading": READING,
        "hands": [
            {"hand": motion.hand, "track": motion.track, "frames": _frames(motion)} for motion in motions
        ],
        "versions": dict(versions or {}),
    }
    path = Path(path)
    write_text_whole(path, json.dumps(content) + "\n")
    return path


def _frames(motion: HandMotion) -> list[dict[str, Any]]:
    rotations = wrist_frame(motion.joints)
    positions = motion.joints[:, WRIST]
    local = (motion.joints - positions[:, None]) @ rotations
    return [
        {
            "frame": int(number),
            "time_s": round(float(time_s), 6),
            "wrist_position": np.round(position, DECIMALS).tolist(),
            "wrist_rotation": np.round(rotation, DECIMALS).tolist(),
            "joints": np.round(joints, DECIMALS).tolist(),
        }
        for number, time_s, position, rotation, joints in zip(
            motion.frames, motion.times_s, positions, rotations, local, strict=True
        )
    ]
