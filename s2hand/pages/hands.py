"""Scenes and joint tables from exported hands."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2hand.export import Hand
from s2hand.files import written_whole
from s2hand.pages.joints import joint_names
from s2hand.pages.media import EmbeddedImage
from s2hand.pages.scenes import HandShape, Scene, SceneFrame, SceneHand, vertex_colors

CSV_COLUMNS = ("hand", "joint", "name", "x_m", "y_m", "z_m", "u_px", "v_px")


def hand_labels(hands: Sequence[Hand]) -> list[str]:
    """What the hands of one photo are called: "Right hand", or "Right hand 2" if there are several."""
    sides = [hand.hand for hand in hands]
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
        for label, hand in zip(hand_labels(hands), hands, strict=True)
    ]
    shapes = [
        HandShape(hand.vertices, hand.joints, scores, hand=number)
        for number, (hand, scores) in enumerate(zip(hands, confidence, strict=True))
    ]
    return Scene(name, size, K, shown, [SceneFrame(image, shapes)])


def write_joints_csv(path: str | Path, hands: Sequence[Hand]) -> Path:
    """Writes the joints of a photo's hands as a table: metres in the camera frame and pixels of the photo.

    Args:
        path: the file; its folder is made.
        hands: those of one photo.
    """
    path = Path(path)
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for label, hand in zip(hand_labels(hands), hands, strict=True):
            for joint, name in enumerate(joint_names()):
                place = (*(f"{value:.6f}" for value in hand.joints[joint]),)
                pixel = (*(f"{value:.2f}" for value in hand.keypoints_2d[joint]),)
                writer.writerow((label, joint, name, *place, *pixel))
    return path
