"""Hands through a video: each frame's squares follow from the last frame's landmarks.

Looking for palms costs as much as reading a hand, and finds nothing where a palm is turned away. So a hand is
followed from frame to frame, and palms are looked for only while fewer hands are followed than were seen,
when one was lost, and every few frames for newcomers. After a cut to another scene hands are looked for anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from s2hand.detection.mediapipe.confidence import confidence_of_one_look
from s2hand.detection.mediapipe.detector import HandDetector, require_photos
from s2hand.detection.mediapipe.looks import PLAIN_LOOK
from s2hand.detection.mediapipe.records import (
    DetectedHand,
    HandReadings,
    hand_sizes,
    same_hands,
    without_repetitions,
)
from s2hand.detection.mediapipe.searches import PRESENCE_THRESHOLD
from s2hand.detection.mediapipe.squares import squares_of_landmarks

FRAMES_BETWEEN_SEARCHES = 10
"""Palms are looked for in every tenth frame at the latest: a third of a second in most videos."""

FRAMES_WITHOUT_HANDS = 3
"""While no hand is followed, palms are looked for in every third frame."""

CUT_THUMBNAIL_PX = 32
CUT_DIFFERENCE = 15.0
"""Two frames are of different scenes if their thumbnails of this size differ by this much of 255 on average.
Of photos drawn at random, one and the next differ by 16 and more, before one plain background too; a frame of
a moving hand and the fifth after it by 6."""

JUMP = 0.5
"""A hand that moves by this share of its size from one frame to the next is verified by its palm."""

SIDE_MEMORY = 0.9
"""Share of what was known of a hand's side that one more frame leaves."""

SIDE_CHANGES_AT = 0.7
"""A followed hand changes sides only when the remembered probability of the other one exceeds this."""


Judge = Callable[[Sequence[DetectedHand]], Sequence[DetectedHand]]
"""Gives the hands of a frame back, with the sides that it settled on."""


@dataclass
class _Track:
    """A followed hand: its number, the last landmarks, and what is known of its side.

    Attributes:
        number: the hand's number in the video, from 0; no other hand gets it.
        keypoints: (21, 2) px in the last frame.
        right: remembered probability that it is a right hand.
        side: "left" or "right", as was last said.
        jumped: whether the last frame had it somewhere else.
    """

    number: int
    keypoints: np.ndarray
    right: float
    side: str
    jumped: bool = False

    def see(self, keypoints: np.ndarray, right: float) -> None:
        """Takes in a frame; the side changes only against clear and lasting evidence."""
        moved = np.linalg.norm(keypoints - self.keypoints, axis=-1).mean()
        self.jumped = bool(moved > JUMP * hand_sizes(self.keypoints[None])[0])
        self.keypoints = keypoints
        self.right = SIDE_MEMORY * self.right + (1 - SIDE_MEMORY) * right
        likely = {"right": self.right, "left": 1 - self.right}
        other = "left" if self.side == "right" else "right"
        if likely[other] > SIDE_CHANGES_AT:
            self.side = other


