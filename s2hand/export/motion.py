"""One hand over time: what animations and robots are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s2hand.export.hand import Hand


@dataclass(frozen=True, eq=False)
class HandMotion:
    """One hand in the T frames that show it; a photo is a motion of one frame.

    Attributes:
        source: name of the photo or video.
        hand: "left" or "right".
        frames: (T,) numbers of the frames, counted from 0.
        times_s: (T,) seconds since the first frame of the video, rising.
        joints: (T, 21, 3) metres, camera frame, FreiHAND order.
        parameters: those of :class:`~s2hand.export.Hand`, each with T in front.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside.
        face_colors: (F, 3) albedo, sRGB in [0, 1], or None.
        track: number of the hand in its video; None where hands are not followed.
    """

    source: str
    hand: str
    frames: np.ndarray
    times_s: np.ndarray
    joints: np.ndarray
    parameters: dict[str, np.ndarray]
    faces: np.ndarray
    face_colors: np.ndarray | None = None
    track: int | None = None

    @classmethod
    def of_photo(cls, hand: Hand) -> HandMotion:
        """The hand of a photo, as one frame at time 0."""
        return cls.of_frames([hand], [0], [0.0])

    @classmethod
    def of_frames(
        cls, hands: Sequence[Hand], frames: Sequence[int], times_s: Sequence[float], track: int | None = None
    ) -> HandMotion:
        """One hand seen in several frames.

        Args:
            hands: the same hand in each frame; texture and faces are those of the first.
            frames: the frames' numbers.
            times_s: seconds since the first frame of the video, rising.
            track: number of the hand in its video.
        """
        first = hands[0]
        return cls(
            source=first.image,
            hand=first.hand,
            frames=np.asarray(frames),
            times_s=np.asarray(times_s, dtype=np.float64),
            joints=np.stack([hand.joints for hand in hands]),
            parameters={
                name: np.stack([hand.parameters[name] for hand in hands]) for name in first.parameters
            },
            faces=first.faces,
            face_colors=first.face_colors,
            track=track,
        )
