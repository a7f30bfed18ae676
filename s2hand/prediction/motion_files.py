"""The files with the motion of a video's hands: animated skeletons, .bvh, joints for robots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from s2hand.export import Hand, HandMotion, write_bvh, write_robot_json, write_skinned_glb
from s2hand.fitting.photo_texture import appearance_from_photo
from s2hand.prediction.hand_files import HandFiles
from s2hand.prediction.options import ENDINGS, MOTION_FORMATS
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.rigging import rig_motion

NO_POINTS = np.zeros((0, 3))
"""In place of vertices, which follow from the parameters: a long video has many."""

Track = tuple[str, int]
"""A hand of a video: its side, and its number."""


@dataclass(frozen=True, eq=False)
class _Portrait:
    """The frame that shows a hand most clearly, to take its colours from.

    Attributes:
        clarity: mean confidence of its keypoints.
        pixels: (H, W, 3) uint8.
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        K: (3, 3) px.
    """

    clarity: float
    pixels: np.ndarray
    vertices: Tensor
    faces: Tensor
    K: Tensor

    def face_colors(self) -> np.ndarray:
        """(F, 3) albedo, sRGB in [0, 1]."""
        textures, _ = appearance_from_photo(self.pixels, self.vertices, self.faces, self.K)
        return textures.tanh().double().numpy()  # as the renderer takes them


@dataclass
class VideoMotions:
    """Gathers the hands of a video, frame by frame.

    Attributes:
        name: the video's.
        paints: whether hands take their colours from the frame that shows them most clearly, as those of
            photos do where the network answers no texture.
        times_s: seconds since the first frame, of all frames.
        hands: track -> the numbers of the frames that show this hand, and the hand in each.
    """

    name: str
    paints: bool = False
    times_s: list[float] = field(default_factory=list)
    hands: dict[Track, tuple[list[int], list[Hand]]] = field(default_factory=dict)
    portraits: dict[Track, _Portrait] = field(default_factory=dict)

    def add(
        self,
        number: int,
        time_s: float,
        pixels: np.ndarray,
        tracks: Sequence[Track],
        found: Reconstruction | None,
    ) -> None:
        """Adds a frame.

        Args:
            number: the frame's number, counted from 0.
            time_s: seconds since the first frame.
            pixels: (H, W, 3) uint8.
            tracks: which hand of the video each of its hands is.
            found: its hands; None where there are none.
        """
        self.times_s.append(time_s)
        for track, hand in zip(tracks, () if found is None else found, strict=True):
            frames, hands = self.hands.setdefault(track, ([], []))
            kept = {"image": self.name, "vertices": NO_POINTS}
            if hands:  # texture and faces are taken from the first frame
                kept |= {"faces": hands[0].faces, "face_colors": None}
            frames.append(number)
            hands.append(replace(hand, **kept))
        if self.paints and found is not None:
            self._look(pixels, tracks, found)

    def _look(self, pixels: np.ndarray, tracks: Sequence[Track], found: Reconstruction) -> None:
        """Keeps a frame for those of its hands that none has shown more clearly."""
        for row, track in enumerate(tracks):
            clarity = float(found.confidence[row].mean())
            if track not in self.portraits or clarity > self.portraits[track].clarity:
                self.portraits[track] = _Portrait(
                    clarity, pixels, found.vertices[row], found.faces(row), found.K[row]
                )

    def motions(self) -> list[HandMotion]:
        """The hands, in the order in which they appear."""
        motions = []
        for track, (frames, hands) in self.hands.items():
            if track in self.portraits:
                hands = [replace(hands[0], face_colors=self.portraits[track].face_colors()), *hands[1:]]
            times_s = [self.times_s[number] for number in frames]
            motions.append(HandMotion.of_frames(hands, frames, times_s, track[1]))
        return motions

    def write(self, files: HandFiles, stem: str) -> dict[str, Any]:
        """Writes the formats with motion that are asked for.

        Args:
            files: knows folder, versions, formats and hand model.
            stem: what the results are called.

        Returns:
            What the video's entry in the index says of them.
        """
        formats = [name for name in MOTION_FORMATS if name in files.options.formats]
        if not formats or not self.hands:
            return {}
        motions, entry = self.motions(), {}
        if "robot" in formats:
            entry["robot"] = f"{stem}.{ENDINGS['robot']}"
            write_robot_json(files.out / entry["robot"], motions, files.versions)
        if {"skinned", "bvh"} & set(formats):
            rigs = [rig_motion(motion, files.hand_model) for motion in motions]
        if "skinned" in formats:
            entry["skinned"] = f"{stem}.{ENDINGS['skinned']}"
            write_skinned_glb(files.out / entry["skinned"], rigs, unlit=files.options.unlit)
        if "bvh" in formats:
            names = [f"{stem}.bvh"] if len(rigs) == 1 else [f"{stem}.hand{i}.bvh" for i in range(len(rigs))]
            times = np.array(self.times_s)
            written = [write_bvh(files.out / name, rig, times) for name, rig in zip(names, rigs, strict=True)]
            interval, resampled = written[0]
            entry |= {"bvh": names, "bvh_frame_time_s": interval, "bvh_resampled": resampled}
        return entry
