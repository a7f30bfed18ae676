"""Motion for animation programs: Biovision's .bvh, a skeleton with one line of angles for each frame.

A .bvh has a constant frame rate and states no units: lengths here are metres, angles degrees, and the frame
is glTF's (x right, y up, z backward).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from s2hand.export.rig import Rig
from s2hand.files import write_text_whole

EULER_ORDER = "ZXY"
"""Order of the turns about a joint's own axes. The angle in the middle must stay below a right angle for the
others to be told apart: it is the twist about x, as fingers bend about z and hardly twist."""

STILL_FRAME_S = 1 / 30
"""Frame time of a photo, since some programs refuse 0."""

EVEN = 0.05
"""Frames are evenly spaced if none is off by more than this share of the interval."""


def even_interval(times_s: np.ndarray) -> float | None:
    """The interval of evenly spaced times (T,) in seconds; None where they are not, or are fewer than two."""
    if len(times_s) < 2:
        return None
    interval = float(times_s[-1] - times_s[0]) / (len(times_s) - 1)
    even = times_s[0] + interval * np.arange(len(times_s))
    return interval if np.abs(times_s - even).max() <= EVEN * interval else None


def write_bvh(path: str | Path, rig: Rig, frame_times_s: np.ndarray | None = None) -> tuple[float, bool]:
    """Writes one hand.

    The motion starts with the video and ends with the last frame that shows the hand. Where no frame shows
    it, the pose lies between those around; before the first one it is the first.

    Args:
        path: the file.
        rig: the hand.
        frame_times_s: times of all frames of the video, with the hand or without, counted from its first;
            None for those of the rig. Unless they are evenly spaced, the motion is resampled to their median
            interval.

    Returns:
        The frame time in seconds, and whether the motion was resampled.
    """
    times = np.asarray(rig.times_s if frame_times_s is None else frame_times_s, dtype=np.float64)
    interval, resampled = even_interval(times), False
    if interval is None:
        resampled = len(times) > 1
        interval = float(np.median(np.diff(times))) if resampled else STILL_FRAME_S
    if resampled:
        sampled = interval * np.arange(round(rig.times_s[-1] / interval) + 1)
    else:
        sampled = times[times <= rig.times_s[-1]]
    positions, rotations = rig.sampled(sampled)
    lines = ["HIERARCHY", *_joint_lines(rig, 0, 0), "MOTION", f"Frames: {len(sampled)}"]
    lines.append(f"Frame Time: {interval:.8f}")
    lines += [" ".join(f"{value:.6f}" for value in row) for row in _channels(rig, positions, rotations)]
    write_text_whole(Path(path), "\n".join(lines) + "\n")
    return interval, resampled


def _channels(rig: Rig, positions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """(N, 3 + 3 J) the numbers of each frame, joints in the order of :func:`_joint_lines`."""
    angles = np.stack(
        [
            np.unwrap(
                Rotation.from_quat(rotations[:, joint]).as_euler(EULER_ORDER, degrees=True),
                180,
                0,
                period=360,
            )
            for joint in _depth_first(rig, 0)
        ],
        1,
    )
    return np.concatenate([positions, angles.reshape(len(positions), -1)], 1)


def _depth_first(rig: Rig, joint: int) -> Iterator[int]:
    yield joint
    for child, parent in enumerate(rig.parents):
        if parent == joint:
            yield from _depth_first(rig, child)


def _joint_lines(rig: Rig, joint: int, depth: int) -> Iterator[str]:
    """The hierarchy from a joint on."""
    indent = "  " * depth
    rotations = " ".join(f"{axis}rotation" for axis in EULER_ORDER)
    yield f"{indent}{'ROOT' if joint == 0 else 'JOINT'} {rig.joint_names[joint]}"
    yield f"{indent}{{"
    yield f"{indent}  {_offset(rig.bones[joint])}"
    if joint == 0:
        yield f"{indent}  CHANNELS 6 Xposition Yposition Zposition {rotations}"
    else:
        yield f"{indent}  CHANNELS 3 {rotations}"
    for child, parent in enumerate(rig.parents):
        if parent == joint:
            yield from _joint_lines(rig, child, depth + 1)
    if joint in rig.tip_parents:
        tip = rig.bind_tips[rig.tip_parents.index(joint)]
        yield f"{indent}  End Site"
        yield f"{indent}  {{"
        yield f"{indent}    {_offset(tip - rig.bind_joints[joint])}"
        yield f"{indent}  }}"
    yield f"{indent}}}"


def _offset(bone: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value:.7f}" for value in bone)
