"""Where MediaPipe's landmarks lie beside the joints of the hand model.

Millimetres in the frame of the bone that ends in the landmark (``joint_chain.BONE_FRAMES``; x from the
fingertips to the wrist, y out of the back of the hand), FreiHAND order. Fitted, with pose and shape of each
hand, to the landmarks that the published MediaPipe solution finds in 750 photos: the mean of what is left.
``scripts/fit_landmark_definition.py`` prints these constants and says which photos it takes.
"""

from __future__ import annotations

import numpy as np

from s2hand.hand.assets import HandModel
from s2hand.hand.joint_chain import JointChain

IMAGE_OFFSETS_MM = (
    (-2.1, -0.5, -1.0),  # wrist
    (-0.6, -2.7, -6.8),  # thumb
    (-1.1, 2.9, 7.4),
    (-2.3, -2.0, 6.4),
    (-0.1, -0.4, -3.8),
    (0.5, 1.2, -4.6),  # index
    (-1.7, -0.9, -0.3),
    (-3.1, -1.9, -1.4),
    (2.1, 0.3, -0.1),
    (8.5, 0.7, -2.2),  # middle
    (-1.0, 0.2, -0.3),
    (-4.1, -2.1, -0.9),
    (1.1, 0.3, 0.8),
    (3.2, 2.2, 3.1),  # ring
    (-4.3, -2.0, -1.2),
    (-3.2, -1.7, 1.7),
    (3.3, 0.5, 0.7),
    (0.9, 4.3, 3.0),  # little
    (-4.5, -2.6, -2.2),
    (-2.7, -1.5, 0.3),
    (2.4, -0.5, 2.3),
)
"""Offsets of the landmarks in the image."""

WORLD_OFFSETS_MM = (
    (0.5, -0.8, -3.0),  # wrist
    (-0.6, -2.7, -7.9),  # thumb
    (5.1, 1.1, 4.9),
    (1.8, -0.8, 8.1),
    (-1.6, 4.4, -8.3),
    (-2.5, -6.3, -4.6),  # index
    (0.8, -4.4, 0.3),
    (1.3, -0.1, 1.0),
    (-0.3, -2.3, 0.9),
    (5.1, -2.6, -2.6),  # middle
    (-1.2, 1.7, -0.3),
    (-2.7, 2.0, 0.0),
    (-0.8, 0.1, 2.0),
    (-1.8, -1.3, 1.9),  # ring
    (-2.1, -1.9, -1.2),
    (-1.5, -1.6, 1.7),
    (0.4, -3.0, 1.4),
    (2.3, 1.4, 2.7),  # little
    (1.8, 0.8, -1.3),
    (-0.4, 0.4, 0.4),
    (1.7, -3.9, 2.8),
)
"""Offsets of the world landmarks, which come from a hand of other proportions."""


def mediapipe_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's landmarks in the image mean."""
    return JointChain(model, fingertips, np.array(IMAGE_OFFSETS_MM) / 1000)


def mediapipe_world_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's world landmarks mean."""
    return JointChain(model, fingertips, np.array(WORLD_OFFSETS_MM) / 1000)