class HandTracker:
    """Follows the hands of one video; frames are given in their order.

    Args:
        detector: finds palms and reads hands.
        most_hands: the likeliest this many are followed; None: all.
        judge: settles the sides of hands that come into the video; None: the detector's are taken.
    """

    def __init__(
        self, detector: HandDetector, most_hands: int | None = None, judge: Judge | None = None
    ) -> None:
        self.detector, self.most_hands, self.judge = detector, most_hands, judge
        self._tracks: list[_Track] = []
        self._hands_seen = 0
        self._since_search = FRAMES_BETWEEN_SEARCHES
        self._lost = False
        self._thumbnail: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> list[tuple[int, DetectedHand]]:
        """The hands of the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            Number and hand, in the order in which the hands came into the video; a hand that was gone gets a
            new number.

        Raises:
            DetectionError: the frame is not such an array.
        """
        require_photos([frame])
        if self._is_cut(frame):
            self._tracks, self._lost = [], True  # another scene, whose hands are looked for at once
        readings = self._follow(frame)
        if self._searches():
            self._since_search, self._lost = 0, False
            readings = self._with_newcomers(readings, frame)
        self._since_search += 1
        confidence = confidence_of_one_look(len(readings.right))
        return [
            (track.number, replace(hand, handedness=track.side))
            for track, hand in zip(self._tracks, readings.hands(confidence), strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """What is remembered of the frames so far, as plain JSON values that :meth:`resume` takes."""
        return {
            "tracks": [vars(track) | {"keypoints": track.keypoints.tolist()} for track in self._tracks],
            "hands_seen": self._hands_seen,
            "since_search": self._since_search,
            "lost": self._lost,
            "thumbnail": None if self._thumbnail is None else self._thumbnail.tolist(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on as the tracker would that gave the state."""
        self._tracks = [
            _Track(**track | {"keypoints": np.array(track["keypoints"])}) for track in state["tracks"]
        ]
        self._hands_seen = state["hands_seen"]
        self._since_search, self._lost = state["since_search"], state["lost"]
        thumbnail = state.get("thumbnail")  # version 1.0 kept none
        self._thumbnail = None if thumbnail is None else np.array(thumbnail, np.int16)

    def _follow(self, frame: np.ndarray) -> HandReadings:
        """Reads the followed hands where the last frame had them; those that are gone are dropped."""
        last = np.array([track.keypoints for track in self._tracks]).reshape(-1, 21, 2)
        squares = squares_of_landmarks(last) if len(last) else np.empty((0, 4))
        readings = self.detector.read([frame], np.zeros(len(last), int), squares, (PLAIN_LOOK,))[0]
        present = np.flatnonzero(readings.presence > PRESENCE_THRESHOLD)
        # Of two that have run into each other the one that was followed longer stays.
        age = -np.arange(len(present), dtype=float)
        kept = present[without_repetitions(readings.keypoints[present], age)]
        self._lost |= len(kept) < len(self._tracks)
        self._tracks = [self._tracks[index] for index in kept]
        readings = readings[kept]
        for track, keypoints, right in zip(self._tracks, readings.keypoints, readings.right, strict=True):
            track.see(keypoints, float(right))
            self._lost |= track.jumped
        return readings

    def _is_cut(self, frame: np.ndarray) -> bool:
        """Whether the frame shows another scene than the last one."""
        size = (CUT_THUMBNAIL_PX, CUT_THUMBNAIL_PX)
        last = self._thumbnail
        self._thumbnail = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.int16)
        return last is not None and bool(np.abs(self._thumbnail - last).mean() > CUT_DIFFERENCE)

    def _searches(self) -> bool:
        """Whether palms are looked for in this frame."""
        if self.most_hands is not None and len(self._tracks) >= self.most_hands and not self._lost:
            return False
        waiting = FRAMES_BETWEEN_SEARCHES if self._tracks else FRAMES_WITHOUT_HANDS
        return self._lost or self._since_search >= waiting

    def _with_newcomers(self, readings: HandReadings, frame: np.ndarray) -> HandReadings:
        """Adds hands that palms were found for and that are not followed yet, and drops what was no hand."""
        # Frames without hands are many, and a hand shows its palm in some frame.
        found, _ = self.detector.find([frame], filling=False)
        trusted = np.flatnonzero(~self._astray(readings, found))
        readings, self._tracks = readings[trusted], [self._tracks[index] for index in trusted]
        joined = HandReadings.joined([readings, found])
        # Followed hands win over new readings of themselves; newcomers go by their presence, below 1.
        rank = np.concatenate([np.full(len(readings.right), 2.0), found.presence])
        kept = without_repetitions(joined.keypoints, rank)
        if self.most_hands is not None:
            kept = np.sort(kept[np.argsort(-rank[kept], kind="stable")][: self.most_hands])
        joined = joined[kept]
        new = joined[len(self._tracks) :]
        hands = new.hands(confidence_of_one_look(len(new.right)))
        for hand, right in zip(self.judge(hands) if self.judge else hands, new.right.tolist(), strict=True):
            # What the judge says against the detector is remembered as doubt, not as certainty.
            right = max(right, 0.5) if hand.handedness == "right" else min(right, 0.5)
            self._tracks.append(_Track(self._hands_seen, hand.keypoints, right, hand.handedness))
            self._hands_seen += 1
        return joined

    def _astray(self, readings: HandReadings, found: HandReadings) -> np.ndarray:
        """(N,) which followed hands are none: without a palm, they jumped or lie over a hand with one."""
        same = same_hands(readings.keypoints, found.keypoints)
        middles = (found.keypoints.min(axis=1) + found.keypoints.max(axis=1)) / 2
        low, high = readings.keypoints.min(axis=1)[:, None], readings.keypoints.max(axis=1)[:, None]
        over = ((middles > low) & (middles < high)).all(axis=-1) & ~same.any(axis=0)
        jumped = np.array([track.jumped for track in self._tracks], bool)
        return ~same.any(axis=1) & (jumped | over.any(axis=1))
