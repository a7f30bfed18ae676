"""A video for the page of results: some of its frames with their hands, gathered while it is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from s2hand.pages import EmbeddedImage, HandShape, Scene, SceneFrame, SceneHand, embed, vertex_colors
from s2hand.pages.hands import hand_labels
from s2hand.pages.media import FRAME_PX, embed_frame, shrunk
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.video import Frame, drawn_frame, tracks_of

Track = tuple[str, int]


@dataclass
class SeenHand:
    """A hand of a video.

    Attributes:
        scene_hand: what the viewer draws it with; its label is set at the end.
        confidence: mean confidence of each frame with keypoints in which it is seen.
        frames: in how many it is seen.
    """

    scene_hand: SceneHand
    confidence: list[float] = field(default_factory=list)
    frames: int = 0


@dataclass
class VideoScene:
    """Keeps frames of a video, spread evenly over it, and one with the hands drawn over it.

    Attributes:
        most_frames: beyond these every other frame is dropped, as often as needed.
        every: the distance between the frames that are kept.
        frames: those kept.
        hands: what is known of each hand, in the order in which they are first seen.
        with_hands: number of frames that show a hand.
        K: (3, 3) px of the video, once a hand was seen.
        camera_source: where the focal length comes from.
        clearest: pixels and hands of the frame that shows the most hands, and shows them most clearly.
    """

    most_frames: int
    every: int = 1
    frames: list[SceneFrame] = field(default_factory=list)
    hands: dict[Track, SeenHand] = field(default_factory=dict)
    with_hands: int = 0
    K: np.ndarray | None = None
    camera_source: str = ""
    clearest: tuple[np.ndarray, Reconstruction | None] | None = None

    def add(self, frame: Frame, views: Sequence[HandView], hands: Reconstruction | None) -> None:
        """Takes the next frame.

        Args:
            frame: the frame.
            views: the views of its hands.
            hands: the hands in the order of the views, or None.
        """
        shapes = [] if hands is None else self._shapes(views, hands)
        if self.clearest is None or _clarity(hands) > _clarity(self.clearest[1]):
            self.clearest = frame.pixels, hands
        if frame.number % self.every:
            return
        self.frames.append(SceneFrame(embed_frame(frame.pixels), shapes))
        if len(self.frames) > self.most_frames:
            self.frames = self.frames[::2]
            self.every *= 2

    def scene(self, name: str, size: tuple[int, int], fps: float, K: np.ndarray) -> Scene:
        """The scene of the video.

        Args:
            name: the video's.
            size: (width, height) px.
            fps: frames a second.
            K: (3, 3) px, the camera if no hand was seen.
        """
        labels = hand_labels([side for side, _ in self.hands])
        hands = [
            replace(seen.scene_hand, label=label)
            for label, seen in zip(labels, self.hands.values(), strict=True)
        ]
        return Scene(name, size, K if self.K is None else self.K, hands, self.frames, fps / self.every)

    def still(self) -> EmbeddedImage:
        """The clearest frame with its hands over it."""
        return still_of(*self.clearest, FRAME_PX)

    def _shapes(self, views: Sequence[HandView], hands: Reconstruction) -> list[HandShape]:
        """The hands of a frame as the viewer takes them, each under its number in the whole video."""
        self.with_hands += 1
        shapes = []
        for row, (track, hand) in enumerate(zip(tracks_of(views), hands, strict=True)):
            if track not in self.hands:
                colors = None if hand.face_colors is None else vertex_colors(hand.face_colors, hand.faces)
                self.hands[track] = SeenHand(SceneHand("", hand.faces, colors, hand.light))
            if self.K is None:
                self.K, self.camera_source = hand.K, hand.focal_source
            seen, confidence = self.hands[track], hands.confidence[row].numpy()
            seen.frames += 1
            if confidence.any():
                seen.confidence.append(float(confidence.mean()))
            number = list(self.hands).index(track)
            shapes.append(HandShape(hand.vertices, hand.joints, confidence, hand=number))
        return shapes


def _clarity(hands: Reconstruction | None) -> float:
    """Larger for more hands, and among as many for more confident ones."""
    return 0.0 if hands is None else len(hands) + float(hands.confidence.mean())


def still_of(pixels: np.ndarray, hands: Reconstruction | None, longest_px: int) -> EmbeddedImage:
    """A photo or frame with the hands over it, shrunk first, so that lines keep a width that is seen.

    Args:
        pixels: (H, W, 3) uint8.
        hands: those in it, or None.
        longest_px: longer side of the still.
    """
    small = shrunk(pixels, longest_px)
    if hands is None:
        return embed(small)
    scale = np.array([small.shape[1] / pixels.shape[1], small.shape[0] / pixels.shape[0], 1.0])
    scale = hands.K.new_tensor(scale)
    hands = replace(hands, K=scale[:, None] * hands.K, keypoints_2d=hands.keypoints_2d * scale[:2])
    return embed(drawn_frame(small, hands))
