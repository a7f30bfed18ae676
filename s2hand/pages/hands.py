"""Scenes from exported hands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s2hand.export import Hand
from s2hand.pages.media import EmbeddedImage
from s2hand.pages.scenes import HandShape, Scene, SceneFrame, SceneHand, vertex_colors


def hand_labels(sides: Sequence[str]) -> list[str]:
    """What the hands of one photo or video are called: "Right hand", or "Right hand 2" if there are several.

    Args:
        sides: "left" or "right" for each.
    """
    labels = []
    for number, side in enumerate(sides):
        nth = sides[: number + 1].count(side)
        labels.append(f"{side.capitalize()} hand" + (f" {nth}" if sides.count(side) > 1 else ""))
    return labels


def photo_scene(
    name: str,
    image: np.ndarray | EmbeddedImage,
    hands: Sequence[Hand],
    size: tuple[int, int] | None = None,
    K: np.ndarray | None = None,
    confidence: Sequence[np.ndarray | None] | None = None,
) -> Scene:
    """The scene of a photo.

    Args:
        name: the photo's.
        image: the photo at any resolution.
        hands: those in it, which know the photo's size and camera.
        size: (width, height) px, needed where there is no hand.
        K: (3, 3) px, likewise.
        confidence: (21,) of each hand's detected keypoints, or None.
    """
    if hands:
        size, K = hands[0].image_size, hands[0].K
    confidence = confidence or [None] * len(hands)
    shown = [
        SceneHand(
            label,
            hand.faces,
            None if hand.face_colors is None else vertex_colors(hand.face_colors, hand.faces),
            hand.light,
        )
        for label, hand in zip(hand_labels([hand.hand for hand in hands]), hands, strict=True)
    ]
    shapes = [
        HandShape(hand.vertices, hand.joints, scores, hand=number)
        for number, (hand, scores) in enumerate(zip(hands, confidence, strict=True))
    ]
    return Scene(name, size, K, shown, [SceneFrame(image, shapes)])
