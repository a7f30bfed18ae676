"""Where MediaPipe's landmarks lie beside the joints of the hand model.

Millimetres in the frame of the bone that ends in the landmark (``joint_chain.BONE_FRAMES``; x from the
fingertips to the wrist, y out of the back of the hand), FreiHAND order. Fitted, with pose and shape of each
hand, to the landmarks that the published MediaPipe solution finds in 1,200 photos: the mean of what is left.
"""

from __future__ import annotations

import numpy as np

from s2hand.hand.assets import HandModel
from s2hand.hand.joint_chain import JointChain

IMAGE_OFFSETS_MM = (
    (-10.8, -10.9, -1.1),  # wrist
    (4.2, -4.7, -4.8),  # thumb
    (0.7, 5.9, 3.1),
    (2.7, 1.5, 0.5),
    (-3.5, -1.3, -4.6),
    (-0.9, -0.2, -2.7),  # index
    (-3.9, -1.2, -0.6),
    (-2.7, -1.1, -1.1),
    (0.8, -0.1, 0.1),
    (2.4, -2.0, -1.2),  # middle
    (-3.7, -3.0, -0.7),
    (-2.8, -1.5, -1.1),
    (1.4, -1.1, 0.7),
    (1.9, 0.3, 0.1),  # ring
    (-4.3, -3.0, -0.6),
    (-2.1, -1.0, 1.6),
    (2.1, 0.5, -0.1),
    (1.5, 3.0, 1.4),  # little
    (-2.3, -2.5, -0.8),
    (-1.3, -1.6, 0.9),
    (2.7, 0.2, 1.4),
)
"""Of the landmarks in the image."""

WORLD_OFFSETS_MM = (
    (-4.8, -10.3, -2.2),  # wrist
    (4.9, -3.8, -6.6),  # thumb
    (5.5, 2.6, -0.1),
    (5.1, 1.9, -0.7),
    (-6.3, 3.7, -9.0),
    (-3.5, -4.2, -2.6),  # index
    (-0.7, -2.0, -0.4),
    (0.8, 1.0, 0.3),
    (-2.5, -1.5, 1.6),
    (0.0, -3.6, -1.5),  # middle
    (-3.4, -0.5, -1.1),
    (-2.6, 1.5, -0.3),
    (-3.9, -1.5, 2.3),
    (-2.6, -1.6, -0.2),  # ring
    (-1.6, -1.5, 0.0),
    (-0.8, -0.3, 1.9),
    (-1.3, -0.5, 0.0),
    (2.2, 0.3, 2.1),  # little
    (2.5, -0.6, 0.5),
    (-0.2, 0.2, 1.0),
    (2.0, -1.1, 1.8),
)
"""Of the world landmarks, which come from a hand of other proportions."""


def mediapipe_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's landmarks in the image mean."""
    return JointChain(model, fingertips, np.array(IMAGE_OFFSETS_MM) / 1000)


def mediapipe_world_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's world landmarks mean."""
    return JointChain(model, fingertips, np.array(WORLD_OFFSETS_MM) / 1000)
